"""Recording the queries of a context, and logging slow ones, with the line that executed them."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from inspect import currentframe
from pathlib import Path
from time import perf_counter
from types import CodeType
from typing import Any

from greenlet import getcurrent  # type: ignore[import-untyped]
from quart import current_app, g, has_app_context
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

__all__ = ["QueryInfo", "get_recorded_queries", "record_queries"]

MAX_RECORDED = 1000
"""The number of queries that a context keeps, because a websocket may live for days."""

_KEY = "_sqlalchemy_queries"
_PACKAGE = __name__.rpartition(".")[0]
_EXAMPLE = f"{_PACKAGE}.example."  # The example is a caller, too.

_log = logging.getLogger(_PACKAGE)


@dataclass(frozen=True, slots=True)
class QueryInfo:
    """An executed statement.

    Arguments:
        statement: The text of the statement.
        parameters: A list with the parameters of each execution, as in Flask-SQLAlchemy.
        start_time: When it was sent, by :func:`time.perf_counter`.
        end_time: When its result, or the first rows of a stream, arrived.
        location: The line that executed it: ``views.py:33 (list_users)``.

    .. versionadded:: 0.1
    """

    statement: str
    parameters: Any
    start_time: float
    end_time: float
    location: str

    @property
    def duration(self) -> float:
        """The duration in seconds."""
        return self.end_time - self.start_time


def get_recorded_queries() -> list[QueryInfo]:
    """Return the last thousand queries of the current context.

    They are recorded if ``SQLALCHEMY_RECORD_QUERIES`` is true.

    .. versionadded:: 0.1
    """
    return list(g.get(_KEY, ()))


def record_queries(engine: Engine, *, keep: bool, slow: float | None) -> None:
    """Record the queries of *engine*: *keep* them, and log those of *slow* seconds or more."""

    def before(
        connection: object, cursor: object, statement: str, values: object, context: Any, many: bool
    ) -> None:
        context.quartpatterns_start_time = perf_counter()

    def after(
        connection: object, cursor: object, statement: str, values: object, context: Any, many: bool
    ) -> None:
        add(statement, context, "")

    def failed(error: ExceptionContext) -> None:
        if error.execution_context is not None and error.statement is not None:
            cause = error.original_exception.__cause__ or error.original_exception
            outcome = f", then {type(cause).__name__}"
            add(error.statement, error.execution_context, outcome)

    def add(statement: str, context: Any, outcome: str) -> None:
        end = perf_counter()
        start = getattr(context, "quartpatterns_start_time", end)
        is_slow = slow is not None and end - start >= slow
        if not is_slow and not keep:
            return
        query = QueryInfo(statement, context.parameters, start, end, _location())
        if keep and has_app_context():
            g.setdefault(_KEY, deque(maxlen=MAX_RECORDED)).append(query)
        if is_slow:
            text = " ".join(statement.split())
            _log.warning("slow query: %.3f s%s, %s: %s", end - start, outcome, query.location, text)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)


def _location() -> str:
    # SQLAlchemy executes in a greenlet; the caller is in its parent, which waits for it.
    parent = getcurrent().parent
    frame = parent.gr_frame if parent else currentframe()
    while frame is not None:
        name: str = frame.f_globals.get("__name__", "")
        if name.startswith(_EXAMPLE) or not name.startswith(("sqlalchemy.", f"{_PACKAGE}.")):
            return f"{_path(frame.f_code)}:{frame.f_lineno} ({frame.f_code.co_qualname})"
        frame = frame.f_back
    return "?"


def _path(code: CodeType) -> str:
    file = Path(code.co_filename)
    if has_app_context() and file.is_relative_to(current_app.root_path):
        return str(file.relative_to(current_app.root_path))
    return str(file)
