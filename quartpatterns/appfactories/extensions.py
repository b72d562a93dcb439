"""Connecting several extensions to an application in one call."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

from quart import Quart

__all__ = ["init_extensions"]


class HasInitApp(Protocol):
    """An object with the method ``init_app``, as extensions of Flask and Quart have it."""

    def init_app(self, app: Any, /) -> Any:
        """Connect the extension to *app*."""
        ...


def init_extensions(app: Quart, *extensions: HasInitApp) -> None:
    """Call ``init_app(app)`` of each extension, in this order.

    .. code-block:: python

        init_extensions(app, db, login_manager, CSRFProtect(), tasks, cache)

    Arguments:
        app: The application.
        extensions: Objects with a method ``init_app``.

    Raises:
        TypeError: One has no method ``init_app``, is a class, or its method is asynchronous. No
            extension is connected in the first two cases.

    .. versionadded:: 0.1
    """
    for extension in extensions:
        name = getattr(extension, "__qualname__", type(extension).__qualname__)
        if isinstance(extension, type):
            raise TypeError(f"{name} is a class: pass an object, {name}()")
        if not callable(getattr(extension, "init_app", None)):
            raise TypeError(f"an object of type {name} has no method init_app")
    for extension in extensions:
        result = extension.init_app(app)
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError(
                f"init_app of {type(extension).__qualname__} is asynchronous: await it in a"
                " function with @app.before_serving"
            )
