"""Greenlets of SQLAlchemy, in which synchronous code waits for coroutines.

Few applications need them, so neither SQLAlchemy nor greenlet is imported before.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib import import_module
from typing import Any

from quartpatterns._shared.extras import requires_extra

__all__ = ["RUNS_COROUTINE", "at_end_of_request", "greenlet_functions", "request_callbacks"]

RUNS_COROUTINE = "quartpatterns_runs_coroutine"
"""The attribute of a greenlet whose code is a coroutine: it awaits, and need not wait."""

_callbacks: ContextVar[ExitStack] = ContextVar("callbacks")


@contextmanager
def request_callbacks() -> Generator[None, None, None]:
    """Call, at the end, what :func:`at_end_of_request` has been given."""
    with ExitStack() as stack:
        _callbacks.set(stack)
        yield


def at_end_of_request(function: Callable[[], object]) -> None:
    """Call *function* at the end of the request, in its greenlet. Elsewhere it is not called."""
    if stack := _callbacks.get(None):
        stack.callback(function)


@lru_cache
def greenlet_functions(needed_by: str) -> tuple[Any, Any, Any]:
    """Return the functions that start a greenlet, wait in it, and find it.

    Arguments:
        needed_by: What needs them.

    Raises:
        MissingExtraError: SQLAlchemy or greenlet is not installed.
    """
    with requires_extra("sqlalchemy", needed_by=needed_by):
        # SQLAlchemy raises an ImportError that does not name it.
        getcurrent = import_module("greenlet").getcurrent
        from sqlalchemy.util import await_only, greenlet_spawn
    return greenlet_spawn, await_only, getcurrent
