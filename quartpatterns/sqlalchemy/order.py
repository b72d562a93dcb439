"""What a statement is ordered by, and the conditions that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import operators

__all__ = ["Key", "order_of", "selects_objects"]

_NULLS_ARE_LARGE = {"oracle", "postgresql"}
"""The databases that sort NULL as if it were larger than every value; to others it is smaller."""


@dataclass(frozen=True, slots=True)
class Key:
    """A column that a list is ordered by.

    Arguments:
        expression: The column.
        descending: Largest first.
        nulls_first: Where NULL stands.
        explicit: The statement says so; else it is what the database does.
        nullable: There may be a NULL at all.
    """

    expression: ColumnElement[Any]
    descending: bool
    nulls_first: bool
    explicit: bool
    nullable: bool

    def __str__(self) -> str:
        way = "DESC" if self.descending else "ASC"
        return f"{self.expression} {self.expression.type!r} {way} {self.nulls_first}"

    def reversed(self) -> Key:
        """The same from behind."""
        return replace(self, descending=not self.descending, nulls_first=not self.nulls_first)

    def clause(self) -> ColumnElement[Any]:
        """What stands after ``ORDER BY``."""
        found = self.expression.desc() if self.descending else self.expression.asc()
        if not self.explicit:
            return found
        return found.nulls_first() if self.nulls_first else found.nulls_last()

    def bound(self, value: Any) -> ColumnElement[Any]:
        """*value*, as the column takes it."""
        kind: Any = self.expression.type
        if isinstance(kind, sa.Enum) and kind.enum_class is not None and isinstance(value, str):
            value = kind.enum_class[value]
        return sa.literal(value, kind)

    def equals(self, value: Any) -> ColumnElement[bool]:
        """The condition for rows that are at *value*."""
        return self.expression.is_(None) if value is None else self.expression == self.bound(value)

    def beyond(self, value: Any) -> ColumnElement[bool]:
        """The condition for rows that come after those at *value*."""
        if value is None:
            return self.expression.is_not(None) if self.nulls_first else sa.false()
        bound = self.bound(value)
        further = self.expression < bound if self.descending else self.expression > bound
        if self.nullable and not self.nulls_first:
            return sa.or_(further, self.expression.is_(None))
        return further


def order_of(select: Any, dialect: str) -> list[Key]:
    """The columns that *select* is ordered by, and the primary key behind them, to tell ties apart.

    Arguments:
        select: A statement that selects; typed loosely, as SQLAlchemy has no public names for
            what is asked of it.
        dialect: The name of the database's dialect.

    Raises:
        ValueError: The statement can't be paged by its order; the message says why.
    """
    if select._limit_clause is not None or select._offset_clause is not None:
        raise ValueError("a keyset page has a limit of its own: select without limit and offset")
    if select._group_by_clauses:
        raise ValueError("group in a subquery, and page what selects from it")
    home, primary = _identity(select)
    keys = [_key(clause, home, dialect) for clause in select._order_by_clauses]
    known = {key.expression for key in keys}
    descending = bool(keys) and keys[-1].descending
    keys += [
        Key(column, descending, False, False, False) for column in primary if column not in known
    ]
    if not primary and not keys:
        raise ValueError("a keyset page has an order: add order_by()")
    return keys


def selects_objects(select: Any) -> bool:
    """Whether what *select* selects first are objects, and not values."""
    first = select.column_descriptions[0]
    return first.get("entity") is not None and first["expr"] is first["entity"]


def _identity(select: Any) -> tuple[Any, list[ColumnElement[Any]]]:
    """The table of what is selected first, and its primary key."""
    first = select.column_descriptions[0]
    entity = first.get("entity")
    if entity is None:
        table = getattr(first["expr"], "table", None)
        return table, list(getattr(table, "primary_key", ()))
    inspected: Any = sa.inspect(entity)
    mapper: Mapper[Any] = inspected.mapper
    names = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    keys = [sa.inspect(getattr(entity, name)).__clause_element__() for name in names]
    return inspected.selectable, keys


def _key(clause: Any, home: Any, dialect: str) -> Key:
    descending, nulls_first = False, None
    while clause.__visit_name__ in ("unary", "label_reference", "label"):
        modifier = getattr(clause, "modifier", None)
        if modifier in (operators.desc_op, operators.asc_op):
            descending = modifier is operators.desc_op
        elif modifier in (operators.nulls_first_op, operators.nulls_last_op):
            nulls_first = modifier is operators.nulls_first_op
        elif clause.__visit_name__ == "unary":
            break  # such as -column
        clause = clause.element
    if clause.__visit_name__ in ("textclause", "textual_label_reference"):
        raise ValueError(f"order by columns, not by the text {str(clause)!r}")
    default = descending is (dialect in _NULLS_ARE_LARGE)
    plain = clause._deannotate()
    # What an outer join adds may be NULL whatever the column says.
    foreign = getattr(plain, "table", None) is not home
    nullable = foreign or getattr(plain, "nullable", True)
    return Key(
        clause,
        descending,
        default if nulls_first is None else nulls_first,
        nulls_first is not None,
        nullable,
    )
