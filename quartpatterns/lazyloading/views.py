"""Views that are imported for their first request, and their URL rules."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any

from quart import Blueprint, Quart, current_app, has_request_context, request

from quartpatterns._shared.calling import call, mark_async
from quartpatterns._shared.threads import run_sync
from quartpatterns.lazyloading.imports import absolute_name, check_view, import_view, split_name

__all__ = ["LazyView", "lazy_url"]

logger = logging.getLogger(__name__)


class LazyView:
    """A view function that imports the real view when it is first called.

    It is the class of Flask's page for all kinds of views: functions, coroutine functions,
    generators, classes of :mod:`quart.views`, and websocket handlers. It has the ``__module__`` and
    ``__name__`` of the view, so the endpoint has the view's name:

    .. code-block:: python

        user = LazyView("yourapplication.views.user")
        app.add_url_rule("/user/", view_func=user)
        app.add_url_rule("/user/<username>", view_func=user)

    The import runs in a thread, once for all requests that wait for it, and outside of any
    context. It goes on if a client disconnects. If it fails, the waiting requests are a 500, and
    the next request tries again. After the import, ``__wrapped__`` is the view.

    Arguments:
        import_name: ``package.module.view`` or ``package.module:view``.

    Raises:
        ValueError: *import_name* is not a dotted name.

    .. versionadded:: 0.1
    """

    def __init__(self, import_name: str) -> None:
        self.__module__, self.__name__ = split_name(import_name)
        self.import_name = f"{self.__module__}.{self.__name__}"
        self._view: Callable[..., Any] | None = None
        self._importing: asyncio.Task[Callable[..., Any]] | None = None
        mark_async(self)  # Quart must await the view.

    def __repr__(self) -> str:
        return f"<LazyView {self.import_name}>"

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return await call(self._view or await self.load(), *args, **kwargs)

    async def load(self) -> Callable[..., Any]:
        """Return the view, and import it if necessary.

        Raises:
            LazyImportError: The view can't be imported.
        """
        if self._view is not None:
            return self._view
        if self._importing is None or self._importing.get_loop() is not asyncio.get_running_loop():
            self._importing = asyncio.create_task(self._import(), context=Context())
            self._importing.add_done_callback(self._import_done)
        # The shield keeps the import running for other requests if this one is cancelled.
        view = await asyncio.shield(self._importing)
        if self._view is None:
            self._view = view
            # As functools.wraps does, for code that looks for marks on the view.
            self.__wrapped__ = view
            self._check_methods(view)
        return view

    async def _import(self) -> Callable[..., Any]:
        view: Callable[..., Any] = await run_sync(import_view)(self.import_name)
        return view

    def _import_done(self, task: asyncio.Task[Callable[..., Any]]) -> None:
        self._importing = None
        if not task.cancelled():
            task.exception()  # Without this, asyncio logs the error if no request waits any more.

    def _check_methods(self, view: Callable[..., Any]) -> None:
        """Log a warning if the view has methods that none of its URL rules has."""
        if not has_request_context():
            return
        rules = current_app.url_map.iter_rules(request.endpoint)
        routed = {method for rule in rules for method in rule.methods or ()}
        if missing := {*(getattr(view, "methods", None) or ())} - routed:
            logger.warning(
                "%s has methods that none of its URL rules has: register it with methods=%s",
                self.import_name,
                sorted(missing | routed - {"HEAD", "OPTIONS"}),
            )


def lazy_url(
    app: Quart | Blueprint,
    import_name: str,
    url_rules: Sequence[str],
    *,
    endpoint: str | None = None,
    websocket: bool = False,
    check: bool = False,
    **options: Any,
) -> LazyView:
    """Register a view for one or more URL rules; it is imported for its first request.

    .. code-block:: python

        lazy_url(app, ".views.index", ["/"])
        lazy_url(app, ".views.user", ["/user/", "/user/<username>"])
        lazy_url(app, ".views.Notes", ["/notes"], methods=["GET", "POST"])
        lazy_url(app, ".views.echo", ["/echo"], websocket=True)

    Arguments:
        app: The application or a blueprint.
        import_name: ``package.module.view``. A name that starts with a dot is relative to the
            package of *app*. For a class of views, pass its name, without ``as_view``.
        url_rules: The rules, which share one endpoint.
        endpoint: The endpoint; by default the name of the view.
        websocket: Whether the view handles a websocket.
        check: Whether to check now that the view exists. Its module is read but not imported,
            unless its source doesn't show the name.
        options: More options of ``add_url_rule``. Pass ``methods`` if the view has others than
            ``GET``, because the methods of the view are not known yet.

    Returns:
        The view.

    Raises:
        LazyImportError: *check* is true and the view doesn't exist.
        TypeError: *url_rules* is a string.
        ValueError: *url_rules* is empty, or *import_name* is invalid.

    .. versionadded:: 0.1
    """
    if isinstance(url_rules, str):
        raise TypeError(f"url_rules must be a list: write [{url_rules!r}].")
    if not url_rules:
        raise ValueError(f"{import_name} needs at least one URL rule.")
    view = LazyView(absolute_name(import_name, app.import_name))
    if check:
        check_view(view.import_name)
    add = app.add_websocket if websocket else app.add_url_rule
    for rule in url_rules:
        add(rule, endpoint, view, **options)
    return view
