"""Objects of a session that a rollback does not expire.

A rollback expires all objects of a session. Reading an attribute then reads from the database,
which synchronous code, such as a template that shows the name of the current user, can't do. So
some objects get the values back that are committed, or that were valid when a savepoint began.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.mutable import MutableBase
from sqlalchemy.orm import InstanceState, Session, SessionTransaction
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.collections import collection_adapter

__all__ = ["KeptObjects"]

_Values = dict[InstanceState[Any], dict[str, Any]]


class KeptObjects:
    """Objects of a session that get their committed values back after a rollback."""

    def __init__(self) -> None:
        self._objects: dict[InstanceState[Any], object] = {}
        self._committed: _Values = {}
        # Those at the beginning of each savepoint that has begun.
        self._savepoints: dict[SessionTransaction, _Values] = {}

    def add(self, instance: object) -> None:
        """Keep *instance*, whose values are those of the database."""
        state: InstanceState[Any] = sa.inspect(instance)
        self._objects[state] = instance
        self._committed[state] = _loaded_values(state)

    def after_commit(self) -> None:
        """Note the values, which are committed now."""
        if self._objects:
            self._committed = self._values()

    def after_savepoint(self, savepoint: SessionTransaction) -> None:
        """Note the values at the beginning of a savepoint."""
        if self._objects:
            open_savepoints: dict[SessionTransaction, _Values] = {savepoint: self._values()}
            outer = savepoint.parent
            while outer is not None:
                if outer in self._savepoints:
                    open_savepoints[outer] = self._savepoints[outer]
                outer = outer.parent
            self._savepoints = open_savepoints

    def after_rollback(self, transaction: SessionTransaction | None) -> None:
        """Set the values that were valid before *transaction*, which is rolled back."""
        # A flush has a transaction of its own, whose failure rolls the one around it back.
        while transaction is not None and not transaction.nested and transaction.parent is not None:
            transaction = transaction.parent
        values = self._committed
        if transaction is not None and transaction.nested:
            values = self._savepoints.get(transaction, {})
        for state, attributes in values.items():
            if state.persistent:
                for key in state.expired_attributes.intersection(attributes):
                    set_committed_value(self._objects[state], key, attributes[key])

    def after_close(self, session: Session) -> None:
        """Add the objects to *session* again, which was closed and can be used further."""
        for state, instance in self._objects.items():
            if state.detached and not state.was_deleted:
                session.add(instance)
                session.expire(instance)  # Not committed changes.
        self.after_rollback(None)
        if (transaction := session.get_transaction()) is not None:
            transaction.close()

    def _values(self) -> _Values:
        return {state: _loaded_values(state) for state in self._objects if state.persistent}


def _loaded_values(state: InstanceState[Any]) -> dict[str, Any]:
    """Return the values of columns and relationships that are loaded."""
    values: dict[str, Any] = {}
    mapper: Any = state.mapper
    for key in [*mapper.column_attrs.keys(), *mapper.relationships.keys()]:
        # A mutable value may have been changed in place, and would no longer be tracked.
        if key in state.dict and not isinstance(value := state.dict[key], MutableBase):
            many = key in mapper.relationships and mapper.relationships[key].uselist
            values[key] = list(collection_adapter(value)) if many and value is not None else value
    return values
