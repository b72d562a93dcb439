"""An application for servers with several workers; it writes each call of a view into a file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quart import Quart
from quart.utils import run_sync

from quartpatterns.caching import Cache

cache = Cache()


def create_app(config: Mapping[str, Any] | None = None) -> Quart:
    app = Quart("site")
    app.config.from_mapping(config or {})
    cache.init_app(app)

    def write_call(name: str) -> None:
        with Path(app.config["CALLS"]).open("a") as file:
            file.write(f"{name} {os.getpid()}\n")

    @app.get("/page/<name>")
    @cache.cached(timeout=60)
    async def page(name: str) -> str:
        await run_sync(write_call)(name)
        await asyncio.sleep(1.0)
        return f"{name} by {os.getpid()}"

    @app.get("/stuck/<name>")
    @cache.cached(timeout=60)
    async def stuck(name: str) -> str:
        await run_sync(write_call)(name)
        await asyncio.sleep(3600 if name == str(os.getpid()) else 0.1)
        return f"{name} by {os.getpid()}"

    @app.get("/pid")
    async def pid() -> str:
        return str(os.getpid())

    @app.after_request
    async def sign(response: Any) -> Any:
        response.headers["X-Worker"] = str(os.getpid())
        return response

    return app
