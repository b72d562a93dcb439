"""Protection of an application against requests that another site makes a browser send."""

from __future__ import annotations

import logging
from typing import Any, TypeVar, cast

from quart import Quart, current_app, has_request_context, jsonify, request, session, websocket
from quart.typing import ResponseTypes
from quart.wrappers import Request, Response
from werkzeug.exceptions import BadRequest

from quartpatterns.wtforms import origins
from quartpatterns.wtforms.awaiting import Pending
from quartpatterns.wtforms.bodies import find_field
from quartpatterns.wtforms.settings import DEFAULTS, setting
from quartpatterns.wtforms.tokens import (
    Reason,
    TokenError,
    check,
    csrf_meta_tag,
    generate_csrf,
    state,
)

__all__ = ["CSRFError", "CSRFProtect", "csrf_token_view"]

log = logging.getLogger(__name__)

T = TypeVar("T")


class CSRFError(BadRequest):
    """The request does not come from a page of this application; answered with 400.

    Register an error handler for it to answer otherwise.

    Arguments:
        description: Why, and what to do about it.
        reason: Why, in one word.
    """

    description = "CSRF validation failed."

    def __init__(self, description: str | None = None, *, reason: Reason = "invalid") -> None:
        super().__init__(description)
        self.reason: Reason = reason


