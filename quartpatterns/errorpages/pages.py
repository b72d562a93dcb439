"""Error pages for browsers, and errors as JSON for programs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from jinja2 import TemplateNotFound
from markupsafe import escape
from quart import (
    Quart,
    Request,
    current_app,
    has_request_context,
    has_websocket_context,
    render_template,
    request,
    websocket,
)
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from quartpatterns._shared.error_formats import EXTENSION, ErrorFormat, prefers_data
from quartpatterns._shared.settings import SettingsReader, apply_defaults
from quartpatterns._shared.threads import run_sync
from quartpatterns._shared.time_limits import await_within
from quartpatterns.errorpages.refused_fields import (
    PROBLEM,
    InvalidRequest,
    find_invalid_request,
)
from quartpatterns.errorpages.request_ids import DEFAULTS, RequestIDFilter, id_header, request_id

__all__ = ["APIError", "ErrorFormat", "ErrorPages"]

ConfiguredFormat = ErrorFormat | Literal["negotiated"]

FORMATS = ("html", "json", "problem", "negotiated")

# It needs neither a template nor the disk, because those may be what is broken.
PLAIN_PAGE = """\
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

_FILTER = RequestIDFilter()


class APIError(Exception):
    """An exception for the views of an API, which is answered as JSON.

    A subclass can set ``status_code``. Without :class:`ErrorPages` the response is a 500, as for
    any other exception. See Flask's page "Implementing API Exceptions".

    Arguments:
        message: What is wrong, for the developer of the client.
        status_code: The status, from 400 to 599; by default that of the class, 400.
        payload: More members of the response, which must be valid in JSON.

    Raises:
        ValueError: The status is not one of an error.

    .. versionadded:: 0.1
    """

    status_code = 400

    def __init__(
        self, message: str, status_code: int | None = None, payload: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.payload = payload
        if status_code is not None:
            self.status_code = status_code
        _check_status(self.status_code)

    def to_dict(self) -> dict[str, Any]:
        """Return the payload with the message; ``message`` in the payload is overwritten."""
        return {**(self.payload or {}), "message": self.message}


class ErrorPages:
    """Answers each error with a page or a problem document, and with the id of the request.

    Browsers get the template for the status, or a plain page. Programs get a problem document (RFC
    9457). The ``Accept`` header decides, and whether the client has sent JSON, unless *blueprints*
    or *prefixes* set the format:

    * ``"html"``: the page.
    * ``"json"``: JSON with the members ``code``, ``name`` and ``description``, which Flask's page
      has in its handler for ``HTTPException``.
    * ``"problem"``: the problem document.
    * ``"negotiated"``: the ``Accept`` header decides, within a part with another format.

    Responses in the formats ``"html"`` and ``"json"`` have the headers that Flask's handlers give
    them. The others also have the id of the request in a header. An :class:`APIError` is always
    answered as JSON, and as a problem document if the client prefers that. If quart-schema has
    refused the request, the member ``errors`` has the fields.

    Error handlers of the application take precedence, whether they are registered before or after
    this class is used. Exceptions that have their own response are not changed. If ``TESTING``,
    ``DEBUG`` or ``PROPAGATE_EXCEPTIONS`` is true, exceptions that are not HTTP errors propagate, as
    without this class.

    Arguments:
        app: The application.
        templates: The names of templates by status. They are rendered with ``error``, ``code``,
            ``name``, ``description`` and ``request_id``, and loaded when the server starts.
        default: The template for other statuses; ``None`` for a plain page.
        blueprints: A format by the name of a blueprint. Nested blueprints are included, unless they
            have their own entry.
        prefixes: A format by path prefix, such as ``"/api"``, for requests that no blueprint with a
            format handles; the longest matching prefix counts. ``"/api"`` matches itself and
            what is below, ``"/api/"`` only what is below, and ``"/"`` all paths.
        template_timeout: The seconds after which a template is given up, with its context
            processors, and the plain page is sent.

    Raises:
        SettingError: ``REQUEST_ID_HEADER`` is invalid.
        ValueError: A format is unknown, a prefix doesn't start with a slash, or a status is not one
            of an error.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: Quart,
        *,
        templates: Mapping[int, str] | None = None,
        default: str | None = None,
        blueprints: Mapping[str, ConfiguredFormat] | None = None,
        prefixes: Mapping[str, ConfiguredFormat] | None = None,
        template_timeout: float = 5.0,
    ) -> None:
        self.templates = dict(templates or {})
        self.default = default
        self.blueprints: dict[str, ConfiguredFormat] = dict(blueprints or {})
        self.prefixes: dict[str, ConfiguredFormat] = dict(prefixes or {})
        self.template_timeout = template_timeout
        for name in {*self.blueprints.values(), *self.prefixes.values()}:
            if name not in FORMATS:
                raise ValueError(f"The format must be one of {', '.join(FORMATS)}, not {name!r}.")
        for prefix in self.prefixes:
            if not prefix.startswith("/"):
                raise ValueError(f"The prefix {prefix!r} must start with a slash: '/{prefix}'.")
        for code in self.templates:
            _check_status(code)
        apply_defaults(app, DEFAULTS)
        reader = SettingsReader(app.config)
        reader.optional(reader.text, "REQUEST_ID_HEADER", example=DEFAULTS["REQUEST_ID_HEADER"])
        app.extensions[EXTENSION] = self
        # By name, because app.logger would configure logging before the application does.
        logging.getLogger(app.name).addFilter(_FILTER)
        handlers = app.error_handler_spec[None][None]
        handlers.setdefault(HTTPException, self.handle_http_exception)
        handlers.setdefault(APIError, self.handle_api_error)
        app.before_serving(self._load_templates)

    async def _load_templates(self) -> None:
        """Find a misspelt name at startup, and fill Jinja's cache."""
        for name in {*self.templates.values(), *filter(None, [self.default])}:
            try:
                await run_sync(current_app.jinja_env.get_template)(name)
            except TemplateNotFound as error:
                raise RuntimeError(
                    f"ErrorPages can't find the template {name!r}: add it, or remove its name."
                ) from error

    async def handle_http_exception(self, error: HTTPException) -> Any:
        """Handle HTTP errors, and other exceptions as ``InternalServerError``."""
        # A redirect and an exception with a response are not errors.
        if error.response is not None or (error.code or 0) < 400:
            return error
        code = error.code or 500
        if has_websocket_context():
            return self._websocket_response(error)
        if not has_request_context():
            return error
        invalid = await find_invalid_request(error)
        if isinstance(invalid, HTTPException):
            return await current_app.handle_http_exception(invalid)
        # Each access to a proxy costs about as much as a look-up.
        app: Any = _object(current_app)
        current: Request = _object(request)
        # Quart has logged an uncaught exception already.
        if getattr(error, "original_exception", None) is None:
            level = logging.ERROR if code >= 500 else logging.INFO
            app.logger.log(level, "%s on request %s %r", code, current.method, current.path)
        error_format = self._format_of(current)
        if error_format == "html" or (error_format is None and not prefers_data()):
            page = await self._page(error, invalid)
            response = app.response_class(
                page, status=code, content_type="text/html; charset=utf-8"
            )
            return _finish(response, error.get_headers(), error_format)
        if error_format == "json":
            document: dict[str, Any] = {"code": code, "name": error.name}
            if invalid is None:
                document["description"] = _description(error)
            else:
                document |= {"description": invalid.detail, "errors": invalid.errors}
            text = app.json.dumps(document)
            response = app.response_class(text, status=code, content_type="application/json")
            return _finish(response, error.get_headers(), error_format)
        return self.problem_response(error, invalid)

    async def handle_api_error(self, error: APIError) -> Any:
        """Handle an :class:`APIError`."""
        if not has_request_context():
            raise error
        error_format = self.configured_format()
        response: Any
        if error_format == "problem" or (error_format is None and _prefers_problem()):
            content = _problem(error.status_code, error.message, error.payload)
            response = current_app.json.response(content)
            response.content_type = PROBLEM
        else:
            response = current_app.json.response(error.to_dict())
            response.content_type = "application/json"
        response.status_code = error.status_code
        return _finish(response, (), error_format)

    def _websocket_response(self, error: HTTPException) -> Any:
        """Return the response to a handshake, which a server sends if it can."""
        if self.configured_format() != "problem":
            return error
        return self.problem_response(error)

    def problem_response(self, error: HTTPException, invalid: InvalidRequest | None = None) -> Any:
        """Return the response to *error* as a problem document, whatever the format is."""
        code = error.code or 500
        if invalid is None:
            document = _problem(code, _description(error))
        else:
            document = _problem(code, invalid.detail, {"errors": invalid.errors})
        app: Any = current_app
        response = app.response_class(json.dumps(document), status=code, content_type=PROBLEM)
        error_format: ErrorFormat | None = "problem" if self.configured_format() else None
        return _finish(response, error.get_headers(), error_format)

    def configured_format(self) -> ErrorFormat | None:
        """Return the format that *blueprints* or *prefixes* have for this request or websocket."""
        if not self.blueprints and not self.prefixes:
            return None
        return self._format_of(_object(websocket if has_websocket_context() else request))

    def _format_of(self, current: BaseRequestWebsocket) -> ErrorFormat | None:
        path = current.path
        found: ConfiguredFormat | None = next(
            (self.blueprints[name] for name in current.blueprints if name in self.blueprints), None
        )
        if found is None:
            matching = [p for p in self.prefixes if _is_below(path, p)]
            found = self.prefixes[max(matching, key=len)] if matching else None
        return None if found == "negotiated" else found

    async def _page(self, error: HTTPException, invalid: InvalidRequest | None) -> str:
        code = error.code or 500
        context = {
            "code": code,
            "name": error.name,
            "description": _description(error) if invalid is None else str(invalid),
            "request_id": request_id(),
        }
        if template := self.templates.get(code, self.default):
            try:
                rendering = render_template(template, error=error, **context)
                return await await_within(self.template_timeout, rendering)
            except Exception:
                # A template or a context processor may raise anything; the client still gets a
                # page for the first error.
                current_app.logger.exception("The template %s can't be rendered", template)
        return PLAIN_PAGE.format_map({key: escape(value) for key, value in context.items()})


def _is_below(path: str, prefix: str) -> bool:
    """Return whether *prefix* matches; with a slash at its end, only paths below it do."""
    return path.startswith(prefix if prefix.endswith("/") else f"{prefix}/") or path == prefix


def _check_status(code: int) -> None:
    if not 400 <= code < 600:
        raise ValueError(f"The status of an error must be from 400 to 599, not {code}.")


def _problem(
    status: int, detail: str, payload: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """Return a problem document (RFC 9457, section 3.1) with *payload* as extension members."""
    return {
        "type": "about:blank",
        "title": HTTP_STATUS_CODES.get(status, "Unknown Error"),
        **(payload or {}),
        "status": status,
        "detail": detail,
        "request_id": request_id(),
    }


def _description(error: HTTPException) -> str:
    """Return the description as text, not as HTML."""
    description = cast(object, error.description)
    return "" if description is None else str(description)


def _object(proxy: Any) -> Any:
    return proxy._get_current_object()


def _prefers_problem() -> bool:
    best = request.accept_mimetypes.best_match(["application/json", PROBLEM])
    return best == PROBLEM


def _finish(
    response: Any, headers: Iterable[tuple[str, str]], configured: ErrorFormat | None
) -> Any:
    """Add the error's *headers*, such as ``Allow``, and those of the format to *response*."""
    for name, value in headers:
        if name.lower() != "content-type":
            response.headers.add(name, value)
    if configured is None:
        if "Vary" in response.headers:
            response.vary.add("Accept")
        else:  # The same result, without parsing.
            response.headers["Vary"] = "Accept"
    if configured in (None, "problem") and (header := id_header()):
        response.headers[header] = request_id()
    return response
