"""Flashed messages that are not lost: row 38."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from quart import Quart
from quart.ctx import RequestContext
from quart.globals import (
    _cv_request,  # pyright: ignore[reportPrivateUsage]
    current_app,
    request_ctx,
    session,
)
from quart.signals import message_flashed
from quart.typing import ResponseTypes

__all__ = ["FlashChecks", "flash"]

PENDING = "_flashes_to_await"


class _Flashed:
    """What :func:`flash` gives back: the sending of its signal, to be awaited."""

    def __init__(self, message: str, category: str) -> None:
        self.message = message
        self.category = category
        self.awaited = False

    def __await__(self) -> Generator[Any, None, None]:
        self.awaited = True
        return self._send().__await__()

    async def _send(self) -> None:
        app: Quart = current_app._get_current_object()  # type: ignore[attr-defined]
        await message_flashed.send_async(
            app,
            _sync_wrapper=app.ensure_async,  # type: ignore[arg-type]
            message=self.message,
            category=self.category,
        )


def flash(message: str, category: str = "message") -> _Flashed:
    """Flash *message* to the next request; to be awaited, as Quart's.

    Quart's loses the message where the ``await`` is forgotten. This one has stored it before it
    is awaited: only the signal ``message_flashed`` is not sent then. Under ``TESTING`` a forgotten
    ``await`` is an error at the end of the request, where the application is a
    :class:`FlashChecks`.

    Arguments:
        message: What to say.
        category: What kind of message it is.
    """
    flashes = session.get("_flashes", [])
    flashes.append((category, message))
    session["_flashes"] = flashes
    flashed = _Flashed(message, category)
    if current_app.testing and (context := _cv_request.get(None)) is not None:
        vars(context).setdefault(PENDING, []).append(flashed)
    return flashed


class FlashChecks(Quart):
    """A ``flash()`` that was not awaited is an error under ``TESTING``."""

    async def process_response(
        self, response: ResponseTypes, request_context: RequestContext | None = None
    ) -> ResponseTypes:
        """Check, then process the response as before.

        Raises:
            RuntimeError: A :func:`flash` was not awaited.
        """
        context: Any = request_context or request_ctx._get_current_object()  # type: ignore[attr-defined]
        for flashed in vars(context).get(PENDING, ()):
            if not flashed.awaited:
                raise RuntimeError(
                    f"flash({flashed.message!r}) was not awaited: write await flash(...)"
                )
        return await super().process_response(response, request_context)
