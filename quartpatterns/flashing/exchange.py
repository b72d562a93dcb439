"""What one request brings, what it flashes, what it shows, and what its answer carries."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from quart import Quart, session
from quart.signals import message_flashed
from quart.typing import ResponseTypes
from quart.wrappers import Request

from quartpatterns.flashing import cookies
from quartpatterns.flashing.cookies import FlashCookie

__all__ = ["Exchange", "Flashed"]


class Flashed:
    """A message that is stored, and the signal of it, to be awaited."""

    def __init__(self, app: Quart, category: str, message: str) -> None:
        self.app = app
        self.category = category
        self.message = message
        self.signalled = False

    def __await__(self) -> Generator[Any, None, None]:
        return self.signal().__await__()

    async def signal(self) -> None:
        """Send Quart's signal ``message_flashed``, once."""
        if not self.signalled:
            self.signalled = True
            await message_flashed.send_async(
                self.app,
                _sync_wrapper=self.app.ensure_async,  # type: ignore[arg-type]
                message=self.message,
                category=self.category,
            )


class Exchange:
    """The messages of one request and its answer.

    Arguments:
        app: The application.
        request: The request.
        answered: Whether the head of its answer is made already.
    """

    def __init__(self, app: Quart, request: Request, *, answered: bool = False) -> None:
        self.app = app
        self.reading = request.method != "HEAD"
        self.brought, self.expired = cookies.decode(app, request.cookies)
        self.flashed: list[FlashCookie] = []
        self.shown: list[FlashCookie] = []
        self.taken: list[tuple[str, str]] | None = None
        self.answered = answered
        self.to_await: list[Flashed] = []
        self.to_signal: list[Flashed] = []

    @property
    def waiting(self) -> list[FlashCookie]:
        """The messages that nobody has seen, oldest first."""
        return [cookie for cookie in self.brought + self.flashed if cookie not in self.shown]

    def add(self, category: str, message: str) -> None:
        """Flash a message.

        Raises:
            FlashTooLargeError: It does not fit in a cookie, or not beside those that wait.
            RuntimeError: The answer's head is made already.
        """
        if self.answered:
            raise RuntimeError(
                "the head of the answer is on its way, and messages travel in it: flash before"
                " the view returns its stream"
            )
        last = (self.brought + self.flashed)[-1:]
        cookie = cookies.encode(self.app, category, message, after=last[0].name if last else "")
        cookies.fit(self.app, self.waiting, cookie)
        self.flashed.append(cookie)

    def take(self) -> list[tuple[str, str]]:
        """The messages that wait, as pairs of category and message; they count as shown then."""
        if self.taken is None:
            if self.answered:
                return self._too_late()
            self.taken = _of_session()
            self.taken += [(cookie.category, cookie.message) for cookie in self.waiting]
            if self.reading:
                self.shown = self.waiting
        return self.taken

    def _too_late(self) -> list[tuple[str, str]]:
        if waiting := self.waiting:
            reason = (
                f"{len(waiting)} flashed messages wait for the next page, as this stream is too"
                " late to take them: call get_flashed_messages() in the view, before it returns"
            )
            if self.app.testing:
                raise RuntimeError(reason)
            self.app.logger.warning(reason)
        return []

    def answer(self, response: ResponseTypes) -> None:
        """Put into the head of *response* what has to be kept, and take out what was shown."""
        self.answered = True
        response.vary.add("Cookie")
        options = cookies.options(self.app)
        ended = self.expired + [cookie.name for cookie in self.shown if cookie in self.brought]
        for name in ended:
            response.delete_cookie(name, **options)
        for cookie in self.flashed:
            if cookie not in self.shown:
                response.set_cookie(cookie.name, cookie.value, **options)


def _of_session() -> list[tuple[str, str]]:
    """Messages that were flashed with ``quart.flash``, whose place is the session."""
    flashes: list[tuple[str, str]] = []
    if "_flashes" in session:
        flashes.extend((category, message) for category, message in session.pop("_flashes"))
    return flashes
