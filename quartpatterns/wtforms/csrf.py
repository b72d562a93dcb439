"""Protection of an application against cross-site request forgery (CSRF)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar, cast

from quart import Quart, current_app, g, jsonify, request, websocket
from quart.globals import request_ctx
from quart.typing import ResponseTypes
from quart.wrappers import Request, Response
from werkzeug.exceptions import BadRequest

from quartpatterns._shared.access import access_refusal
from quartpatterns._shared.origins import other_origin, same_origin
from quartpatterns._shared.sizes import readable_size
from quartpatterns.wtforms.limits import naming_limit
from quartpatterns.wtforms.pending import Pending
from quartpatterns.wtforms.settings import init_settings, settings, time_limit
from quartpatterns.wtforms.token_field import find_field, has_form
from quartpatterns.wtforms.tokens import (
    Reason,
    TokenError,
    check_token,
    csrf_meta_tag,
    generate_csrf,
    logger,
    request_state,
)

__all__ = ["CSRFError", "CSRFProtect", "csrf_token_view", "same_origin"]

T = TypeVar("T")

# HTTPMethodOverrideMiddleware sets this key of the ASGI scope.
DROPPED_BODY = "quartpatterns.dropped_body"


class CSRFError(BadRequest):
    """400: the request does not come from a page of this application.

    Register an error handler for it to send another response. The remedy is logged. In debug mode
    it is part of the description, too.

    Arguments:
        description: The reason, as in Flask-WTF.
        reason: The reason in one word, such as ``expired``.
        remedy: What the developer can do.

    .. versionadded:: 0.1
    """

    description = "CSRF validation failed."

    def __init__(
        self, description: str | None = None, *, reason: Reason = "invalid", remedy: str = ""
    ) -> None:
        super().__init__(description)
        self.reason: Reason = reason
        self.remedy = remedy


class CSRFProtect:
    """Checks each request with a method of ``WTF_CSRF_METHODS``, before its body is parsed.

    .. code-block:: python

        csrf = CSRFProtect(app)

    The checks, in this order:

    1. The headers ``Sec-Fetch-Site`` and ``Origin`` must not name another site, except those in
       ``WTF_CSRF_TRUSTED_ORIGINS``. Over https, one of these headers or a ``Referer`` must show
       that the request comes from this site.
    2. The session must contain a token. Without it no token in the request can be valid.
    3. The request must contain a valid token in one of the headers ``WTF_CSRF_HEADERS``. If it has
       none of these headers, a field within the first ``WTF_CSRF_FORM_LIMIT`` bytes of the form
       must contain the token. The check reads no more than that, and the view can still read the
       whole body.

    For websockets, only ``Sec-Fetch-Site`` and ``Origin`` are checked. Their opening request
    carries the cookies of the user, and browsers let other sites open them.

    Arguments:
        app: The application, or ``None`` to call :meth:`init_app` later.

    .. versionadded:: 0.1
    """

    def __init__(self, app: Quart | None = None) -> None:
        self._exempt: set[Any] = set()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Register with *app*.

        Raises:
            RuntimeError: The application is already protected.
            SettingError: A setting is invalid or unknown.
        """
        if "csrf" in app.extensions:
            raise RuntimeError("This application already has a CSRFProtect: register it once.")
        init_settings(app)
        app.extensions["csrf"] = self
        app.add_template_global(generate_csrf, "csrf_token")
        app.add_template_global(csrf_meta_tag, "csrf_meta_tag")
        app.before_request(self._before_request)
        app.before_websocket(self._before_websocket)
        app.after_request(self._after_request)

    def exempt(self, view: T) -> T:
        """Turn off the check for *view*. It can be used as a decorator.

        Other decorators of the view must set ``__wrapped__``, as :func:`functools.wraps` does. The
        module of the view may be imported late, by :func:`quartpatterns.lazyloading.lazy_url`:
        the check imports it.

        Arguments:
            view: A view, a view class, or a blueprint with its nested blueprints. A string is a
                module and the name of a view, separated by a dot.
        """
        self._exempt.add(view)
        return view

    def protect(self, apply_exemptions: bool = False) -> Pending[None]:
        """Check the current request. It must be awaited.

        Use it if ``WTF_CSRF_CHECK_DEFAULT`` is false. If you do not await the result, only the
        headers are checked, and the response is a 500.

        Arguments:
            apply_exemptions: Whether to skip exempt views.

        Raises:
            CSRFError: The request is refused.
        """
        current: Request = cast(Any, request)._get_current_object()
        checked = current.method in settings().strings("WTF_CSRF_METHODS")
        if checked and apply_exemptions:
            if (lazy := _unloaded_view(current)) is not None:
                request_state().unawaited += 1
                return Pending(self._load_and_protect(lazy), "csrf.protect()")
            checked = not self._is_exempt(current)
        if checked:
            _check_origin(current)
            _check_referrer(current)
        request_state().unawaited += 1
        return Pending(self._protect(current, checked), "csrf.protect()")

    async def _load_and_protect(self, view: Any) -> None:
        """Import the module of *view*, whose exemptions are not known before."""
        request_state().unawaited -= 1
        await view.load()
        await self.protect(apply_exemptions=True)

    async def _protect(self, current: Request, checked: bool) -> None:
        state = request_state()
        state.unawaited -= 1
        if not checked:
            return
        header = next(
            filter(None, map(current.headers.get, settings().strings("WTF_CSRF_HEADERS"))), None
        )
        try:
            age = check_token(header or await _token_in_form(current))
        except TokenError as error:
            state.refresh = header is not None
            remedy = error.remedy
            searched = settings().size("WTF_CSRF_FORM_LIMIT")
            too_long = has_form(current) and (current.content_length or 0) > searched
            if error.reason == "missing" and too_long:
                remedy += (
                    f" It is not within the first {readable_size(searched)} of the form: put it"
                    " before all files, or set WTF_CSRF_FORM_LIMIT."
                )
            if error.reason == "missing" and cast(Any, current.scope).get(DROPPED_BODY):
                remedy += (
                    " HTTPMethodOverrideMiddleware has dropped the form of this request: pass it"
                    " form_field or bodyless_methods, so that the form can be read."
                )
            raise _refused(str(error), error.reason, remedy) from error
        limit = time_limit()
        state.refresh = header is not None and limit is not None and age > limit / 2
        g.csrf_valid = state.valid = True

    def _is_exempt(self, current: Any) -> bool:
        if current.endpoint is None:
            return True
        if any(current_app.blueprints.get(name) in self._exempt for name in current.blueprints):
            return True
        for view in _views(current):
            name = f"{view.__module__}.{getattr(view, '__name__', '')}"
            if not self._exempt.isdisjoint({view, name, getattr(view, "view_class", None)}):
                return True
        return False

    async def _before_request(self) -> Any:
        # Requests of a test may share one application context.
        g.pop("csrf_valid", None)
        reader = settings()
        if reader.boolean("WTF_CSRF_ENABLED") and reader.boolean("WTF_CSRF_CHECK_DEFAULT"):
            try:
                await self.protect(apply_exemptions=True)
            except CSRFError:
                # A visitor who has to log in first gets a new token with the login.
                if (response := await access_refusal()) is not None:
                    return response
                raise
        return None

    async def _before_websocket(self) -> None:
        current = cast(Any, websocket)._get_current_object()
        if settings().boolean("WTF_CSRF_ENABLED"):
            if (lazy := _unloaded_view(current)) is not None:
                await lazy.load()
            if not self._is_exempt(current):
                _check_origin(current)

    async def _after_request(self, response: ResponseTypes) -> ResponseTypes:
        state = request_state()
        if state.unawaited:
            state.unawaited = 0
            raise RuntimeError("csrf.protect() was not awaited: write `await csrf.protect()`")
        if state.refresh:
            names = settings().strings("WTF_CSRF_HEADERS")
            if names and settings().boolean("WTF_CSRF_REFRESH"):
                response.headers[names[0]] = generate_csrf()
        state.response_sent = True
        return response


