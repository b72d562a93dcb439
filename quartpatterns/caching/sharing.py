"""Decides whether the answer to one visitor may be given to another one.

A response may be given to other visitors only if nothing that tells visitors apart was read while
it was made, from the creation of the request to the end of the view: no cookie, nothing in the
session, no credentials, no address and no header such as ``X-Api-Key``. Something that was read
and was *missing* does not tell visitors apart either, as long as the response is given only to
requests that lack it as well. What the key of the response was made of does not count.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from quart import has_app_context
from quart.globals import request_ctx
from werkzeug.local import LocalProxy

from quartpatterns._shared.languages import current_languages, language_globals
from quartpatterns._shared.visitors import LANGUAGE
from quartpatterns.caching.recorded_globals import ALL_GLOBALS, record_globals
from quartpatterns.caching.recorded_requests import reads_of, record_attributes
from quartpatterns.caching.recording import Reader, attributes, is_resource, reading
from quartpatterns.caching.request_names import AUTHORIZATION, CALLBACK, SESSION
from quartpatterns.caching.request_reads import RequestReads, connections, recording_session

__all__ = ["FunctionReads", "KeyReads", "ViewReads", "credentials", "watch_function", "watch_key"]
__all__ += ["watch_view"]


def credentials(reads: RequestReads, vary: Collection[str], covered: Collection[str]) -> list[str]:
    """Return which credentials the request has that are not part of the key.

    That is an ``Authorization`` header. The view need not read it itself: a server or a proxy may
    have done so.
    """
    if "Authorization" not in reads.headers:
        return []
    return reads.present((AUTHORIZATION,), vary, covered)


class KeyReads:
    """What a function has read that makes the key of a request.

    Attributes:
        names: What it has read. It is part of the key.
        globals: The attributes of ``g`` that it has read. They are part of the key.
        before: What the hooks had read before.
    """

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self.globals: frozenset[str] = frozenset()
        self.before: frozenset[str] = frozenset()

    @property
    def hooks(self) -> frozenset[str]:
        """What may be part of the key because hooks have left their results in ``g``."""
        return self.before | {SESSION, AUTHORIZATION} if self.globals else frozenset()

    @property
    def covered(self) -> frozenset[str]:
        """What is part of the key, if the view reads no other attributes of ``g``."""
        return self.names | self.hooks


class ViewReads:
    """What a view has read.

    Attributes:
        names: What it has read of the request.
        modified: Whether the session was modified.
        globals: The attributes of ``g`` that it has read and that are not part of the key.
        missed_globals: Whether it has looked for other attributes of ``g``, which do not exist.
        callbacks: The functions with which it has registered callbacks.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.globals: set[str] = set()
        self.callbacks: set[str] = set()
        self.missed_globals = False
        self.modified = False


@contextmanager
def watch_key(reads: RequestReads) -> Generator[KeyReads]:
    """Watch a function that makes the key of the current request."""
    found = KeyReads()
    found.before = frozenset(reads.names)
    context: Any = cast("Any", request_ctx)._get_current_object()
    record_globals()
    with recording_session(context, reads), reading() as reader:
        yield found
    found.names = frozenset(reader.names)
    found.globals = frozenset(reader.globals)


@contextmanager
def watch_view(reads: RequestReads, key: KeyReads | None = None) -> Generator[ViewReads]:
    """Record what is read of the current request and its session.

    Arguments:
        reads: What was read of the request.
        key: What the function has read that made the key. If that includes attributes of ``g``,
            those that the view reads are recorded as well.
    """
    before = set(reads.names)
    found = ViewReads()
    known = record_globals() if key is not None and key.globals else {}
    context: Any = cast("Any", request_ctx)._get_current_object()
    with recording_session(context, reads), reading() as reader:
        try:
            yield found
        finally:
            # Tasks that hooks have started may read something as well.
            found.names = reader.names | (reads.names - before)
            found.callbacks = reader.callbacks
            # A session that was modified before the view adds a cookie to the response.
            found.modified = bool(reads.session.modified)
            if key is not None and key.globals:
                others = _other_globals(reader.globals, key.globals, known)
                found.globals = others & {*known, ALL_GLOBALS}
                found.missed_globals = others - {LANGUAGE} != found.globals


