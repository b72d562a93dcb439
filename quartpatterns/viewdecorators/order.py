"""A decorator above the route protects nothing: that is an error, as early as it can be known."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from quart import Quart

__all__ = ["DecoratorOrderError", "guard", "is_protected", "protects"]

View = Callable[..., Any]

_guarded: WeakSet[Quart] = WeakSet()
_protected: WeakSet[View] = WeakSet()
_shadowed: WeakSet[View] = WeakSet()


class DecoratorOrderError(RuntimeError):
    """A decorator stands where it has no effect; the message says where it belongs."""


class GuardedViews(dict[str, View]):
    """The view functions of an application, none of which is the inside of a protected one."""

    def __setitem__(self, endpoint: str, view: View) -> None:
        if _among(_shadowed, view):
            raise _exposed(endpoint, view)
        super().__setitem__(endpoint, view)


def guard(app: Quart) -> None:
    """Refuse unprotected views on *app*: those registered so far, and those yet to come.

    Raises:
        DecoratorOrderError: One is registered already.
    """
    guarded = GuardedViews()
    for endpoint, view in app.view_functions.items():
        guarded[endpoint] = view
    app.view_functions = guarded
    _guarded.add(app)


def protects(wrapper: View, view: View) -> None:
    """Note that *wrapper* protects *view*, so that *view* itself may not be registered.

    Raises:
        DecoratorOrderError: It is registered already, by a route below the decorator.
    """
    for inner in _chain(view):
        with suppress(TypeError):  # Bound methods and the like can't be told apart later.
            _shadowed.add(inner)
        for app in _guarded:
            for endpoint, registered in app.view_functions.items():
                if registered is inner:
                    raise _exposed(endpoint, inner)
    _protected.add(wrapper)


def is_protected(view: View) -> bool:
    """Whether *view*, or a function that it wraps, asks for a login."""
    return any(_among(_protected, inner) for inner in _chain(view))


def _chain(view: View) -> Iterator[View]:
    """*view* and what it wraps, down to the innermost."""
    current: View | None = view
    while current is not None:
        yield current
        current = getattr(current, "__wrapped__", None)


def _among(views: WeakSet[View], view: View) -> bool:
    try:
        return view in views
    except TypeError:  # It has no hash.
        return False


def _exposed(endpoint: str, view: View) -> DecoratorOrderError:
    name = getattr(view, "__qualname__", repr(view))
    return DecoratorOrderError(
        f"the endpoint {endpoint!r} is registered with {name} itself, without the decorator that"
        " protects it: write the route above login_required, roles_required and"
        " fresh_login_required, not below them. To serve one function with and without protection,"
        " register a second function that calls it."
    )