async def csrf_token_view() -> Response:
    """Return a new token as JSON, for pages that stay open longer than a token is valid.

    .. code-block:: python

        app.add_url_rule("/csrf-token", view_func=csrf_token_view)

    Scripts of other sites can't read the response, unless the application's CORS headers allow it.

    .. versionadded:: 0.1
    """
    limit = time_limit()
    response = jsonify(csrf_token=generate_csrf(), expires_in=None if limit is None else int(limit))
    response.headers["Cache-Control"] = "no-store"
    return response


def _views(current: Any) -> Iterator[Any]:
    """Iterate over the view of a request, and the views that its decorators wrap."""
    view: Any = current_app.view_functions.get(current.endpoint)
    while view is not None:
        yield view
        view = getattr(view, "__wrapped__", None)


def _unloaded_view(current: Any) -> Any:
    """Return the view of a request if it must be imported to know whether it is exempt.

    It is a ``LazyView`` of :mod:`quartpatterns.lazyloading`, which has ``__wrapped__`` after its
    import. This helper does not import that one.
    """
    *_, view = (None, *_views(current))
    return view if hasattr(view, "import_name") and hasattr(view, "load") else None


def _refused(description: str, reason: Reason, remedy: str = "") -> CSRFError:
    message = f"{description} {remedy}".rstrip()
    logger.info("%s", message)
    return CSRFError(message if current_app.debug else description, reason=reason, remedy=remedy)


