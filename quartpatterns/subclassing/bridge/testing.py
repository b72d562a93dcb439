"""The test client, which also sets Flask's names after a request in ``async with client``."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from contextvars import Token
from types import TracebackType
from typing import Any

from quartpatterns.subclassing.bridge.contexts import BridgedRequestContext
from quartpatterns.subclassing.testing import FaithfulClient, PreservedContexts, reset_variables

__all__ = ["BridgedClient"]


class BridgedClient(FaithfulClient):
    """A client after whose requests ``flask.session`` and ``flask.g`` can be read in a test."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bridge_tokens: list[Token[Any]] = []

    async def open(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request and return the response."""
        reset_variables(self._bridge_tokens)
        response = await super().open(*args, **kwargs)
        preserved: Any = self.preserve_context
        if isinstance(preserved, PreservedContexts):
            for context in preserved:
                if isinstance(context, BridgedRequestContext):
                    self._bridge_tokens += context.set_flask_variables()
        return response

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await super().__aexit__(exc_type, exc_value, tb)
        reset_variables(self._bridge_tokens)
