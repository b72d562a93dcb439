"""One answer for every error: a page for people, a problem document for programs."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from jinja2 import TemplateNotFound
from markupsafe import escape
from quart import Quart, current_app, has_request_context, render_template, request
from quart.utils import run_sync
from werkzeug.exceptions import HTTPException, InternalServerError

from quartpatterns.errorpages.identity import DEFAULTS, RequestIDFilter, id_header, request_id
from quartpatterns.errorpages.problems import PROBLEM, APIError, describe, problem

__all__ = ["ErrorPages", "Form"]

Form = Literal["html", "problem"]

FALLBACK = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{code} {name}</title>
</head>
<body>
<h1>{name}</h1>
<p>{description}</p>
<p>Request <code>{request_id}</code></p>
</body>
</html>
"""


class ErrorPages:
    """Answer errors in the form that the client asks for, with the id of the request.

    People get the template of the status, or a plain page; programs a problem document
    (RFC 9457). What the ``Accept`` header decides is decided for a whole blueprint by
    *blueprints*, and by *prefixes* for what belongs to no blueprint, such as a path that is not
    there. :class:`APIError` is JSON for everybody, and a problem document for who asks for one.

    Handlers that the application registers itself, before or after, win, and so do exceptions
    that carry a response. Where exceptions propagate (``TESTING``, ``DEBUG``,
    ``PROPAGATE_EXCEPTIONS``) those that are no HTTP errors do so as without this.

    Arguments:
        app: The application.
        templates: Template names by status. Templates are rendered with ``error``, ``code``,
            ``name``, ``description`` and ``request_id``, and looked up when the server starts.
        default: The template for any other status; ``None`` for a plain page.
        blueprints: ``"html"`` or ``"problem"`` by the name of a blueprint, for those in it too.
        prefixes: The same by path, as ``"/api"``; the longest that fits counts.
        patience: Seconds that a template may take, context processors included, until the plain
            page is sent in its place.

    Raises:
        ValueError: A form is neither, a prefix does not begin with a slash, or a status is none
            of an error.
    """

    def __init__(
        self,
        app: Quart,
        *,
        templates: Mapping[int, str] | None = None,
        default: str | None = None,
        blueprints: Mapping[str, Form] | None = None,
        prefixes: Mapping[str, Form] | None = None,
        patience: float = 5.0,
    ) -> None:
        self.templates = dict(templates or {})
        self.default = default
        self.blueprints: dict[str, Form] = dict(blueprints or {})
        self.prefixes: dict[str, Form] = {
            prefix.rstrip("/"): form for prefix, form in (prefixes or {}).items()
        }
        self.patience = patience
        self._check()
        config: Any = app.config
        for key, value in DEFAULTS.items():
            config.setdefault(key, value)
        # By the name: app.logger would set logging up before the application can.
        logging.getLogger(app.name).addFilter(_FILTER)
        handlers = app.error_handler_spec[None][None]
        handlers.setdefault(HTTPException, self.handle_http_exception)
        handlers.setdefault(APIError, self.handle_api_error)
        app.before_serving(self._load)

    def _check(self) -> None:
        for form in {*self.blueprints.values(), *self.prefixes.values()}:
            if form not in ("html", "problem"):
                raise ValueError(f"{form!r} is no form of an error: use 'html' or 'problem'")
        for prefix in self.prefixes:
            if prefix and not prefix.startswith("/"):
                raise ValueError(f"the prefix {prefix!r} is no path: use {'/' + prefix!r}")
        for code in self.templates:
            if not 400 <= code < 600:
                raise ValueError(f"{code} is no status of an error: use one from 400 to 599")

    async def _load(self) -> None:
        """Find a misspelt name at start-up, and have the templates when the disk is gone."""
        for name in {*self.templates.values(), *filter(None, [self.default])}:
            try:
                await run_sync(current_app.jinja_env.get_template)(name)
            except TemplateNotFound as error:
                raise RuntimeError(
                    f"there is no template {name!r} for ErrorPages: add it, or leave it out"
                ) from error

    async def handle_http_exception(self, error: HTTPException) -> Any:
        """The handler for HTTP errors, and for all others as :class:`InternalServerError`."""
        # A websocket has been accepted or not, and has no page; a response of its own is one.
        if not has_request_context() or error.response is not None or (error.code or 0) < 400:
            return error
        self._log(error)
        form, negotiated = self._form()
        if form == "problem":
            content, content_type = json.dumps(problem(error, request_id())), PROBLEM
        else:
            content, content_type = await self._page(error), "text/html; charset=utf-8"
        response = current_app.response_class(content, content_type=content_type)
        return _finished(response, error.code or 500, error.get_headers(), negotiated)

    async def handle_api_error(self, error: APIError) -> Any:
        """The handler for :class:`APIError`."""
        if not has_request_context():
            raise error
        form = self._chosen()
        accepted = request.accept_mimetypes.best_match(["application/json", PROBLEM])
        if form == "problem" or (form is None and accepted == PROBLEM):
            content, content_type = problem(error, request_id()), PROBLEM
        else:
            content, content_type = error.to_dict(), "application/json"
        response = current_app.json.response(content)
        response.content_type = content_type
        return _finished(response, error.status_code, (), form is None)

    def _chosen(self) -> Form | None:
        """The form that the application has chosen for this request."""
        for name in request.blueprints:
            if name in self.blueprints:
                return self.blueprints[name]
        path = request.path
        fitting = [p for p in self.prefixes if path == p or path.startswith(f"{p}/")]
        return self.prefixes[max(fitting, key=len)] if fitting else None

    def _form(self) -> tuple[Form, bool]:
        """The form of the answer, and whether the client had a say in it."""
        if chosen := self._chosen():
            return chosen, False
        best = request.accept_mimetypes.best_match(["text/html", PROBLEM, "application/json"])
        return ("html" if best in (None, "text/html") else "problem"), True

    async def _page(self, error: HTTPException) -> str:
        code = error.code or 500
        context = {
            "code": code,
            "name": error.name,
            "description": describe(error),
            "request_id": request_id(),
        }
        if template := self.templates.get(code, self.default):
            try:
                async with asyncio.timeout(self.patience):
                    return await render_template(template, error=error, **context)
            except Exception:
                # Whatever a template, or a context processor, may raise: the page of an error
                # is no place for another.
                current_app.logger.exception("The template %s can't be rendered", template)
        return FALLBACK.format_map({key: escape(value) for key, value in context.items()})

    def _log(self, error: HTTPException) -> None:
        """Log what the client is given an id of; uncaught exceptions have been logged."""
        if isinstance(error, InternalServerError) and error.original_exception is not None:
            return
        level = logging.ERROR if (error.code or 500) >= 500 else logging.INFO
        current_app.logger.log(
            level, "%s on request %s %r", error.code, request.method, request.path
        )


def _finished(
    response: Any, status: int, headers: Iterable[tuple[str, str]], negotiated: bool
) -> Any:
    """*response* with the *headers* of an error, such as ``Allow``, and the id of the request."""
    response.status_code = status
    for name, value in headers:
        if name.lower() != "content-type":
            response.headers.add(name, value)
    if negotiated:
        response.vary.add("Accept")
    if header := id_header():
        response.headers[header] = request_id()
    return response


_FILTER = RequestIDFilter()