async def _token_in_form(current: Request) -> str | None:
    """Return the token in the form, if there is one and the session has a token."""
    if not has_form(current):
        return None
    name = settings().text("WTF_CSRF_FIELD_NAME")
    if not _session_has_token(name):
        raise TokenError("session")
    limit = settings().size("WTF_CSRF_FORM_LIMIT")
    with naming_limit(current):
        return await find_field(current, name, limit=limit)


def _session_has_token(name: str) -> bool:
    """Return whether the session has a token.

    If it has one, this does not count as an access of the session: a form without a token is
    refused in any case, and its response does not vary by cookie, as in Flask-WTF.
    """
    context: Any = request_ctx
    # On FaithfulQuart, reading context.session is an access.
    opened: Any = context.opened_session if hasattr(context, "opened_session") else context.session
    accessed = opened.accessed
    found = isinstance(opened.get(name), str)
    opened.accessed = accessed or not found
    return found


def _check_origin(current: Any) -> None:
    if not settings().boolean("WTF_CSRF_CHECK_ORIGIN"):
        return
    trusted = settings().strings("WTF_CSRF_TRUSTED_ORIGINS")
    if (other := other_origin(current.headers, current.host, trusted)) is not None:
        raise _refused(
            f"The request comes from another site, {other}.",
            "origin",
            "To allow requests from that site, add its origin to the setting"
            " WTF_CSRF_TRUSTED_ORIGINS.",
        )


def _check_referrer(current: Request) -> None:
    """Over https, refuse pages that an attacker on the network may have written.

    Flask-WTF and Django have the same check.
    """
    if not (current.is_secure and settings().boolean("WTF_CSRF_SSL_STRICT")):
        return
    allowed = [f"https://{current.host}", *settings().strings("WTF_CSRF_TRUSTED_ORIGINS")]
    if not current.referrer:
        proven = current.headers.get("Sec-Fetch-Site") == "same-origin"
        sent = current.headers.get("Origin", "")
        if not proven and not any(same_origin(sent, origin) for origin in allowed):
            raise _refused(
                "The referrer header is missing.",
                "referrer",
                "Pages on https must let browsers send an Origin or a Referer, for example with"
                " the Referrer-Policy same-origin.",
            )
    elif not any(same_origin(current.referrer, origin) for origin in allowed):
        raise _refused("The referrer does not match the host.", "referrer")
