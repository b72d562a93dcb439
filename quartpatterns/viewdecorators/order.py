"""A decorator above the route protects nothing: that is an error, as early as it can be known."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any
from weakref import WeakSet

from quart import Blueprint, Quart

__all__ = ["DecoratorOrderError", "guard", "is_protected", "protects"]

View = Callable[..., Any]

PACKAGE = __name__.rpartition(".")[0]

_guarded: WeakSet[Quart] = WeakSet()
_guarding: WeakSet[Blueprint] = WeakSet()
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

    An application without a :class:`~quartpatterns.viewdecorators.LoginManager` is not guarded
    yet. Those that the code around the decorator has a name for are, from here on.

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
    for named in _named_around():
        if isinstance(named, Blueprint):
            _guard_later(named)
        elif named not in _guarded:
            guard(named)
    _protected.add(wrapper)


def _named_around() -> Iterator[Quart | Blueprint]:
    """Applications and blueprints that have a name where the decorator is written."""
    frame: FrameType | None = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).startswith(PACKAGE):
        frame = frame.f_back
    if frame is not None:
        # The type is asked, not the value, which may be a proxy such as ``current_app``.
        for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
            if issubclass(type(value), Quart | Blueprint):
                yield value


def _guard_later(blueprint: Blueprint) -> None:
    """Guard every application that *blueprint* is registered on."""
    if blueprint not in _guarding and not blueprint._got_registered_once:  # pyright: ignore[reportPrivateUsage]
        _guarding.add(blueprint)
        blueprint.record(_guard_of)


def _guard_of(state: Any) -> None:
    if state.app not in _guarded:
        guard(state.app)


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
