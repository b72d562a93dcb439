"""What the errors of a database mean, for an application with one database or several.

Each helper of a database registers a rule for the errors of its driver. :func:`diagnose` and
:func:`handle_database_error` are the same functions in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from quart import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from quartpatterns._shared.unavailable import ServiceUnavailableError, unavailable_handler

__all__ = ["DatabaseUnavailable", "add_rule", "diagnose", "handle_database_error"]


class DatabaseUnavailable(ServiceUnavailableError):  # noqa: N818  # as Werkzeug's ServiceUnavailable
    """503: a database can't answer. The description says why, and what to do.

    Its cause is the error of the driver. The description contains no statement, no value, no path
    and no address, so that every client may see it.

    .. versionadded:: 0.1
    """


@dataclass(frozen=True, slots=True)
class _Rule:
    diagnose: Callable[[Any], HTTPException | None]
    describe: Callable[[Any], str]


_rules: dict[type[Exception], _Rule] = {}


def add_rule(
    *error_types: type[Exception],
    diagnose: Callable[[Any], HTTPException | None],
    describe: Callable[[Any], str] = str,
) -> None:
    """Say what the errors of a driver mean.

    Arguments:
        error_types: The errors, with their subclasses.
        diagnose: Returns the HTTP error for an error, or ``None``.
        describe: Returns the message to log.
    """
    rule = _Rule(diagnose, describe)
    _rules.update(dict.fromkeys(error_types, rule))


def _rule(error: Exception) -> _Rule | None:
    return next((_rules[each] for each in type(error).__mro__ if each in _rules), None)


def diagnose(error: Exception) -> HTTPException | None:
    """Return the HTTP error that a client should get for the error of a database, or ``None``.

    It knows the errors of each database helper that is imported:

    * 503, :exc:`DatabaseUnavailable`: the database can't answer.
    * 400: a value can't be stored.
    * With MongoDB also 404, 409, 413 and 422; see :mod:`quartpatterns.mongodb`.

    ``None`` means a bug, another error, or one that only the view understands, such as
    :exc:`sqlite3.IntegrityError`.

    Arguments:
        error: The error, for example of SQLAlchemy, :mod:`sqlite3` or PyMongo.

    .. versionadded:: 0.1
    """
    rule = _rule(error)
    return None if rule is None else rule.diagnose(error)


async def handle_database_error(error: Exception) -> ResponseReturnValue | HTTPException:
    """Answer *error* with what :func:`diagnose` returns; raise it again if that is ``None``.

    The ``init_app`` of a database helper registers such a handler for the whole application. Use
    this function in a handler of your own, for a blueprint, or in an application without the
    extension: ``blueprint.register_error_handler(SQLAlchemyError, handle_database_error)``. A 503
    is logged as a warning. The answer goes through the application's own handlers for HTTP errors.

    Arguments:
        error: The error, for example of SQLAlchemy, :mod:`sqlite3` or PyMongo.

    .. versionadded:: 0.1
    """
    if isinstance(error, HTTPException):  # A handler for Exception gets the answer as well.
        return error
    return await _handle(error)


def _describe(error: Exception) -> str:
    rule = _rule(error)
    return str(error) if rule is None else rule.describe(error)


_handle = unavailable_handler(diagnose, _describe)
