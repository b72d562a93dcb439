"""How many rows a query has, about, without counting them."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import lazyload
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement

__all__ = ["EXACT", "count_rows", "estimate_rows"]

EXACT = 10_000
"""Estimates below this are replaced by a count, which then takes no time."""


class _Explain(Executable, ClauseElement):
    """The plan of a statement, as JSON: https://www.postgresql.org/docs/current/sql-explain.html"""

    inherit_cache = False

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self.statement = statement


@compiles(_Explain)
def _compile(element: _Explain, compiler: Any, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"


async def count_rows(session: AsyncSession, select: Select[*tuple[Any, ...]]) -> int:
    """How many rows *select* has: all of them are visited."""
    rows = select.options(lazyload("*")).order_by(None).subquery()
    counted = sa.select(sa.func.count()).select_from(rows)
    return (await session.execute(counted)).scalar_one()


async def estimate_rows(
    session: AsyncSession, select: Select[*tuple[Any, ...]]
) -> tuple[int, bool]:
    """How many rows *select* has, and whether that is an estimate.

    PostgreSQL is asked for the plan of the query, whose numbers come from its statistics and
    today's size of the tables. Other databases, and small tables, are counted.
    """
    if session.get_bind(clause=select).dialect.name != "postgresql":
        return await count_rows(session, select), False
    plan = select.options(lazyload("*")).order_by(None)
    found = (await session.execute(_Explain(plan))).scalar_one()
    [explained] = json.loads(found) if isinstance(found, str) else found
    if (rows := int(explained["Plan"]["Plan Rows"])) < EXACT:
        return await count_rows(session, select), False
    return rows, True