class CSRFProtect:
    """A check of each request that changes something, before its body is parsed.

    .. code-block:: python

        csrf = CSRFProtect(app)

    In this order, and each step only if those before it let the request through:

    1. ``Sec-Fetch-Site`` and ``Origin`` must not name another site, except those in
       ``WTF_CSRF_TRUSTED_ORIGINS``; over https there must be a proof of the same site: one of
       these headers or, as in Flask-WTF, a ``Referer``.
    2. The session must have a token, or nothing that is sent can be right.
    3. A token in one of ``WTF_CSRF_HEADERS``, or else in a field of a form that begins within the
       first ``WTF_CSRF_FORM_LIMIT`` bytes of the body; no more is read, and what is read the view
       still finds.

    Websockets are held against step 1 alone: their opening request carries the user's cookies,
    and no browser keeps another site from reading what it is sent.

    Arguments:
        app: The application, or ``None`` to call :meth:`init_app` later.
    """

    def __init__(self, app: Quart | None = None) -> None:
        self._exempt: set[Any] = set()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Register with *app*.

        Raises:
            RuntimeError: It is protected already.
        """
        if "csrf" in app.extensions:
            raise RuntimeError("this application has a CSRFProtect already: register it once")
        app.extensions["csrf"] = self
        app.config.from_mapping({**DEFAULTS, **app.config})
        app.add_template_global(generate_csrf, "csrf_token")
        app.add_template_global(csrf_meta_tag, "csrf_meta_tag")
        app.before_request(self._before_request)
        app.before_websocket(self._before_websocket)
        app.after_request(self._after_request)

    def exempt(self, view: T) -> T:
        """Leave *view* unprotected: a view, a class of views, or a blueprint and those in it.

        Also a decorator; decorators around it must keep ``__wrapped__``, as those made with
        :func:`functools.wraps` do. A string is a module and the name of a view in it, separated by
        a dot.
        """
        self._exempt.add(view)
        return view

    def protect(self, apply_exemptions: bool = False) -> Pending[None]:
        """Check the current request; to be awaited.

        For applications that set ``WTF_CSRF_CHECK_DEFAULT`` to false and decide themselves. What
        needs no body is checked already when this is called, and an answer after a call that was
        not awaited is an error.

        Arguments:
            apply_exemptions: Let through what is exempt.

        Raises:
            CSRFError: The request is refused.
        """
        one: Request = cast(Any, request)._get_current_object()
        current = state()
        wanted = not (apply_exemptions and self._is_exempt(one))
        wanted = wanted and one.method in setting("WTF_CSRF_METHODS")
        if wanted:
            _check_origin(one)
            _check_referrer(one)
        current.unawaited += 1
        return Pending(self._protect(one, wanted), "csrf.protect()")

    async def _protect(self, one: Request, wanted: bool) -> None:
        current = state()
        current.unawaited -= 1
        if not wanted:
            return
        sent = next(filter(None, map(one.headers.get, setting("WTF_CSRF_HEADERS"))), None)
        try:
            age = check(sent or await _form_token(one))
        except TokenError as error:
            current.refresh = sent is not None
            raise _refused(str(error), error.reason) from error
        limit = setting("WTF_CSRF_TIME_LIMIT")
        current.refresh = sent is not None and limit is not None and age > limit / 2
        current.valid = True

    def _is_exempt(self, one: Any) -> bool:
        if one.endpoint is None:
            return True
        if any(current_app.blueprints.get(name) in self._exempt for name in one.blueprints):
            return True
        view = current_app.view_functions.get(one.endpoint)
        while view is not None:
            named = f"{view.__module__}.{getattr(view, '__name__', '')}"
            kinds = {view, named, getattr(view, "view_class", None)}
            if not self._exempt.isdisjoint(kinds):
                return True
            view = getattr(view, "__wrapped__", None)
        return False

    async def _before_request(self) -> None:
        if setting("WTF_CSRF_ENABLED") and setting("WTF_CSRF_CHECK_DEFAULT"):
            await self.protect(apply_exemptions=True)

    async def _before_websocket(self) -> None:
        one = cast(Any, websocket)._get_current_object()
        if setting("WTF_CSRF_ENABLED") and not self._is_exempt(one):
            _check_origin(one)

    async def _after_request(self, response: ResponseTypes) -> ResponseTypes:
        current = state()
        if current.unawaited:
            current.unawaited = 0
            raise RuntimeError("csrf.protect() was not awaited: write `await csrf.protect()`")
        if current.refresh and setting("WTF_CSRF_REFRESH"):
            response.headers[next(iter(setting("WTF_CSRF_HEADERS")))] = generate_csrf()
        current.answered = True
        return response


async def csrf_token_view() -> Response:
    """A view that answers a new token as JSON, for pages that stay open longer than it lasts.

    .. code-block:: python

        app.add_url_rule("/csrf-token", view_func=csrf_token_view)

    Scripts of other sites can't read it, unless the application allows them by its own CORS
    headers.
    """
    response = jsonify(csrf_token=generate_csrf(), expires_in=setting("WTF_CSRF_TIME_LIMIT"))
    response.headers["Cache-Control"] = "no-store"
    return response


def _refused(description: str, reason: Reason) -> CSRFError:
    what = request if has_request_context() else websocket
    log.info("%s refused: %s", what.path, description)
    return CSRFError(description, reason=reason)


def _check_origin(one: Any) -> None:
    if not setting("WTF_CSRF_CHECK_ORIGIN"):
        return
    trusted = setting("WTF_CSRF_TRUSTED_ORIGINS")
    if (found := origins.foreign_origin(one.headers, one.host, trusted)) is not None:
        raise _refused(
            f"The request comes from another site, {found}. If that site may send requests, its"
            " origin belongs in the setting WTF_CSRF_TRUSTED_ORIGINS.",
            "origin",
        )


def _check_referrer(one: Request) -> None:
    """Over https somebody on the way can't have written the page (as in Flask-WTF and Django)."""
    if not (one.is_secure and setting("WTF_CSRF_SSL_STRICT")):
        return
    known = [f"https://{one.host}", *setting("WTF_CSRF_TRUSTED_ORIGINS")]
    if not one.referrer:
        if not any(origins.is_proven(one.headers, own) for own in known):
            raise _refused(
                "The referrer header is missing. Pages on https must let browsers send an Origin"
                " or a Referer: a Referrer-Policy of same-origin does.",
                "referrer",
            )
    elif not any(origins.same_origin(one.referrer, own) for own in known):
        raise _refused("The referrer does not match the host.", "referrer")


async def _form_token(one: Request) -> str | None:
    """The token in the form, if the request has one and it can be right."""
    name = setting("WTF_CSRF_FIELD_NAME")
    if not isinstance(session.get(name), str):
        raise TokenError("session")
    return await find_field(one, name, limit=setting("WTF_CSRF_FORM_LIMIT"))
