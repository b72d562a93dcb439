"""Records what a function reads that runs now, with all that it calls."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from functools import lru_cache
from types import FunctionType
from typing import Any

from quart.sessions import SessionMixin
from werkzeug.local import LocalProxy

from quartpatterns._shared.visitors import READS
from quartpatterns._shared.visitors import current_reader as shared_reader

__all__ = ["Reader", "attributes", "current_reader", "is_own", "is_resource", "is_unknown"]
__all__ += ["kind_of", "reading", "record_read", "recording_context", "usual_attributes"]

_OWN_MODULES = ("quart", "werkzeug", "quartpatterns")
_OWN_VARIABLES = frozenset({"computing", "revalidated", "sqlalchemy_reading"})
# What has one of these methods is a resource, such as a database connection, and names nobody.
_METHODS_OF_RESOURCES = (
    *("close", "aclose", "execute", "cursor", "begin", "acquire"),
    *("__enter__", "__aenter__"),
)

# The attributes of an object, and its class; without a call in Python, because each request needs a
# dozen.
attributes: Callable[[Any], dict[str, Any]] = vars
kind_of: Callable[[Any], Any] = type


class Reader:
    """What a function has read that runs now, with all that it calls.

    Attributes:
        names: What it has read of the request.
        globals: The attributes of ``g`` that it has read.
        attributes: The attributes of the request that are not Quart's.
        callbacks: The functions with which it has registered callbacks of the request.
    """

    __slots__ = ("_outer", "attributes", "callbacks", "globals", "names")

    def __init__(self, outer: Reader | None) -> None:
        self.names: set[str] = set()
        self.globals: set[str] = set()
        self.attributes: set[str] = set()
        self.callbacks: set[str] = set()
        self._outer = outer

    def add(self, kind: str, name: str) -> None:
        """Record a name in one of the sets, for this function and those that have called it."""
        reader: Reader | None = self
        while reader is not None:
            names: set[str] = getattr(reader, kind)
            names.add(name)
            reader = reader._outer


# What is read by the function that runs now, if it is watched.
current_reader: ContextVar[Reader | None] = shared_reader


@contextmanager
def reading() -> Generator[Reader]:
    """Record what is read in this context, also in threads and tasks that it starts."""
    outer = current_reader.get()
    reader = Reader(outer)
    token = current_reader.set(reader)
    try:
        yield reader
    finally:
        try:
            current_reader.reset(token)
        except ValueError:  # A template that is streamed may end in another context.
            current_reader.set(outer)


def record_read(name: str) -> None:
    """Record that something was read that is no part of a request."""
    if (reader := current_reader.get()) is not None:
        reader.add("names", name)


def is_resource(value: Any) -> bool:
    """Return whether a value is a resource, such as a connection, which names no visitor."""
    return callable(value) or _is_class_of_resources(kind_of(value))


@lru_cache(maxsize=1024)
def _is_class_of_resources(kind: Any) -> bool:
    return any(hasattr(kind, one) for one in _METHODS_OF_RESOURCES)


@lru_cache(maxsize=1)
def _quart_variables() -> frozenset[Any]:
    from quart import globals as quart_globals

    values: list[Any] = list(vars(quart_globals).values())
    kind: Any = ContextVar
    return frozenset(value for value in values if isinstance(value, kind))


def is_unknown(variable: ContextVar[Any], usual: Context, value: object) -> bool:
    """Return whether other code than Quart's and this package's has set a context variable."""
    return (
        (variable not in usual or usual[variable] is not value)
        and not variable.name.startswith(("quart.", "quartpatterns."))
        and variable.name not in _OWN_VARIABLES
        and variable not in _quart_variables()
    )


def is_own(function: Any) -> bool:
    return str(function.__module__).partition(".")[0] in _OWN_MODULES


@lru_cache(maxsize=64)
def usual_attributes(kind: Any) -> frozenset[str]:
    """Return the names that Quart's own classes use."""
    usual = {READS, "__dict__", "__class__"}
    for base in kind.__mro__:
        if base is object or is_own(base):
            for name, member in vars(base).items():
                usual.add(name)
                function = getattr(member, "fget", None) or getattr(member, "func", member)
                if isinstance(function, FunctionType):
                    usual.update(function.__code__.co_names)
    return frozenset(usual)


# Templates.


@lru_cache(maxsize=64)
def recording_context(kind: Any) -> Any:
    """Return a subclass of a class of template contexts whose user and session are recorded.

    Extensions such as quart-auth give templates the user itself. A fragment may use it in an
    included template or a macro.
    """

    def init(self: Any, environment: Any, parent: dict[str, Any], *args: Any, **more: Any) -> None:
        found = {
            name: _recorded_variable(name, value)
            for name, value in parent.items()
            if _is_recorded(kind_of(value))
        }
        if found:
            parent = {**parent, **found}
        kind.__init__(self, environment, parent, *args, **more)

    namespace = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__init__": init}
    return type(kind.__name__, (kind,), namespace)


def _recorded_variable(name: str, value: Any) -> Any:
    def get() -> Any:
        record_read(name)
        return value

    return LocalProxy(get)


def _is_recorded(kind: Any) -> bool:
    return hasattr(kind, "is_authenticated") or issubclass(kind, SessionMixin)
