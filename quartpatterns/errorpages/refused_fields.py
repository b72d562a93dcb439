"""The fields of a request that quart-schema has refused.

quart-schema validates with Pydantic or with msgspec. Both name the place of an error in their own
way, Pydantic with parts that are not in the data, such as the name of a class in a union. The place
is looked up in the data that the client has sent, so that the client finds it again.

A message must not repeat what the client has sent: it may be a password, and the response may be
logged. The messages of the libraries contain no values, with some exceptions; those of validators
in the application may contain any.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Literal
from urllib.parse import quote

from quart import current_app, request
from werkzeug.exceptions import HTTPException, UnsupportedMediaType

__all__ = [
    "MAX_ERRORS",
    "PROBLEM",
    "InvalidRequest",
    "field_errors",
    "find_invalid_request",
    "handle_invalid_request",
]

PROBLEM = "application/problem+json"
"""The media type of a problem document (RFC 9457)."""

MAX_ERRORS = 100
"""The number of errors in a response."""

Place = Literal["pointer", "parameter", "header", "field"]
FieldError = dict[str, str]

_LONGEST = 500
_MOST_VALUES = 1000
"""The number of values that a message is searched for."""

_DETAILS: dict[Place, str] = {
    "pointer": "The JSON body of the request is not valid.",
    "parameter": "The query string of the request is not valid.",
    "header": "The headers of the request are not valid.",
    "field": "The form of the request is not valid.",
}
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

# Errors of Pydantic whose message has a value, or is that of the application.
_OWN_MESSAGES = {"value_error", "assertion_error", "union_tag_invalid"}
_MSGSPEC = re.compile(r"(?P<message>.*?)(?: - at `(?P<path>[^`]*)`)?", re.DOTALL)
_MSGSPEC_PATH = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_MSGSPEC_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `([^`]*)`")
_MSGSPEC_VALUE = re.compile(r"(Invalid (?:enum )?value) .*", re.DOTALL)
_MSGSPEC_OWN = ("Expected ", "Object ", "Invalid ", "Can't ", "Integer ", "Number ")
_MISSING_ARGUMENTS = re.compile(r"[Mm]issing .*?arguments?:? (.*)")


class InvalidRequest:
    """A request that quart-schema has refused.

    Attributes:
        detail: What is invalid, for the response.
        errors: The errors, for the member ``errors`` of a problem document.
    """

    def __init__(self, detail: str, errors: list[FieldError]) -> None:
        self.detail = detail
        self.errors = errors

    def __str__(self) -> str:
        """Return the detail with all errors, for a page."""
        texts = [": ".join(filter(None, [_place(error), error["detail"]])) for error in self.errors]
        return f"{self.detail} {'; '.join(texts)}"


async def find_invalid_request(error: HTTPException) -> InvalidRequest | HTTPException | None:
    """Return what is invalid, if *error* is one of quart-schema.

    Returns:
        ``None`` for other errors. If the body has another media type than the view expects, it is
        the error that says so.
    """
    if not isinstance(getattr(error, "validation_error", None), Exception):
        return None
    # An application that does not use quart-schema does not import it.
    from quart_schema.validation import QuerystringValidationError, RequestHeadersValidationError

    place: Place
    data: Any
    current: Any = request
    if isinstance(error, QuerystringValidationError):
        place, data = "parameter", request.args
    elif isinstance(error, RequestHeadersValidationError):
        place, data = "header", None
    elif _expects_form():
        place, data = "field", await current.form
        if request.mimetype and request.mimetype not in _FORMS:
            return UnsupportedMediaType(f"Send the body as {' or '.join(_FORMS)}.")
    else:
        if request.mimetype and not request.is_json:
            return UnsupportedMediaType("Send the body as application/json.")
        place, data = "pointer", await request.get_json(silent=True)
    errors = field_errors(error, data, place=place)
    return InvalidRequest(_DETAILS[place], errors)


async def handle_invalid_request(error: HTTPException) -> Any:
    """Answer a request that quart-schema has refused with a problem document.

    An application that has :class:`ErrorPages` does not need it. Others register it::

        app.register_error_handler(RequestSchemaValidationError, handle_invalid_request)

    The member ``errors`` has what :func:`field_errors` returns. The status is 400, or 415 if the
    body has another media type than the view expects.

    Arguments:
        error: The error of quart-schema. Other errors are answered as without this handler.

    .. versionadded:: 0.1
    """
    invalid = await find_invalid_request(error)
    if invalid is None:
        return error
    if isinstance(invalid, HTTPException):
        return await current_app.handle_http_exception(invalid)
    document = {
        "title": error.name,
        "status": error.code,
        "detail": invalid.detail,
        "errors": invalid.errors,
    }
    response = current_app.json.response(document)
    response.status_code = error.code or 400
    response.content_type = PROBLEM
    return response


def field_errors(
    error: Exception, data: Any = None, *, place: Place = "pointer"
) -> list[FieldError]:
    """Return what quart-schema has refused, and where.

    ``ErrorPages`` sends it for requests. Use it for the messages of a websocket::

        data = await websocket.receive_json()
        try:
            message = TypeAdapter(Message).validate_python(data)
        except ValidationError as error:
            await websocket.send_json({"errors": field_errors(error, data)})

    Arguments:
        error: An error of quart-schema, Pydantic or msgspec.
        data: What the client has sent.
        place: The name of the member that names the place: a JSON pointer as a URI fragment (RFC
            6901), or the name of a query parameter, a header or a field of a form.

    Returns:
        The errors, at most 100. Each has a ``detail``, and the place if it is known. No detail
        contains a value of *data*.

    .. versionadded:: 0.1
    """
    cause: Any = getattr(error, "validation_error", None) or error
    if callable(getattr(cause, "errors", None)):
        found = _of_pydantic(cause, data)
    else:
        found = _of_text(str(cause), data)
    errors: list[FieldError] = []
    for path, detail in found:
        entry = {"detail": detail[:_LONGEST]}
        if (text := _format(path, place)) is not None:
            entry[place] = text
        if entry not in errors:  # A union has one for each of its types.
            errors.append(entry)
        if len(errors) == MAX_ERRORS:
            break
    return errors


Found = tuple[list[str | int] | None, str]


def _of_pydantic(error: Any, data: Any) -> Iterator[Found]:
    for each in error.errors(include_url=False, include_context=False):
        kind, message = each["type"], str(each["msg"])
        if kind in _OWN_MESSAGES or not _is_of_pydantic(kind):
            message = _without_values(message, each.get("input"))
        yield _resolve(list(each["loc"]), data, missing=kind == "missing"), message


def _is_of_pydantic(kind: str) -> bool:
    """Return whether Pydantic itself has the kind of error, and not the application."""
    from typing import get_args

    from pydantic_core.core_schema import ErrorType

    return kind in get_args(ErrorType)


def _of_text(text: str, data: Any) -> Iterator[Found]:
    """Yield the errors of msgspec, and of a class that was called with wrong arguments."""
    if arguments := _MISSING_ARGUMENTS.search(text):
        for name in re.findall(r"'(\w+)'", arguments[1]):
            yield [_client_key(name, data)], "Field required"
        return
    match = _MSGSPEC.fullmatch(text)
    message, location = (match["message"], match["path"]) if match else (text, None)
    path: list[str | int] = []
    for name, index in _MSGSPEC_PATH.findall(location or ""):
        path.append(int(index) if index else name)
    missing = _MSGSPEC_FIELD.match(message)
    if missing:
        path.append(missing[1])
    message = _MSGSPEC_VALUE.sub(r"\1", message)
    if not message.startswith(_MSGSPEC_OWN):
        message = _without_values(message, data)
    yield _resolve(path, data, missing=missing is not None), message


def _resolve(path: list[Any], data: Any, *, missing: bool) -> list[str | int]:
    """Return the part of *path* that is in the data, with the keys of the client."""
    resolved: list[str | int] = []
    current: Any = data
    for index, part in enumerate(path):
        if _is_list(current) and isinstance(part, int):
            if part < len(current):
                resolved.append(part)
                current = current[part]
        elif hasattr(current, "keys"):
            key = _client_key(str(part), current)
            if key in current:
                resolved.append(key)
                current = current[key]
            elif missing and index == len(path) - 1:
                resolved.append(key)
        elif data is None:  # It is not known, as for headers.
            resolved.append(part)
    return resolved


def _is_list(data: object) -> bool:
    return isinstance(data, list | tuple)


def _client_key(name: str, data: Any) -> str:
    """Return the key in *data* for a *name*, whose case quart-schema may have converted."""
    config: Any = current_app.config
    if not config.get("QUART_SCHEMA_CONVERT_CASING"):
        return name
    from quart_schema.casing import camel_to_snake, snake_to_camel

    keys = data.keys() if hasattr(data, "keys") else ()
    found = next((key for key in keys if camel_to_snake(key) == name), None)
    converted: str = snake_to_camel(name) if found is None else found
    return converted


def _format(path: list[str | int] | None, place: Place) -> str | None:
    if path is None:
        return None
    if place == "pointer":
        parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
        return "#" + "".join("/" + quote(part, errors="replace") for part in parts)
    if not path:
        return None
    name = str(path[0])
    return name.replace("_", "-").title() if place == "header" else name


def _place(error: FieldError) -> str:
    place = next((value for key, value in error.items() if key != "detail"), "")
    return place.removeprefix("#").removeprefix("/")


def _without_values(message: str, data: Any) -> str:
    """Return *message* with ``***`` in place of the values in *data*, also in another case."""
    values = _values(data)
    if values is None:
        return "The value is not valid."
    # The longest first, because it may contain others.
    for value in sorted(values, key=len, reverse=True):
        if len(value) > 2 and value.casefold() in message.casefold():
            message = re.sub(re.escape(value), "***", message, flags=re.IGNORECASE)
    return message


def _values(data: Any) -> set[str] | None:
    """Return the values in *data*, as text, or ``None`` if there are very many."""
    waiting: list[Any] = [data]
    values: set[str] = set()
    for _ in range(_MOST_VALUES):
        if not waiting:
            return values
        each = waiting.pop()
        if hasattr(each, "values"):
            waiting.extend(each.values())
        elif _is_list(each):
            waiting.extend(each)
        elif isinstance(each, str | int | float | bytes):
            values.add(each.decode(errors="replace") if isinstance(each, bytes) else str(each))
    return None


def _expects_form() -> bool:
    """Return whether the view validates a form, and not JSON."""
    from quart_schema.validation import QUART_SCHEMA_REQUEST_ATTRIBUTE, DataSource

    endpoint = request.endpoint
    view: Callable[..., Any] | None = current_app.view_functions.get(endpoint or "")
    _, source = getattr(view, QUART_SCHEMA_REQUEST_ATTRIBUTE, (None, DataSource.JSON))
    return source is not DataSource.JSON
