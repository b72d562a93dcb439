"""The comparisons and measurements that were started in the gallery, and their results."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    Index,
    MetaData,
    String,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, defer, mapped_column

from quartpatterns import __version__
from quartpatterns.sqlalchemy import Model, SQLAlchemy

__all__ = [
    "ENDED",
    "KINDS",
    "UNFINISHED",
    "Kind",
    "Run",
    "RunState",
    "add_run",
    "change_state",
    "count_runs",
    "db",
    "delete_old_runs",
    "history",
    "next_run",
    "now",
    "read_run",
    "unfinished_runs",
]

Kind = Literal["parity", "bench"]
KINDS: tuple[Kind, ...] = ("parity", "bench")

RunState = Literal["queued", "running", "stopping", "passed", "failed", "error", "cancelled"]
"""``failed`` is a run whose answer is no: a response differs, or a case could not be measured.
``error`` is a run that did not get to its end."""
UNFINISHED: tuple[RunState, ...] = ("queued", "running", "stopping")
ENDED: tuple[RunState, ...] = ("passed", "failed", "error", "cancelled")


class Base(Model, DeclarativeBase):
    metadata = MetaData(
        naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"}
    )


db = SQLAlchemy(model_class=Base)


class Run(Base):
    """A comparison or measurement of one pattern. Its times are in UTC."""

    __tablename__ = "gallery_runs"
    __table_args__ = (Index("ix_gallery_runs_pattern", "pattern", "kind", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[Kind] = mapped_column(String(10))
    pattern: Mapped[str] = mapped_column(String(40))
    state: Mapped[RunState] = mapped_column(String(10), index=True)
    version: Mapped[str] = mapped_column(String(40))
    created: Mapped[datetime]
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    message: Mapped[str | None] = mapped_column(String(1000))
    """Why the run did not get to its end."""
    summary: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Numbers of the whole run; see :mod:`quartpatterns.gallery.run_output`."""
    cases: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON)

    @property
    def finished(self) -> bool:
        """Whether it neither waits nor runs."""
        return self.state in ENDED

    @property
    def seconds(self) -> float | None:
        """How long it has run, until now or until its end."""
        if self.started is None:
            return None
        return max(0.0, ((self.ended or now()) - self.started).total_seconds())


def now() -> datetime:
    """Return the time in UTC, as the database stores it."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


async def add_run(kind: Kind, pattern: str, *, limit: int) -> Run | None:
    """Add a run that waits; return ``None`` if *limit* runs wait or run already.

    If the same comparison or measurement waits already, it is returned instead.
    """
    if db.engine.dialect.name == "postgresql":
        # Otherwise two transactions would count the same runs. SQLite has one writer at a time.
        await db.session.execute(text("LOCK TABLE gallery_runs IN SHARE ROW EXCLUSIVE MODE"))
    same = (Run.kind == kind, Run.pattern == pattern, Run.state == "queued")
    count = select(func.count()).where(Run.state.in_(UNFINISHED)).scalar_subquery()
    values = {
        Run.kind: kind,
        Run.pattern: pattern,
        Run.state: "queued",
        Run.version: __version__,
        Run.created: now(),
    }
    row = select(*(literal(value, column.type) for column, value in values.items()))
    statement = insert(Run).from_select(
        [column.key for column in values],
        row.where(count < limit, ~exists().where(*same)),
        include_defaults=False,
    )
    await db.session.execute(statement)
    query = select(Run).where(*same)
    run: Run | None = await db.session.scalar(query)
    await db.session.commit()
    return run


async def change_state(
    id: int, old: RunState | tuple[RunState, ...], new: RunState, **values: Any
) -> bool:
    """Change the state of a run if it is *old*, and return whether it was."""
    olds = (old,) if isinstance(old, str) else old
    result: Any = await db.session.execute(
        update(Run).where(Run.id == id, Run.state.in_(olds)).values(state=new, **values)
    )
    await db.session.commit()
    changed: bool = result.rowcount == 1
    return changed


async def read_run(id: int) -> Run | None:
    """Return the run *id* as it is now; ``None`` if there is none."""
    async with db.new_session() as session:
        return await session.get(Run, id)


async def next_run() -> Run | None:
    """Return the oldest run that waits or runs. It is the only one that may run."""
    query = select(Run).where(Run.state.in_(UNFINISHED)).order_by(Run.id).limit(1)
    run: Run | None = await db.session.scalar(query.execution_options(populate_existing=True))
    return run


async def unfinished_runs() -> list[Run]:
    """Return the runs that wait or run, the oldest first."""
    query = select(Run).where(Run.state.in_(UNFINISHED)).order_by(Run.id)
    return list(await db.session.scalars(query))


async def history(
    pattern: str | None = None, kind: Kind | None = None, *, limit: int = 20
) -> list[Run]:
    """Return runs that have ended, the newest first, without the results of their cases."""
    query = select(Run).where(Run.state.in_(ENDED)).order_by(Run.id.desc()).limit(limit)
    if pattern is not None:
        query = query.where(Run.pattern == pattern)
    if kind is not None:
        query = query.where(Run.kind == kind)
    return list(await db.session.scalars(query.options(defer(Run.cases, raiseload=True))))


async def count_runs() -> list[tuple[str, str, int]]:
    """Return the kind, the state and the number of all runs."""
    query = select(Run.kind, Run.state, func.count()).group_by(Run.kind, Run.state)
    return [(kind, state, number) for kind, state, number in await db.session.execute(query)]


async def delete_old_runs(kind: Kind, pattern: str, *, keep: int) -> None:
    """Delete the oldest runs of a pattern that have ended, so that *keep* are left."""
    same = (Run.kind == kind, Run.pattern == pattern, Run.state.in_(ENDED))
    newest = select(Run.id).where(*same).order_by(Run.id.desc()).limit(keep)
    await db.session.execute(delete(Run).where(*same, Run.id.not_in(newest)))
    await db.session.commit()
