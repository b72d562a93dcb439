"""Finds decorators above the route, where they protect nothing.

A view that ``login_required`` has decorated must not be registered itself. Two places look for such
a view, so that the earlier one finds it:

* the ``view_functions`` of a guarded application, when a view is registered;
* :func:`guard`, in what is registered already. :class:`LoginManager` calls it, and the next
  application context, which begins when a server starts. It is called again after a view was
  decorated that is registered already: ``app.view_functions[name] =
  login_required(app.view_functions[name])`` is right, and the decorator can't know whether its
  result will be registered.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from weakref import WeakSet

from quart import Quart
from quart.signals import appcontext_pushed

from quartpatterns._shared.protected_views import (
    CACHED_ABOVE,
    DecoratorOrderError,
    View,
    contains,
    is_protected,
    mark_protected,
    wrapped_views,
)

__all__ = ["DecoratorOrderError", "guard", "protect"]

_guarded: WeakSet[Quart] = WeakSet()
# Those with a registered view that was decorated later.
_unchecked: WeakSet[Quart] = WeakSet()
# The functions inside of decorated functions.
_unprotected: WeakSet[View] = WeakSet()


class _GuardedViews(dict[str, View]):
    """The view functions of an application, which refuse an unprotected view."""

    def __setitem__(self, endpoint: str, view: View) -> None:
        if contains(_unprotected, view):
            raise _order_error(endpoint, view)
        if _is_cached_above_login(view):
            raise DecoratorOrderError(CACHED_ABOVE)
        super().__setitem__(endpoint, view)


def guard(app: Quart) -> None:
    """Refuse unprotected views in *app*, those that are registered and those that will be.

    Raises:
        DecoratorOrderError: An unprotected view is registered.
    """
    guarded = _GuardedViews()
    for endpoint, view in app.view_functions.items():
        guarded[endpoint] = view
    app.view_functions = guarded
    _guarded.add(app)
    _unchecked.discard(app)


async def _guard_at_start(app: Quart, **_: Any) -> None:
    if app not in _guarded or app in _unchecked:
        guard(app)


def protect(decorated: View, view: View) -> None:
    """Remember that *decorated* protects *view*, so that *view* itself must not be registered."""
    appcontext_pushed.connect(_guard_at_start)
    for inner in wrapped_views(view):
        with suppress(TypeError):  # Some callables have no hash or no weak references.
            _unprotected.add(inner)
        for app in _guarded:
            if any(registered is inner for registered in app.view_functions.values()):
                _unchecked.add(app)
    mark_protected(decorated)


def _is_cached_above_login(view: View) -> bool:
    """Return whether ``Cache.cached`` or ``Cache.memoize`` stands above a protection."""
    for inner in wrapped_views(view):
        # Decorators copy attributes, so that others than the cached function have it as well.
        if getattr(inner, "uncached", None) is getattr(inner, "__wrapped__", inner):
            return is_protected(inner)
    return False


def _order_error(endpoint: str, view: View) -> DecoratorOrderError:
    name = getattr(view, "__qualname__", repr(view))
    return DecoratorOrderError(
        f"the endpoint {endpoint!r} is registered with {name} without the decorator that protects"
        " it: write the route above login_required, roles_required and fresh_login_required, or"
        f" register the result, app.view_functions[{endpoint!r}] = login_required(...). To serve a"
        " function with and without protection, register a second function that calls it."
    )
