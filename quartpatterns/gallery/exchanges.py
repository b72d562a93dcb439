"""Exchanges with Flask, Quart and FaithfulQuart that the gallery makes when a visitor asks.

They are some of the differences that ``quartpatterns parity subclassing --table`` measures: those
that need no server and take milliseconds. A visitor selects one of them and sends nothing else.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import textwrap
from contextvars import Context
from dataclasses import dataclass
from threading import BoundedSemaphore

from markupsafe import Markup
from quart import abort

from quartpatterns._shared.cleanup import finish
from quartpatterns._shared.threads import run_sync
from quartpatterns.gallery.code import highlight
from quartpatterns.subclassing.example.differences import DIFFERENCES, Difference, measure
from quartpatterns.subclassing.example.differences.frameworks import (
    FRAMEWORKS,
    ClientResponse,
    Framework,
)

__all__ = ["EXCHANGES", "Exchange", "FrameworkAnswer", "exchange"]

TIMEOUT = 5.0  # seconds for each framework
WAITING = 2.0  # seconds for which an exchange waits for others
MOST_WAITING = 20  # exchanges
POLL_INTERVAL = 0.01  # seconds between two attempts to begin

# The numbers of the differences, and what they mean for an application.
WHY = {
    13: "An application that builds links from the Host header sends links to any host.",
    12: "Without Vary, a shared cache can give the page of one user to another.",
    23: "A limit that a view sets has no effect on a body that is larger.",
    15: "A generator finds nothing in g, and the page greets nobody.",
    16: "The form that Flask's page teaches is an error in Quart.",
    1: "The view gets None, where Flask refuses the request.",
    5: "A client that asks for the last bytes of a file gets an error.",
    6: "A client that asks for a range after the end does not learn the size.",
    7: "An interrupted download starts again from its first byte.",
    10: "The name of the file is sent without the encoding of RFC 6266.",
    11: "A browser is not told under which name to save the file.",
    9: "Browsers use a style sheet for twelve hours without asking for a newer one.",
    2: "A view that returns an iterator is an error.",
    3: "A status with its text is an error.",
    14: "A health check that asks by IP address gets a 404.",
    40: "A relative folder is not looked for below the application.",
    34: "The view sees an empty form in a test.",
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange that a visitor can select.

    Arguments:
        key: The value in the URL.
        difference: What it shows.
        why: What it means for an application.
        source: The code that makes it, highlighted.
    """

    key: str
    difference: Difference
    why: str
    source: Markup


@dataclass(frozen=True, slots=True)
class FrameworkAnswer:
    """What one framework answered.

    Arguments:
        name: The framework.
        result: The result in a few words.
        responses: The responses as its test client received them.
    """

    name: str
    result: str
    responses: tuple[ClientResponse, ...]


def _exchange(number: int, why: str) -> Exchange:
    difference = next(each for each in DIFFERENCES if each.number == number)
    source = textwrap.dedent(inspect.getsource(difference.probe)).rstrip()
    return Exchange(str(number), difference, why, highlight(source))


EXCHANGES = {str(number): _exchange(number, why) for number, why in WHY.items()}

# The errors of the frameworks are results here.
logging.getLogger(Framework.__module__).setLevel(logging.CRITICAL + 1)
_slot = BoundedSemaphore()  # some exchanges use the same folder
_waiting = 0


async def exchange(selected: Exchange) -> list[FrameworkAnswer]:
    """Make an exchange with all frameworks, in a thread, and return what they answered.

    Exchanges are made one after the other. If one has to wait for more than :data:`WAITING`
    seconds, or too many wait, the response is a 503.
    """
    await _acquire_slot()
    try:
        # The applications must not see the contexts of the gallery.
        make = run_sync(lambda: Context().run(asyncio.run, _ask_all(selected)))
        # The thread goes on if the visitor leaves, and the next exchange waits for its end.
        answers: list[FrameworkAnswer] = await finish(make)
        return answers
    finally:
        _slot.release()


async def _acquire_slot() -> None:
    # A thread that waits would be missing for the other pages, and an asyncio.Lock belongs to
    # one event loop.
    global _waiting
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAITING
    _waiting += 1
    try:
        while not _slot.acquire(blocking=False):
            if _waiting > MOST_WAITING or loop.time() > deadline:
                abort(503, description="Other visitors are trying exchanges. Try again.")
            await asyncio.sleep(POLL_INTERVAL)
    finally:
        _waiting -= 1


async def _ask_all(selected: Exchange) -> list[FrameworkAnswer]:
    answers = []
    for name in FRAMEWORKS:
        framework = Framework(name)
        try:
            async with asyncio.timeout(TIMEOUT):
                result = await measure(selected.difference, framework)
        except TimeoutError:
            result = f"no answer in {TIMEOUT:g} s"
        answers.append(FrameworkAnswer(name, result, tuple(framework.responses)))
    return answers