def _other_globals(
    names: Collection[str], in_key: Collection[str], known: dict[str, Any]
) -> set[str]:
    """Return those of *names* that are not part of the key.

    An object that is part of the key may have a second name, as ``g.user`` has.
    """
    if ALL_GLOBALS in in_key:
        return set()
    same = [known[name] for name in in_key if type(known.get(name)).__module__ != "builtins"]
    return {
        name
        for name in names
        if name not in in_key and not any(known.get(name) is value for value in same)
    }


class FunctionReads:
    """What a function has read of the current request or websocket, and of ``g``.

    Arguments:
        reader: What was recorded.
        read_before: Whether something was read before that may tell visitors apart.
        values: The values of ``g`` and of the request before the function was called.
    """

    def __init__(self, reader: Reader, *, read_before: bool, values: dict[str, Any]) -> None:
        self._reader = reader
        self._read_before = read_before
        self._values = values

    def covers(self) -> frozenset[str]:
        """Return what is part of the key, for a function that has made the key."""
        reader = self._reader
        return frozenset(
            (
                *reader.names,
                *(f"g.{name}" for name in reader.globals),
                *(f"request.{name}" for name in reader.attributes),
            )
        )

    def private(self, covered: Collection[str], args: Iterable[Any]) -> list[str]:
        """Return what may tell visitors apart, and is not part of the key.

        Arguments:
            covered: What is part of the key.
            args: The arguments of the function, which are part of the key.
        """
        values = [_unwrapped(one) for one in args]
        read, languages = self.covers(), {f"g.{name}" for name in language_globals()}
        private = [
            name
            for name in read - languages
            if name not in covered
            and (name in self._reader.names or self._is_visitor(name))
            and not any(_is_named(self._values.get(name), one) for one in values)
        ]
        private += [f"{CALLBACK} {name}" for name in sorted(self._reader.callbacks)]
        # Any name of the language in the key is enough.
        if read & languages and not languages & set(covered):
            current = current_languages()
            if not any(isinstance(one, str) and one in current for one in values):
                private.append("the language")
        return private

    def _is_visitor(self, name: str) -> bool:
        """Return whether an attribute of ``g`` or the request may name the visitor."""
        if name == f"g.{ALL_GLOBALS}":
            return self._read_before
        if name not in self._values:
            # Either the function has made it, or it is missing, which other visitors have.
            kind_, _, attribute = name.partition(".")
            made = kind_ == "request" or attribute in record_globals()
            return not made and (attribute == "user" or self._read_before)
        value = self._values[name]
        kind: Any = cast("Any", type(value))
        if name.endswith(".user") or hasattr(kind, "is_authenticated"):
            return True
        return self._read_before and not is_resource(value)


def _unwrapped(value: Any) -> Any:
    if issubclass(type(value), LocalProxy):
        try:
            return value._get_current_object()
        except RuntimeError:
            return None
    return value


def _is_named(value: Any, argument: Any) -> bool:
    """Return whether *argument* is *value* or its identifier."""
    if argument is None or isinstance(argument, bool):
        return False
    if value is argument or (type(value) is type(argument) and bool(value == argument)):
        return True
    for name in ("id", "pk", "auth_id", "uuid"):
        own = getattr(value, name, None)
        if type(own) is type(argument) and bool(own == argument):
            return True
    return False


@contextmanager
def watch_function() -> Generator[FunctionReads]:
    """Record what a function reads of the current request or websocket, and of ``g``.

    Several functions can be watched at once, as ``asyncio.gather`` calls them.
    """
    values: dict[str, Any] = {}
    current_request = _request_context()
    read_before = current_request is None
    with ExitStack() as stack:
        for context in connections():
            current = context.request_websocket
            reads = reads_of(current)
            stack.enter_context(recording_session(context, reads))
            record_attributes(current)
            values.update((f"request.{name}", value) for name, value in attributes(current).items())
            read_before = read_before or bool(reads.names)
        if has_app_context():
            known = record_globals()
            values.update((f"g.{name}", value) for name, value in known.items())
        yield FunctionReads(stack.enter_context(reading()), read_before=read_before, values=values)


def _request_context() -> Any:
    context: Any = request_ctx
    return context._get_current_object() if context else None
