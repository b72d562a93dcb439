"""Flash a message, and read those that were flashed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Literal, cast, overload

from quart import current_app, has_request_context, request

from quartpatterns.flashing.exchange import Exchange, Flashed

__all__ = ["KEY", "flash", "get_flashed_messages"]

KEY = "quartpatterns.flashing"


def flash(message: str, category: str = "message") -> Flashed:
    """Say *message* on the next page that is rendered for this user; to be awaited.

    It is stored when this is called. Awaiting it sends the signal ``message_flashed``. Where the
    ``await`` is forgotten in asynchronous code, the signal is sent at the end of the request, and
    under ``TESTING`` the request fails. A synchronous view has nothing to await with, and calls it
    as in Flask.

    Arguments:
        message: What to say, as text or :class:`~markupsafe.Markup`.
        category: What kind of message it is.

    Raises:
        FlashTooLargeError: The message would be lost on its way.
        RuntimeError: No request is active, its answer is on its way already, the application has
            no secret key, or it has no :class:`~quartpatterns.flashing.Flashing`.
    """
    exchange = _exchange("flash")
    exchange.add(category, message)
    flashed = Flashed(exchange.app, category, message)
    (exchange.to_await if _in_event_loop() else exchange.to_signal).append(flashed)
    return flashed


@overload
def get_flashed_messages(
    with_categories: Literal[False] = False, category_filter: Iterable[str] = ()
) -> list[str]: ...


@overload
def get_flashed_messages(
    with_categories: Literal[True], category_filter: Iterable[str] = ()
) -> list[tuple[str, str]]: ...


def get_flashed_messages(
    with_categories: bool = False, category_filter: Iterable[str] = ()
) -> list[str] | list[tuple[str, str]]:
    """The messages that were flashed and not shown yet, oldest first.

    Whatever the filter, all of them count as shown then; later calls in the same request have
    them again. In answer to ``HEAD``, which shows nobody anything, they are kept. Messages of
    ``quart.flash`` are among them, so that extensions that use it need not know about this.

    Call it before the answer's head is sent. A streamed template that is the first to ask gets
    none, as they could not be taken away any more, and the next page shows them: call it in the
    view, before the stream is returned.

    Arguments:
        with_categories: Return pairs of category and message.
        category_filter: Only messages of these categories.

    Raises:
        RuntimeError: No request is active, or the application has no
            :class:`~quartpatterns.flashing.Flashing`. Under ``TESTING`` also where messages wait
            that a stream is too late to ask for.
    """
    wanted = frozenset(category_filter)
    found = [
        (category, message)
        for category, message in _exchange("get_flashed_messages").take()
        if not wanted or category in wanted
    ]
    return found if with_categories else [message for _, message in found]


def _exchange(caller: str) -> Exchange:
    if not has_request_context():
        raise RuntimeError(
            f"{caller} belongs to a request: its messages travel with the answer, which neither"
            " a websocket nor a task has"
        )
    extension = current_app.extensions.get(KEY)
    if extension is None:
        raise RuntimeError(f"{caller} needs Flashing(app), or quart's {caller}")
    exchange: Exchange = extension.exchange(cast(Any, request)._get_current_object())
    return exchange


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
