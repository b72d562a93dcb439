"""The test client: after a request in ``async with client``, Flask's names are set as well."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import contextlib
from contextvars import Token
from types import TracebackType
from typing import Any

from quartpatterns.subclassing.bridge.contexts import BridgedRequestContext
from quartpatterns.subclassing.testing import FaithfulClient, PreservedContexts

__all__ = ["BridgedClient"]


class BridgedClient(FaithfulClient):
    """A client after whose requests ``flask.session`` and ``flask.g`` can be read in a test."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bridge_tokens: list[Token[Any]] = []

    async def open(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request and return the response."""
        self._reset()
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
        self._reset()

    def _reset(self) -> None:
        while self._bridge_tokens:
            # A fixture can end in another task than the test that sent the request.
            with contextlib.suppress(ValueError):
                token = self._bridge_tokens.pop()
                token.var.reset(token)
