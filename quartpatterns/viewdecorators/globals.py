"""``g.user`` of a view that uses the user before anything has loaded it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quart import g

__all__ = ["globals_with_user"]


def globals_with_user(base: type[Any], load: Callable[[], Any]) -> type[Any]:
    """Return a subclass of the class of ``g`` that loads the user when ``g.user`` is read.

    Arguments:
        base: ``app.app_ctx_globals_class``.
        load: Sets ``g.user`` of the current context, if that is possible.
    """

    class GlobalsWithUser(base):  # type: ignore[misc]  # pyright: ignore[reportUntypedBaseClass]
        def __getattr__(self, name: str) -> Any:
            if name == "user" and _is_current(self):
                load()
                if name in vars(self):
                    return vars(self)[name]
            parent: Any = super()
            return parent.__getattr__(name)

        def get(self, name: str, default: Any = None) -> Any:
            parent: Any = super()
            return getattr(self, name, default) if name == "user" else parent.get(name, default)

    return GlobalsWithUser


def _is_current(globals_: object) -> bool:
    proxy: Any = g
    return bool(proxy) and proxy._get_current_object() is globals_
