"""What users of ``quartpatterns.subclassing`` get from type checkers."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from quart.typing import ResponseReturnValue

from quartpatterns.subclassing import (
    FaithfulBlueprint,
    FaithfulQuart,
    FaithfulRequest,
    FaithfulResponse,
    flash,
    send_file,
    send_from_directory,
    stream_with_context,
)
from quartpatterns.subclassing import names as flask_names
from quartpatterns.subclassing.names import Blueprint, Flask, Request, Response


async def files(path: Path) -> None:
    """Files are responses of the package's class."""
    assert_type(await send_file(path, as_attachment=True, max_age=5), FaithfulResponse)
    assert_type(await send_from_directory("folder", path), FaithfulResponse)


async def flashing() -> None:
    """The result of ``flash`` can be awaited."""
    assert_type(await flash("Saved."), None)


async def reading(request: FaithfulRequest) -> None:
    """A body is bytes or str."""
    assert_type(await request.get_data(), str | bytes)
    assert_type(await request.get_data(True, False, False), bytes)
    assert_type(await request.get_data(True, True, False), str)
    assert_type(request.max_content_length, int | None)
    assert_type(request.blueprints, list[str])


def registering(app: FaithfulQuart, blueprint: FaithfulBlueprint) -> None:
    """Decorators keep the type of a function."""

    def defaults(endpoint: str, values: dict[str, object]) -> None: ...

    async def view(name: str) -> ResponseReturnValue:
        return name

    app.get("/<name>")(view)
    blueprint.url_defaults(defaults)


def names() -> None:
    """The module with Flask's names has the classes of this package."""
    assert_type(Flask, type[FaithfulQuart])
    assert_type(Blueprint, type[FaithfulBlueprint])
    assert_type(Request, type[FaithfulRequest])
    assert_type(Response, type[FaithfulResponse])
    assert_type(flask_names.request.method, str)
    assert_type(flask_names.has_request_context(), bool)


async def streaming() -> None:
    """The function is the one of ``quartpatterns.streaming``."""
    async for chunk in stream_with_context(["a", "b"]):
        assert_type(chunk, str)
