"""Differences of files and ranges."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quartpatterns._shared.calling import maybe_await
from quartpatterns.subclassing.example.differences.frameworks import ClientResponse, Framework

__all__: list[str] = []


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Create a folder with a file of five bytes in its folder ``static``."""
    # The same path and time for all frameworks, because entity tags depend on them.
    root = Path(tempfile.gettempdir()) / f"quartpatterns-differences-{os.getpid()}"
    (root / "static").mkdir(parents=True)
    try:
        file = root / "static" / "five.txt"
        file.write_bytes(b"hello")
        os.utime(file, (1_700_000_000, 1_700_000_000))
        yield root
    finally:
        shutil.rmtree(root)


async def _sent(
    framework: Framework, headers: dict[str, str] | None = None, **options: Any
) -> ClientResponse:
    app = framework.app()
    with folder() as root:

        @framework.view(app)
        async def view() -> Any:
            path = root / "static" / "five.txt"
            return await maybe_await(framework.names.send_file(path, **options))

        return await framework.call(app, headers=headers or {})


async def _ranged(framework: Framework, value: str) -> ClientResponse:
    app = framework.app()

    @framework.view(app)
    async def view() -> Any:
        response = await maybe_await(framework.names.make_response(b"hello"))
        conditional = response.make_conditional(
            framework.names.request, accept_ranges=True, complete_length=5
        )
        return await maybe_await(conditional)

    return await framework.call(app, headers={"Range": value})


async def suffix_range(framework: Framework) -> str:
    response = await _ranged(framework, "bytes=-2")
    return str(response) if response.status == 206 else str(response.status)


async def unsatisfiable(framework: Framework) -> str:
    response = await _ranged(framework, "bytes=9-")
    return f"{response.status} Content-Range: {response['content-range']}"


async def conditional_by_default(framework: Framework) -> str:
    return str(await _sent(framework, {"Range": "bytes=1-2"}))


async def names_of_arguments(framework: Framework) -> str:
    options: dict[str, Any] = {"download_name": "x.txt", "max_age": 5, "etag": False}
    response = await _sent(framework, None, **options)
    return (
        f"{response.status} {response['cache-control']}" if response.status == 200 else "TypeError"
    )


async def static_caching(framework: Framework) -> str:
    with folder() as root:
        app = framework.app(static_folder=str(root / "static"))
        response = await framework.call(app, "/static/five.txt")
    return f"{response['cache-control']}; Expires: {'yes' if response['expires'] else 'no'}"


async def foreign_name(framework: Framework) -> str:
    name = "attachment_filename" if framework.name == "Quart" else "download_name"
    response = await _sent(framework, None, **{"as_attachment": True, name: "grüße.txt"})
    return str(response["content-disposition"])


async def plain_disposition(framework: Framework) -> str:
    return str((await _sent(framework))["content-disposition"])


async def relative_folder(framework: Framework) -> str:
    with folder() as root:
        app = framework.app(root_path=str(root))

        @framework.view(app)
        async def view() -> Any:
            return await maybe_await(framework.names.send_from_directory("static", "five.txt"))

        return str((await framework.call(app)).status)
