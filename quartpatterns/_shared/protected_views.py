"""Which views require a login, for decorators that must not stand above a protection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from weakref import WeakSet

__all__ = [
    "CACHED_ABOVE",
    "DecoratorOrderError",
    "View",
    "contains",
    "is_protected",
    "mark_protected",
    "wrapped_views",
]

View = Callable[..., Any]

_protected: WeakSet[View] = WeakSet()


class DecoratorOrderError(RuntimeError):
    """A decorator is in a position where it has no effect. The message says where to write it.

    .. versionadded:: 0.1
    """


CACHED_ABOVE = (
    "the decorator cached stands above login_required, so visitors who are not logged in would get"
    " cached responses: write login_required above cached"
)


def mark_protected(decorated: View) -> None:
    """Remember that *decorated* requires a login."""
    with suppress(TypeError):  # Some callables have no hash or no weak references.
        _protected.add(decorated)


def is_protected(view: View) -> bool:
    """Return whether *view*, or a function that it wraps, requires a login."""
    return any(contains(_protected, inner) for inner in wrapped_views(view))


def wrapped_views(view: View) -> Iterator[View]:
    """Yield *view* and the functions that it wraps."""
    current: View | None = view
    while current is not None:
        yield current
        current = getattr(current, "__wrapped__", None)


def contains(views: WeakSet[View], view: View) -> bool:
    """Return whether *view* is in *views*; one without a hash is not."""
    try:
        return view in views
    except TypeError:
        return False
