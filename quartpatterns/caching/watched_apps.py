"""Records what is read of each request to an application."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import copy_context
from typing import Any, cast
from weakref import WeakKeyDictionary

from quart import Quart, appcontext_pushed, request_started
from quart.globals import request_ctx

from quartpatterns._shared.visitors import READS
from quartpatterns.caching.recorded_requests import recording_request_class, watch_request
from quartpatterns.caching.recording import attributes, is_own, is_unknown
from quartpatterns.caching.request_names import (
    CLIENT,
    COOKIE_HEADER,
    COOKIES,
    HEADERS,
    QUERY,
    SCOPE,
    SESSION,
)
from quartpatterns.caching.request_reads import RequestReads, record_session, session_name

__all__ = ["watch_requests"]

# Context variables of frameworks and of tracing, which do not name a visitor.
_HARMLESS_VARIABLES = frozenset(
    """
    current_async_library_cvar current_context current_scope decimal_context isolation_scope
    correlation_id request_id trace_id span_id thread_sensitive_context
    """.split()
)


def watch_requests(app: Quart, harmless: Iterable[str] = ()) -> None:
    """Record what is read of each request to *app* from its creation.

    Arguments:
        app: The application.
        harmless: Names of context variables that do not tell visitors apart.
    """
    watched = _watched_apps.get(app)
    if watched is None:
        watched = _watched_apps[app] = _WatchedApp(app)
        app.request_class = recording_request_class(cast("Any", app.request_class))
        request_started.connect(_started, app)
        # The first function in the list runs last, shortly before the session is saved.
        app.after_request_funcs[None].insert(0, _ended)
        app.before_serving_funcs.append(watched.set_usual_context)
    watched.harmless.update(harmless)


class _WatchedApp:
    """What is known of an application whose requests are recorded.

    Attributes:
        harmless: Names of context variables that do not tell visitors apart.
    """

    def __init__(self, app: Quart) -> None:
        self.harmless: set[str] = {*map(str, _HARMLESS_VARIABLES)}
        # Functions that see a request before the signal request_started is sent to this module.
        methods = ("full_dispatch_request", "handle_request", "request_context")
        self._overridden = any(
            name in attributes(app) or not is_own(getattr(type(app), name)) for name in methods
        )
        self._context = copy_context()
        self._counts: tuple[int, int] | None = None
        self._has_receivers = False

    async def set_usual_context(self) -> None:
        """Remember the context in which the server runs; requests may have more variables."""
        self._context = copy_context()

    def may_read_early(self, app: Any) -> bool:
        """Return whether other code may read the session before its reading is recorded."""
        counts = (len(request_started.receivers), len(appcontext_pushed.receivers))
        if counts != self._counts:
            self._counts = counts
            receivers = [
                *request_started.receivers_for(app),
                *appcontext_pushed.receivers_for(app),
            ]
            self._has_receivers = not all(map(_reads_nothing, receivers))
        return self._overridden or self._has_receivers

    def context_variables(self) -> Iterable[str]:
        """Yield the names of context variables that were set for this request, by middleware."""
        for variable, value in copy_context().items():
            if is_unknown(variable, self._context, value) and variable.name not in self.harmless:
                yield f"context variable {variable.name}"


_watched_apps: WeakKeyDictionary[Quart, _WatchedApp] = WeakKeyDictionary()


def _reads_nothing(receiver: Any) -> bool:
    module = str(getattr(receiver, "__module__", ""))
    # The bridge passes signals on to receivers that are written for Flask.
    return module.startswith("quartpatterns.") and ".bridge" not in module


async def _started(app: Quart, **_: Any) -> None:
    context: Any = cast("Any", request_ctx)._get_current_object()
    current = context.request
    reads: RequestReads | None = attributes(current).get(READS)
    watched = _watched_apps[app]
    if reads is None:
        # The application has another class of requests since, or this request was created before.
        kind = cast("Any", type(current))
        app.request_class = recording_request_class(cast("Any", app.request_class))
        reads = watch_request(current)
        early = watched.may_read_early(app) or not is_own(kind.__init__)
        if early and reads.has(HEADERS):
            reads.names.update((HEADERS, COOKIES, CLIENT))  # Nobody knows what it has read.
    else:
        early = watched.may_read_early(app) or not reads.created
        if QUERY not in reads.first:
            reads.names.discard(QUERY)  # Quart has read it to find the view.
        if not early:
            # These were read to open the session, whose contents are recorded, and by Quart.
            cookie = app.session_interface.get_cookie_name(app)
            opened = {COOKIE_HEADER, f"cookie {cookie}", SCOPE}
            reads.names.difference_update(opened - reads.first)
    record_session(context, reads)
    if early and reads.has(SESSION):
        reads.names.add(SESSION)
    reads.names.update(watched.context_variables())


async def _ended(response: Any) -> Any:
    context: Any = cast("Any", request_ctx)._get_current_object()
    reads: RequestReads | None = attributes(context.request).get(READS)
    if reads is not None and reads.session is not None:
        attributes(context)[session_name(context)] = reads.session
        reads.session_watchers -= 1
    return response
