"""Names of Flask's that can't exist here, with what to write instead: row 42."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["ApplicationSignposts", "RequestSignposts"]


class _Signpost:
    """An attribute that does not exist, and says where to go."""

    def __init__(self, instead: str) -> None:
        self.instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        raise AttributeError(
            f"{owner.__name__!r} object has no attribute {self.name!r}: {self.instead}"
        )


class ApplicationSignposts:
    """What an ASGI application has in the place of a WSGI application's attributes."""

    ensure_sync = _Signpost("use app.ensure_async()")
    async_to_sync = _Signpost(
        "await the coroutine; for the other direction use app.sync_to_async()"
    )
    wsgi_app = _Signpost("wrap app.asgi_app")


class RequestSignposts:
    """What a request over ASGI has in the place of a WSGI request's attributes."""

    environ = _Signpost("use request.scope")
    stream = _Signpost(
        "use request.body: 'async for data in request.body', or 'await request.body'"
    )
    input_stream = _Signpost("use request.body")
