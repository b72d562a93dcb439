"""Signals about the objects that a session commits, as ``SQLALCHEMY_TRACK_MODIFICATIONS`` asks for.

``models_committed`` and ``before_models_committed`` are sent by the application, with a list
``changes`` of pairs of an object and ``"insert"``, ``"update"`` or ``"delete"``. A receiver may be
``async def``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import Any, cast
from weakref import WeakSet

import sqlalchemy as sa
from blinker import Namespace
from quart import current_app, has_app_context
from sqlalchemy import event
from sqlalchemy.util import await_only

from quartpatterns.sqlalchemy.sessions import RoutedSession

__all__ = ["before_models_committed", "models_committed", "track_modifications"]

_signals = Namespace()

models_committed = _signals.signal("models-committed")
"""Is sent after a commit of changed objects."""

before_models_committed = _signals.signal("before-models-committed")
"""Is sent before a commit of changed objects."""

_CHANGES = "quartpatterns_model_changes"

# Not event.contains(): it takes a new class for a deleted one that had the same id().
_tracked: WeakSet[type[RoutedSession]] = WeakSet()


def track_modifications(session_class: type[RoutedSession]) -> None:
    """Send the signals for the sessions of a class, in applications that ask for them."""
    if session_class not in _tracked:
        _tracked.add(session_class)
        event.listen(session_class, "before_flush", _record)
        event.listen(session_class, "before_commit", _record)
        event.listen(session_class, "before_commit", _before_commit)
        event.listen(session_class, "after_commit", _after_commit)
        event.listen(session_class, "after_rollback", _after_rollback)


def _is_tracked() -> bool:
    return has_app_context() and bool(
        cast("Any", current_app.config)["SQLALCHEMY_TRACK_MODIFICATIONS"]
    )


def _record(session: RoutedSession, *_: object) -> None:
    if not _is_tracked():
        return
    changes: dict[object, tuple[object, str]] = session.info.setdefault(_CHANGES, {})
    operations: dict[str, Iterable[Any]] = {
        "insert": session.new,
        "update": session.dirty,
        "delete": session.deleted,
    }
    for operation, objects in operations.items():
        for instance in objects:
            state = sa.inspect(instance)
            key = state.identity_key if state.has_identity else id(instance)
            changes[key] = (instance, operation)


def _before_commit(session: RoutedSession) -> None:
    if _is_tracked() and (changes := session.info.get(_CHANGES)):
        _send(before_models_committed, list(changes.values()))


def _after_commit(session: RoutedSession) -> None:
    if _is_tracked() and (changes := session.info.pop(_CHANGES, None)):
        _send(models_committed, list(changes.values()))


def _after_rollback(session: RoutedSession) -> None:
    session.info.pop(_CHANGES, None)


def _send(signal: Any, changes: list[tuple[object, str]]) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    await_only(signal.send_async(app, _sync_wrapper=_call, changes=changes))


def _call(receiver: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    @wraps(receiver)
    async def call(*args: Any, **options: Any) -> Any:
        return receiver(*args, **options)

    return call
