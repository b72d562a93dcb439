"""The request as extensions of Flask see it: bodies are read without ``await``."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from io import BytesIO
from typing import Any, NoReturn

from werkzeug.datastructures import CombinedMultiDict, FileStorage, MultiDict

from quartpatterns.subclassing.bridge.waiting import on_event_loop, wait_in_thread
from quartpatterns.subclassing.environ import EnvironOfRequest

__all__ = ["RecordingRequest", "SynchronousRequest"]

UNREAD: Any = object()
FORMS = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})


class RecordingRequest(EnvironOfRequest):
    """A request that stores what was read of its body, for :class:`SynchronousRequest`."""

    read_data: Any = UNREAD
    read_form: Any = UNREAD
    read_files: Any = UNREAD

    async def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Any:
        """Read the whole body."""
        if cache:
            self.read_data = await super().get_data(True, False, parse_form_data)
            if not as_text:
                return self.read_data
        return await super().get_data(cache, as_text, parse_form_data)

    @property
    def form(self) -> Any:
        """The fields of a form."""
        return self._record("form")

    @property
    def files(self) -> Any:
        """The files of a form."""
        return self._record("files")

    async def _record(self, name: str) -> Any:
        parsed = await getattr(super(), name)
        # Both are parsed together.
        self.read_form = parsed if name == "form" else await super().form
        self.read_files = parsed if name == "files" else await super().files
        return parsed


class SynchronousRequest:
    """Flask's ``request``: Quart's request, whose body is read without ``await``.

    In a thread, where Quart runs synchronous views and hooks, an attribute such as ``form`` waits
    for the body, as in Flask. Code on the event loop can't wait, so it must have read the body
    before with Quart's request.

    Arguments:
        request: Quart's request.
        loop: The event loop that receives the body.
    """

    def __init__(self, request: Any, loop: asyncio.AbstractEventLoop | None) -> None:
        object.__setattr__(self, "_request", request)
        object.__setattr__(self, "_loop", loop)
        object.__setattr__(self, "_cache", {})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._request, name, value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._request.method} {self._request.path!r}>"

    @property
    def form(self) -> MultiDict[str, str]:
        """The fields of a form."""
        if self._request.read_form is UNREAD:
            self._read(self._request.form, "form")
        return self._request.read_form  # type: ignore[no-any-return]

    @property
    def files(self) -> MultiDict[str, FileStorage]:
        """The files of a form; ``save()`` is synchronous, as in Flask."""
        if "files" not in self._cache:
            if self._request.read_files is UNREAD:
                self._read(self._request.files, "files")
            files = self._request.read_files.items(multi=True)
            self._cache["files"] = MultiDict((name, _synchronous(file)) for name, file in files)
        return self._cache["files"]  # type: ignore[no-any-return]

    @property
    def values(self) -> CombinedMultiDict[str, str]:
        """The parameters of the URL and the fields of the form."""
        sources = [self._request.args]
        if self._request.method in {"POST", "PUT", "PATCH"}:
            sources.append(self.form)
        return CombinedMultiDict(sources)

    @property
    def data(self) -> bytes:
        """The body, unless it is a form."""
        return self.get_data(parse_form_data=True)  # type: ignore[no-any-return]

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return self.get_json()

    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Any:
        """Return the body."""
        data = self._request.read_data
        if data is UNREAD and parse_form_data and self._request.mimetype in FORMS:
            # The parser of the form reads the whole body.
            self.form  # noqa: B018
            data = b""
        elif data is UNREAD:
            data = self._read(self._request.get_data(cache=cache), "get_data()")
        return data.decode(errors="replace") if as_text else data

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return the body as JSON."""
        if not on_event_loop():
            return self._read(self._request.get_json(force, silent, cache), "get_json()")
        if self._request.read_data is UNREAD and (force or self._request.is_json):
            _refuse("get_json()")
        return _run_at_once(self._request.get_json(force, silent, cache), "get_json()")

    @property
    def stream(self) -> BytesIO:
        """The body as a file."""
        if "stream" not in self._cache:
            self._cache["stream"] = BytesIO(self.get_data())
        return self._cache["stream"]  # type: ignore[no-any-return]

    def _read(self, reading: Coroutine[Any, Any, Any], what: str) -> Any:
        if on_event_loop():
            reading.close()
            _refuse(what)
        return wait_in_thread(reading, self._loop)


def _synchronous(file: Any) -> FileStorage:
    """Return Werkzeug's ``FileStorage``. Quart's ``save()`` has to be awaited."""
    return FileStorage(file.stream, file.filename, file.name, headers=file.headers)


def _run_at_once(coroutine: Coroutine[Any, Any, Any], what: str) -> Any:
    """Return the result of a coroutine that does not wait."""
    try:
        coroutine.send(None)
    except StopIteration as result:
        return result.value
    coroutine.close()
    _refuse(what)


def _refuse(what: str) -> NoReturn:
    raise RuntimeError(
        f"flask.request: the body has not been read, and on the event loop {what} can't wait for"
        f" it. Write 'await request.{what}' with Quart's request before, or call the function in"
        " a thread: await run_sync(function)()"
    )
