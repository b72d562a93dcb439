"""A view that is imported when it is first asked for."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections.abc import Callable
from contextvars import Context
from typing import Any

from quart import current_app, has_request_context, request
from quart.utils import run_sync

from .imports import imported, split

__all__ = ["LazyView"]

logger = logging.getLogger(__name__)


class LazyView:
    """A view function by its name, imported when it is first called.

    The class of Flask's page, for views of every kind: functions and coroutine functions, those
    that stream, classes of :mod:`quart.views`, and handlers of websockets. Its ``__module__`` and
    ``__name__`` are those of the view, so that the endpoint has the view's name::

        user = LazyView("yourapplication.views.user")
        app.add_url_rule("/user/", view_func=user)
        app.add_url_rule("/user/<username>", view_func=user)

    The import runs in a thread, while other requests are answered, and once however many ask
    for it; a client that goes away does not stop it. It runs outside of any context, as it would
    at start-up. If it fails, those who wait for it get 500, and the next one tries again.

    What an application must know before its first request stays in modules that are imported
    eagerly: ``before_request`` and its like, and a view's own ``methods``, which have to be
    repeated where it is registered.

    Arguments:
        import_name: ``package.module.view`` or ``package.module:view``.

    Raises:
        ValueError: That is no such name.
    """

    def __init__(self, import_name: str) -> None:
        self.__module__, self.__name__ = split(import_name)
        self.import_name = f"{self.__module__}.{self.__name__}"
        self._view: Callable[..., Any] | None = None
        self._importing: asyncio.Task[Callable[..., Any]] | None = None
        # Quart asks what is a coroutine function, and an instance with `async def __call__` is
        # none; what it asks is another thing in each version of Python, as in quart/app.py.
        if sys.version_info >= (3, 12):
            inspect.markcoroutinefunction(self)
        else:
            self._is_coroutine: object = vars(asyncio.coroutines)["_is_coroutine"]

    def __repr__(self) -> str:
        return f"<LazyView {self.import_name}>"

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        view = self._view or await self.load()
        return await current_app.ensure_async(view)(*args, **kwargs)

    async def load(self) -> Callable[..., Any]:
        """Import the view, unless it is there already, and return it.

        Raises:
            LazyImportError: It can't be imported.
        """
        if self._view is not None:
            return self._view
        if self._importing is None or self._importing.get_loop() is not asyncio.get_running_loop():
            self._importing = asyncio.create_task(self._import(), context=Context())
            self._importing.add_done_callback(self._imported)
        # Shielded: whoever asked first may go away, the others still wait for it.
        view = await asyncio.shield(self._importing)
        if self._view is None:
            self._view = view
            self._warn_of_methods(view)
        return view

    async def _import(self) -> Callable[..., Any]:
        view: Callable[..., Any] = await run_sync(imported)(self.import_name)
        return view

    def _imported(self, task: asyncio.Task[Callable[..., Any]]) -> None:
        self._importing = None
        if not task.cancelled():
            task.exception()  # Looked at: those who waited have it, if there still are any.

    def _warn_of_methods(self, view: Callable[..., Any]) -> None:
        """Say so where the view answers methods that no rule of its lets through."""
        if not has_request_context():
            return
        rules = current_app.url_map.iter_rules(request.endpoint)
        let_through = {method for rule in rules for method in rule.methods or ()}
        if missing := {*(getattr(view, "methods", None) or ())} - let_through:
            logger.warning(
                "%s has methods that no URL rule of it lets through: register it with methods=%s",
                self.import_name,
                sorted(missing | let_through - {"HEAD", "OPTIONS"}),
            )
