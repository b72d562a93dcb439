"""A log of how streams end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from quart import Quart, g, request

__all__ = ["Log", "teardown"]


class Log:
    """Records closed generators and teardown functions, with the context that they had."""

    def __init__(self, app: Quart) -> None:
        self.closed: list[str] = []
        self.torn_down: list[tuple[str, str]] = []

        @app.teardown_request
        async def note_request(error: BaseException | None) -> None:
            self.torn_down.append((f"request {g.mark}", type(error).__name__))

        @app.teardown_appcontext
        def note_context(error: BaseException | None) -> None:
            if "mark" in g:  # the server starts and stops in contexts of its own
                self.torn_down.append((f"context {g.mark}", type(error).__name__))

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.closed.append(f"{request.path} {g.mark}")


def teardown(error: str = "NoneType") -> list[tuple[str, str]]:
    return [("request g", error), ("context g", error)]
