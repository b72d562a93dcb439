"""Errors of services that can't answer, and the handler that answers them with 503.

An extension raises a :exc:`ServiceUnavailableError` of its own where it can, which Quart answers
without a handler. For the errors of a driver, which reach the view as they are, its ``init_app``
calls :func:`register_unavailable_handler`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from textwrap import shorten
from typing import Any, cast

from quart import Quart, ResponseReturnValue, current_app
from werkzeug.exceptions import HTTPException, ServiceUnavailable
from werkzeug.wrappers import Response

__all__ = [
    "ServiceUnavailableError",
    "redact",
    "redis_message",
    "redis_problem",
    "redis_remedy",
    "register_unavailable_handler",
    "unavailable_handler",
]

_LOGGED = 160
"""Characters of a driver's message in the log: PyMongo's go on about the state of each server."""

_USERINFO = re.compile(r"(?<=://)([^\s/@:]*):[^\s/]*@")
_COMMAND = re.compile(r"Command # \d+ \(.*\) of pipeline caused error: ", re.DOTALL)
_TUPLE = re.compile(r"""\((['"])(.*)\1,\)""", re.DOTALL)
_SETTING = re.compile(
    r"(\b\w*(?:password|passwd|pwd)['\"]?\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s,;&)]+)", re.IGNORECASE
)


class ServiceUnavailableError(ServiceUnavailable):
    """503: a service that the application needs can't answer.

    A view that lets it through answers 503, by the application's own handler if it has one. The
    client sees the description. It must hold no statement, no value and no address; those are in
    the error of the driver, which is the cause.

    Arguments:
        description: What is wrong, and what to do.
        response: Sent in place of a page.
        retry_after: Seconds for the ``Retry-After`` header; ``None`` sends none.
    """

    description = "A service that this application needs is not available. Try again later."

    def __init__(
        self,
        description: str | None = None,
        response: Response | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(description, response, retry_after)


def _default(error: Exception) -> HTTPException:
    return ServiceUnavailableError()


def register_unavailable_handler(
    app: Quart,
    *error_types: type[Exception],
    diagnose: Callable[[Any], HTTPException | None] = _default,
    describe: Callable[[Any], str] = str,
) -> None:
    """Answer errors of a driver with 503, or with what *diagnose* makes of them.

    The answer goes through the application's own handlers for HTTP errors, such as
    ``@app.errorhandler(503)`` or an error page. A 503 is logged as a warning, with the name and
    the beginning of the driver's message, without passwords. The client sees the description of
    the answer, never the driver's message. A websocket that has not been accepted gets the same
    response if its server can send one; otherwise Quart closes it.

    A handler that the application has registered for the same type stays, and one that it
    registers later replaces this one. So do handlers of blueprints and for subclasses.

    Arguments:
        app: The application.
        error_types: The exceptions to answer, with their subclasses.
        diagnose: Returns the answer to an error, or ``None`` for a fault of the program, which
            stays a 500. Without it each error is a :exc:`ServiceUnavailableError`.
        describe: Returns the message to log, if the ``str()`` of an error holds too much.

    Raises:
        TypeError: One of *error_types* is an HTTP exception, which Quart answers itself.
    """
    for error_type in error_types:
        if issubclass(error_type, HTTPException):
            raise TypeError(f"{error_type.__name__} is an HTTP exception: it needs no handler")

    handle = unavailable_handler(diagnose, describe)
    registered = cast("Mapping[Any, Any]", app.error_handler_spec[None][None])
    for error_type in error_types:
        if error_type not in registered:
            app.register_error_handler(error_type, handle)


def unavailable_handler(
    diagnose: Callable[[Any], HTTPException | None], describe: Callable[[Any], str]
) -> Callable[[Exception], Awaitable[ResponseReturnValue | HTTPException]]:
    """Return the handler that :func:`register_unavailable_handler` registers."""

    async def handle(error: Exception) -> ResponseReturnValue | HTTPException:
        if (answer := diagnose(error)) is None:
            raise error
        answer.__cause__ = error
        if answer.code == 503:
            name, text = type(error).__name__, shorten(redact(describe(error)), _LOGGED)
            current_app.logger.warning("%s (%s: %s)", answer.description, name, text)
        return await current_app.handle_http_exception(answer)

    return handle


def redis_message(error: BaseException | None) -> str:
    """Return the message of Redis without the command, which contains values.

    The text is empty if there is none, as in a :exc:`TimeoutError`.
    """
    text = _COMMAND.sub("", str(error or ""))
    # redis-py writes the arguments of the error after the command: ("the message",)
    return found[2] if (found := _TUPLE.fullmatch(text)) else text


_REDIS_PROBLEMS = [
    (r"OOM |maxmemory", "Redis is full: free memory, or raise its maxmemory."),
    (r"READONLY|read only replica", "{url} is a read-only replica: set the URL of the primary."),
    (
        r"CLUSTERDOWN|Hash slot|CROSSSLOT|^MOVED|same slot|non local key|cluster",
        "{url} is a node of a cluster, which is not supported: set the URL of one server.",
    ),
    (r"NOPERM|no permissions", "The user in {url} may not use all commands that it needs."),
    (
        r"WRONGPASS|NOAUTH|AUTH <password>|invalid username-password|[Aa]uthentication",
        "The name or password in {url} is wrong or missing.",
    ),
    (r"DB index is out of range", "{url} has the number of a database that does not exist."),
    (r"max number of clients", "Redis has as many clients as it allows: raise its maxclients."),
    (r"MISCONF", "Redis can't save its data: free space on its disk, or correct its dir."),
    (r"loading the dataset", "Redis has just started and loads its data: wait for it."),
]
# An unknown command, or the code of a reply, such as WRONGTYPE.
_REFUSED = re.compile(r"unknown command|[A-Z]{5,} ")


def redis_problem(error: BaseException | None, url: str) -> str | None:
    """Return what is wrong with a Redis that answers, or ``None`` if it is unknown.

    Arguments:
        error: The error of the client.
        url: The name of the setting that contains the URL.
    """
    message = redis_message(error)
    found = (text for pattern, text in _REDIS_PROBLEMS if re.search(pattern, message))
    return text.format(url=url) if (text := next(found, None)) else None


def redis_remedy(error: BaseException | None, url: str) -> str:
    """Return what to do about an error of Redis, for a log. The arguments are as above."""
    if problem := redis_problem(error, url):
        return problem
    if _REFUSED.match(redis_message(error)):
        return f"Set {url} to a database of its own, of a Redis or Valkey that knows the command."
    return f"Start Redis or Valkey, or set {url} to one that runs."


def redact(text: str) -> str:
    """Return *text* with ``***`` in place of passwords.

    They are those of URLs, ``redis://user:password@host``, and of settings, ``password=secret``.
    """
    return _SETTING.sub(r"\1***", _USERINFO.sub(r"\1:***@", text))
