"""Tests of what an application flashes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NamedTuple

from quart import Quart
from quart.signals import message_flashed

__all__ = ["Flash", "captured_flashes"]


class Flash(NamedTuple):
    """A message that was flashed.

    .. versionadded:: 0.1
    """

    message: str
    category: str


@contextmanager
def captured_flashes(app: Quart) -> Generator[list[Flash]]:
    """Collect the messages that *app* flashes, in a list that grows.

    ::

        with captured_flashes(app) as flashes:
            await client.post("/login", form=form)
        assert flashes == [("You were logged in", "message")]

    It uses the signal ``message_flashed``, so messages of ``quart.flash`` are collected, too. The
    next page still shows them.

    Arguments:
        app: The application, with or without :class:`~quartpatterns.flashing.Flashing`.

    .. versionadded:: 0.1
    """
    flashes: list[Flash] = []

    # Asynchronous, because Quart would call another in a thread.
    async def collect(app: Quart, message: str, category: str, **_: Any) -> None:
        flashes.append(Flash(message, category))

    with message_flashed.connected_to(collect, app):
        yield flashes
