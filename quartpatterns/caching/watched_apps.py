"""Records what is read of each request to an application."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any, cast
from weakref import WeakKeyDictionary
from weakref import ref as weak_reference

from quart import Quart, after_this_request, appcontext_pushed, request_started
from quart.globals import request_ctx

from quartpatterns._shared.visitors import READS
from quartpatterns.caching.recorded_requests import (
    NOT_RECORDED,
    recording_request_class,
    watch_request,
)
from quartpatterns.caching.recording import attributes, is_own, is_unknown
from quartpatterns.caching.request_names import (
    COOKIE_HEADER,
    HEADERS,
    QUERY,
    SESSION,
    UNKNOWN,
)
from quartpatterns.caching.request_reads import (
    RequestReads,
    end_recording,
    record_session,
    returns_recording,
)

__all__ = ["is_watched", "start_recording", "watch_requests"]

# Context variables of frameworks and of tracing, which do not name a visitor.
_HARMLESS_VARIABLES = frozenset(
    """
    current_async_library_cvar current_context current_scope decimal_context isolation_scope
    correlation_id request_id trace_id span_id thread_sensitive_context
    """.split()
)


def watch_requests(
    app: Quart, harmless: Iterable[str] = (), *, only: Callable[[Any, Any], bool] | None = None
) -> None:
    """Record what is read of each request to *app*.

    Arguments:
        app: The application.
        harmless: Names of context variables that do not tell visitors apart.
        only: Gets the application and a request, and returns whether to record it. It is used as
            long as nobody else watches the application.
    """
    watched = _watched_apps.get(app)
    if watched is not None:
        watched.only = None
    else:
        watched = _watched_apps[app] = _WatchedApp(app)
        watched.only = only
        watched.may_read_early(app)
        request_started.connect(start_recording, app)
        app.before_serving_funcs.append(watched.prepare)
    watched.harmless.update(harmless)


class _WatchedApp:
    """What is known of an application whose requests are recorded.

    If only Quart's own code and this package's sees a request before the signal
    ``request_started``, the recording starts there. Otherwise it starts with the creation of the
    request.

    Attributes:
        harmless: Names of context variables that do not tell visitors apart.
        only: Returns whether to record a request; ``None`` means each.
        before_dispatch: Whether other code than Quart's may read a request before the application
            is called with it, such as a session interface.
        overridden: Whether that may be code that keeps what it has read elsewhere than in the
            session and the arguments of the view.
    """

    def __init__(self, app: Quart) -> None:
        self.harmless: set[str] = {*map(str, _HARMLESS_VARIABLES)}
        self.only: Callable[[Any, Any], bool] | None = None
        self._app = weak_reference(app)
        self._context = copy_context()
        self._known: set[Any] = set()
        self._seen: tuple[Any, ...] = ()
        self._early = False
        self.before_dispatch = False
        self.overridden = False

    async def prepare(self) -> None:
        """Remember the context in which the server runs; requests may have more variables."""
        self._context = copy_context()
        self._known.clear()
        self._seen = ()
        if (app := self._app()) is not None:
            self.may_read_early(app)

    def may_read_early(self, app: Any) -> bool:
        """Return whether other code may read a request or session before it is recorded.

        Such an application gets a class of requests that record from their creation.
        """
        seen = (
            app.request_class,
            app.session_interface,
            len(request_started.receivers),
            len(appcontext_pushed.receivers),
            *app.url_map.converters.values(),
        )
        if seen != self._seen:
            self.overridden = _overrides(app, _BEFORE_DISPATCH) or not all(
                map(_reads_nothing, appcontext_pushed.receivers_for(app))
            )
            self.before_dispatch = self.overridden or not all(map(_is_own_class, _classes(app)))
            self._early = (
                self.before_dispatch
                or _overrides(app, _DISPATCH)
                or not all(map(_reads_nothing, request_started.receivers_for(app)))
            )
            if self._early:
                app.request_class = recording_request_class(app.request_class)
            self._seen = (app.request_class, *seen[1:])
        return self._early

    def context_variables(self) -> Iterable[str]:
        """Return the names of context variables that were set for this request, by middleware."""
        known, current = self._known, copy_context()
        return [
            f"context variable {variable.name}"
            for variable in current
            if variable not in known and self._is_unknown(variable, current[variable])
        ]

    def _is_unknown(self, variable: Any, value: Any) -> bool:
        if variable in self._context and self._context[variable] is value:
            return False
        if variable.name not in self.harmless and is_unknown(variable, self._context, value):
            return True
        self._known.add(variable)
        return False


# Methods of an application that get a request before the signal request_started is sent.
_DISPATCH = ("full_dispatch_request",)
_BEFORE_DISPATCH = ("handle_request", "request_context", "create_url_adapter", "app_context")


def _classes(app: Any) -> list[Any]:
    """Return the classes whose methods get a request before the application is called with it."""
    return [
        app.request_class,
        type(app.session_interface),
        type(app.url_map),
        app.url_rule_class,
        app.asgi_http_class,
        *app.url_map.converters.values(),
    ]


def _is_own_class(kind: Any) -> bool:
    return all(is_own(base) for base in kind.__mro__ if base.__module__ not in _NEUTRAL_MODULES)


_NEUTRAL_MODULES = ("abc", "builtins", "typing")


def _overrides(app: Any, methods: Iterable[str]) -> bool:
    kind: Any = cast("Any", type(app))
    return any(name in attributes(app) or not is_own(getattr(kind, name)) for name in methods)


_watched_apps: WeakKeyDictionary[Quart, _WatchedApp] = WeakKeyDictionary()


def _reads_nothing(receiver: Any) -> bool:
    module = str(getattr(receiver, "__module__", ""))
    # The bridge passes signals on to receivers that are written for Flask.
    return module.startswith("quartpatterns.") and ".bridge" not in module


def is_watched(app: Quart) -> bool:
    """Return whether the requests to an application are recorded."""
    return app in _watched_apps


async def start_recording(app: Quart, **_: Any) -> None:
    """Record what is read of the current request from now on."""
    proxy: Any = request_ctx
    context = proxy._get_current_object()
    current = context.request_websocket
    reads: RequestReads | None = attributes(current).get(READS)
    watched = _watched_apps[app]
    early = watched.may_read_early(app)
    if reads is None:
        if not early and watched.only is not None and not watched.only(app, current):
            attributes(current)[NOT_RECORDED] = watched
            return
        reads = watch_request(current)
        if early and reads.has(HEADERS):
            # This request was created before the application got another class of requests.
            reads.names.add(UNKNOWN)
    elif watched.before_dispatch or not reads.created:
        early = watched.overridden or not reads.created
        reads.keep_reads_before_dispatch()
        if QUERY not in reads.first:
            reads.names.discard(QUERY)  # Quart has read it to find the view.
        if not early:
            # These were read to open the session, whose contents are recorded.
            cookie = app.session_interface.get_cookie_name(app)
            reads.names.difference_update({COOKIE_HEADER, f"cookie {cookie}"} - reads.first)
    else:
        reads.before_dispatch = frozenset()  # Quart's own reads
        reads.names.update(reads.first)
    record_session(context, reads)
    if returns_recording(context):
        after_this_request(_ended)
    if early and reads.has(SESSION):
        reads.names.add(SESSION)
    if names := watched.context_variables():
        reads.names.update(names)


async def _ended(response: Any) -> Any:
    """End the recording before the session is saved."""
    context: Any = cast("Any", request_ctx)._get_current_object()
    reads: RequestReads | None = attributes(context.request).get(READS)
    if reads is not None:
        end_recording(context, reads)
    return response
