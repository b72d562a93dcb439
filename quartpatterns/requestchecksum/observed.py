"""A request's body that tells what is read from it, each byte once."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from quart import Request
from quart.wrappers.request import Body

__all__ = ["ObservedBody", "observe"]


class ObservedBody(Body):
    """A body that stands in front of another, and passes on what is read of it.

    Quart has no input stream to wrap. Whoever reads a request (the form parser, ``get_data``,
    ``async for``) iterates over its ``body`` or awaits it; the server's side looks ``body`` up
    for every message, and is handed on to the inner one.

    Arguments:
        inner: The body to read.
        seen: Called with the bytes that are read for the first time.
        ended: Called at the end of the body, each time somebody comes to it; what it raises, the
            reader gets in place of the end.
    """

    def __init__(
        self,
        inner: Body,
        seen: Callable[[bytes], None],
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        # Quart's __init__ is left out: this body holds nothing itself.
        self.inner = inner
        self._seen = seen
        self._ended = ended
        self._taken = 0  # bytes that are out of the inner buffer
        self._noted = 0  # bytes that have been passed to seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __aiter__(self) -> ObservedBody:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self.inner.__anext__()
        except StopAsyncIteration:
            self._ended()
            raise
        self._note(data)
        self._taken += len(data)
        return data

    def __await__(self) -> Generator[Any, None, bytes]:
        # What is awaited stays in the buffer, to be awaited again or iterated over.
        data: bytes = yield from self.inner.__await__()
        self._note(data)
        self._ended()
        return data

    def _note(self, data: bytes) -> None:
        """Pass on what is new in *data*, which begins where the last byte was taken out."""
        if new := data[self._noted - self._taken :]:
            self._seen(new)
            self._noted += len(new)

    def append(self, data: bytes) -> None:
        """Hand *data* from the server to the inner body."""
        self.inner.append(data)

    def set_complete(self) -> None:
        """Tell the inner body that there is no more."""
        self.inner.set_complete()

    def clear(self) -> None:
        """Forget what has been awaited."""
        self.inner.clear()


def observe(
    request: Request, seen: Callable[[bytes], None], ended: Callable[[], None] = lambda: None
) -> Request:
    """Put an :class:`ObservedBody` in front of *request*'s body; the request itself is returned.

    Arguments:
        request: The request, or Quart's proxy for the current one.
        seen: As in :class:`ObservedBody`, as is *ended*.

    Raises:
        RuntimeError: A multipart form has been read, and its bytes are gone.
    """
    found: Request = getattr(request, "_get_current_object", lambda: request)()
    # Quart has no public name for a form that has been parsed.
    parsed = getattr(found, "_form", None) is not None
    if parsed and found.mimetype == "multipart/form-data":
        raise RuntimeError(
            "the form has been read: call this before anything reads the request's body, in a"
            " before_request function for instance"
        )
    found.body = ObservedBody(found.body, seen, ended)
    return found
