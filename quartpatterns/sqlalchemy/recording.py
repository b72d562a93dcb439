"""The statements of a context, and those that take too long, with the line that asked."""

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

__all__ = ["Query", "get_recorded_queries", "record"]

MOST = 1000
"""How many statements of a context are kept, the last ones: a websocket may live for days."""

_KEY = "_sqlalchemy_queries"
_PACKAGE = __name__.rpartition(".")[0]
_EXAMPLE = f"{_PACKAGE}.example."  # it uses the helpers

_log = logging.getLogger(_PACKAGE)


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that was executed.

    Arguments:
        statement: Its text.
        parameters: Its values, or a sequence of them.
        start_time: When it was sent, by :func:`time.perf_counter`.
        end_time: When its answer, or the first rows of a stream, had come.
        location: The line that asked: ``views.py:33 (list_users)``.
    """

    statement: str
    parameters: Any
    start_time: float
    end_time: float
    location: str

    @property
    def duration(self) -> float:
        """How long it took, in seconds."""
        return self.end_time - self.start_time


def get_recorded_queries() -> list[Query]:
    """The statements that the current context has executed, the last thousand of them.

    They are kept where ``SQLALCHEMY_RECORD_QUERIES`` is true.
    """
    return list(g.get(_KEY, ()))


def record(engine: Engine, *, keep: bool, slow: float | None) -> None:
    """Watch the statements of *engine*.

    Arguments:
        engine: The synchronous half of an asynchronous engine.
        keep: Keep them for :func:`get_recorded_queries`.
        slow: Log a warning for each that takes as many seconds; values are not logged.
    """

    def begin(
        connection: object, cursor: object, statement: str, values: object, context: Any, many: bool
    ) -> None:
        context.quartpatterns_began = perf_counter()

    def end(
        connection: object, cursor: object, statement: str, values: object, context: Any, many: bool
    ) -> None:
        note(statement, values, context, "")

    def fail(error: ExceptionContext) -> None:
        if error.execution_context is not None and error.statement is not None:
            cause = error.original_exception.__cause__ or error.original_exception
            how = f", then {type(cause).__name__}"
            note(error.statement, error.parameters, error.execution_context, how)

    def note(statement: str, values: object, context: Any, how: str) -> None:
        now = perf_counter()
        taken = now - (began := getattr(context, "quartpatterns_began", now))
        late = slow is not None and taken >= slow
        if not late and not keep:
            return
        query = Query(statement, values, began, now, _location())
        if keep and has_app_context():
            g.setdefault(_KEY, deque(maxlen=MOST)).append(query)
        if late:
            text = " ".join(statement.split())
            _log.warning("slow query: %.3f s%s, %s: %s", taken, how, query.location, text)

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", fail)


def _location() -> str:
    # SQLAlchemy executes in a greenlet; who has asked is in the one that waits for it.
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
