"""Headers, cookies and a session that record what is read of them.

They are subclasses of those that they replace, or proxies, and pass each call on. Comparing,
iterating and changing them works as before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from inspect import getattr_static
from typing import Any, Protocol

from werkzeug.local import LocalProxy

from quartpatterns.caching.recording import attributes, kind_of
from quartpatterns.caching.request_names import SESSION

__all__ = ["Recorder", "RecordingSession", "recording_copy"]

_BY_NAME = frozenset({"__getitem__", "get", "getlist", "get_all"})
# What type() needs itself, and what says nothing about the contents.
_INHERITED = frozenset(
    """
    __class__ __class_getitem__ __delattr__ __dir__ __getattribute__ __getstate__ __init__
    __init_subclass__ __new__ __setattr__ __sizeof__ __subclasshook__
    """.split()
)


class Recorder(Protocol):
    """What records how headers or cookies are read."""

    def add_name(self, name: str) -> object:
        """Record the name that is looked up."""

    def add_presence(self, name: str) -> object:
        """Record the name whose presence is tested."""

    def add_all(self) -> object:
        """Record that all names are read."""


def recording_copy(original: Any, recorder: Recorder) -> Any:
    """Return an object of the same kind that passes each call on to *original* and records it.

    Arguments:
        original: Headers or cookies.
        recorder: Gets the names.
    """
    kind = _recording_class(kind_of(original))
    recording = kind.__new__(kind)
    own = attributes(recording)
    own.update(attributes(original))
    own["_quartpatterns_original"] = original
    own["_quartpatterns_recorder"] = recorder
    return recording


@lru_cache(maxsize=64)
def _recording_class(kind: Any) -> Any:
    namespace: dict[str, Any] = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    for name in dir(kind):
        method = getattr_static(kind, name)
        is_private = name.startswith("_") and not name.startswith("__")
        if name not in _INHERITED and not is_private and callable(method):
            namespace[name] = _recording_method(name, method)
    namespace["__hash__"] = kind.__hash__
    return type(kind.__name__, (kind,), namespace)


def _recording_method(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    if name in _BY_NAME:

        @wraps(method)
        def look_up(self: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
            own = attributes(self)
            if isinstance(key, str):
                own["_quartpatterns_recorder"].add_name(key)
            else:
                own["_quartpatterns_recorder"].add_all()
            return method(own["_quartpatterns_original"], key, *args, **kwargs)

        return look_up

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        own = attributes(self)
        key = args[0] if args else kwargs.get("key")
        if name == "__contains__" and isinstance(key, str):
            own["_quartpatterns_recorder"].add_presence(key)
        else:
            own["_quartpatterns_recorder"].add_all()
        return method(own["_quartpatterns_original"], *args, **kwargs)

    return call


# The session.


class RecordingSession(LocalProxy[Any]):
    """A session that records which of its keys are read."""

    __slots__ = ("quartpatterns_names", "quartpatterns_original")

    def __init__(self, original: Any, names: set[str]) -> None:
        def whole() -> Any:
            names.add(SESSION)
            return original

        super().__init__(whole)
        object.__setattr__(self, "quartpatterns_original", original)
        object.__setattr__(self, "quartpatterns_names", names)

    def __getattr__(self, name: str) -> Any:
        if name not in ("accessed", "modified", "new"):
            self.quartpatterns_names.add(SESSION)
        return getattr(self.quartpatterns_original, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.quartpatterns_original, name, value)


def _session_method(name: str) -> Callable[..., Any]:
    def call(self: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        self.quartpatterns_names.add(f"{SESSION} {key}")
        return getattr(self.quartpatterns_original, name)(key, *args, **kwargs)

    call.__name__ = name
    return call


for _name in "get pop setdefault __getitem__ __contains__ __setitem__ __delitem__".split():
    setattr(RecordingSession, _name, _session_method(_name))
