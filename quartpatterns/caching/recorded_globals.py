"""Records which attributes of ``g`` are read."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any
from weakref import WeakSet
from weakref import ref as weak_reference

from quart.globals import app_ctx

from quartpatterns._shared.visitors import NOT_RECORDED
from quartpatterns.caching.recording import current_reader, kind_of

__all__ = ["ALL_GLOBALS", "Loaded", "loaded_globals", "record_globals"]

ALL_GLOBALS = "__dict__"
"""In place of the name of an attribute of ``g``: all of them."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was read to set attributes of ``g`` that nobody has read yet."""

    globals: weak_reference[Any]
    attributes: frozenset[str]
    seen: set[str]
    names: set[str]

    def note(self, current: object, name: str) -> None:
        """Record what was read, if an attribute of ``g`` depends on it."""
        if current is self.globals() and (name in self.attributes or name == ALL_GLOBALS):
            for read in self.names:
                self.seen.add(read)


loaded_globals: ContextVar[tuple[Loaded, ...]] = ContextVar(
    "quartpatterns.caching.loaded", default=()
)


_METHODS_OF_GLOBALS = ("get", "pop", "setdefault", "__contains__", "__getattr__")
_CHANGES_OF_GLOBALS = ("__setattr__", "__delattr__")
# The classes that record which attributes of g are read.
_recording_kinds: WeakSet[Any] = WeakSet()


def record_globals() -> dict[str, Any]:
    """Record which attributes of the current ``g`` are read; return those that it has now."""
    context: Any = app_ctx
    current = context._get_current_object().g
    kind = kind_of(current)
    if kind not in _recording_kinds:
        # Not "current.__class__ = ...", which would store an attribute of g.
        object.__setattr__(current, "__class__", _recording_globals(kind))
    values: dict[str, Any] = object.__getattribute__(current, "__dict__")
    return values.copy()


@lru_cache(maxsize=64)
def _recording_globals(kind: Any) -> Any:
    """Return a subclass of the class of ``g`` that records which attributes are read."""

    def get_attribute(self: Any, name: str) -> Any:
        reader = current_reader.get()
        is_method = name in _METHODS_OF_GLOBALS or (name != ALL_GLOBALS and name[:2] == "__")
        if not is_method and name not in NOT_RECORDED:
            if reader is not None:
                reader.add("globals", name)
            for loaded in loaded_globals.get():
                loaded.note(self, name)
        return object.__getattribute__(self, name)

    namespace: dict[str, Any] = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__getattribute__": get_attribute,
    }
    for method in (*_METHODS_OF_GLOBALS, *_CHANGES_OF_GLOBALS):
        namespace[method] = _recording_global(getattr(kind, method), method)
    made: Any = type(kind.__name__, (kind,), namespace)
    _recording_kinds.add(made)
    return made


def _recording_global(method: Callable[..., Any], method_name: str) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        reader, loaded = current_reader.get(), loaded_globals.get()
        if reader is None and not loaded:
            return method(self, name, *args, **kwargs)
        if method_name not in _CHANGES_OF_GLOBALS and name not in NOT_RECORDED:
            if reader is not None:
                reader.add("globals", name)
            for one in loaded:
                one.note(self, name)
        # The method uses "__dict__", but reads only one name.
        tokens = (current_reader.set(None), loaded_globals.set(()))
        try:
            return method(self, name, *args, **kwargs)
        finally:
            current_reader.reset(tokens[0])
            loaded_globals.reset(tokens[1])

    return call
