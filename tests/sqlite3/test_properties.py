"""In any order of steps, a context sees committed rows and its own, and loses uncommitted ones."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quart import Quart

from quartpatterns.sqlite3 import Connection, query_db, stream_query
from tests.examples import examples
from tests.serving import TIMEOUT
from tests.sqlite3.shop import app_database, database, make_app, pool

CONTEXTS = 4

STEPS = st.lists(
    st.tuples(
        st.integers(0, CONTEXTS - 1),
        st.sampled_from(
            [
                "read",
                "write",
                "commit",
                "rollback",
                "leave",
                "fail",
                "cancel",
                "row_factory",
                "stream",
            ]
        ),
    ),
    max_size=25,
)


@dataclass
class Model:
    """The committed rows, and the uncommitted rows of the context that writes."""

    committed: set[int] = field(default_factory=set[int])
    writer: int | None = None
    pending: set[int] = field(default_factory=set[int])

    def seen_by(self, number: int) -> set[int]:
        return self.committed | (self.pending if self.writer == number else set())

    def end(self, number: int, *, commit: bool) -> None:
        if self.writer == number:
            self.committed |= self.pending if commit else set()
            self.writer, self.pending = None, set()


class Actor:
    """A context in a task of its own, which executes one step at a time."""

    def __init__(self, app: Quart) -> None:
        self.app = app
        self.steps: asyncio.Queue[str] = asyncio.Queue()
        self.results: asyncio.Queue[object] = asyncio.Queue()
        self.connections: set[Connection] = set()
        self.task = asyncio.create_task(self.run())

    async def run(self) -> None:
        async with self.app.app_context():
            while (step := await self.steps.get()) != "leave":
                if step == "fail":
                    raise LookupError
                self.connections.add(await database(self.app).get_db())
                self.results.put_nowait(await self.execute(step))

    async def execute(self, step: str) -> object:
        if step == "read":
            return {row[0] for row in await query_db("SELECT n FROM item")}
        if step == "stream":
            return {row[0] async for row in stream_query("SELECT n FROM item", batch_size=2)}
        if step in ("commit", "rollback"):
            return await getattr(await database(self.app).get_db(), step)()
        if step == "row_factory":
            (await database(self.app).get_db()).row_factory = None
            return None
        return await query_db("INSERT INTO item VALUES (?)", [int(step)])

    async def do(self, step: str) -> object:
        self.steps.put_nowait(step)
        return await asyncio.wait_for(self.results.get(), TIMEOUT)

    async def end(self, how: str) -> None:
        if how == "cancel":
            self.task.cancel()
        else:
            self.steps.put_nowait(how)
        await asyncio.wait([self.task], timeout=TIMEOUT)
        assert self.task.done()
        if not self.task.cancelled():
            assert isinstance(self.task.exception(), LookupError | None)


async def play(steps: list[tuple[int, str]], file: Path) -> None:
    app = make_app(Quart, file, SQLITE_POOL_SIZE=CONTEXTS)
    async with app.app_context(), database(app).transaction():
        await query_db("CREATE TABLE item (n)")
    model, actors, used = Model(), dict[int, Actor](), set[Connection]()
    for value, (number, step) in enumerate(steps):
        actor = actors.setdefault(number, Actor(app)) if number not in actors else actors[number]
        if step in ("leave", "fail", "cancel"):
            await actors.pop(number).end(step)
            model.end(number, commit=False)
            assert len(actor.connections) <= 1
            assert all(one.is_closed for one in actor.connections)
            assert not used & actor.connections
            used |= actor.connections
        elif step in ("read", "stream"):
            assert await actor.do(step) == model.seen_by(number)
        elif step == "write":
            if model.writer in (None, number):  # SQLite has one writer at a time.
                await actor.do(str(value))
                model.writer = number
                model.pending.add(value)
        else:
            await actor.do(step)
            if step != "row_factory":
                model.end(number, commit=step == "commit")
    for actor in actors.values():
        await actor.end("leave")
    assert pool(app).in_use == 0
    async with app.app_context():
        assert {row["n"] for row in await query_db("SELECT n FROM item")} == model.committed
    await app_database(app).connections.close()


# A fixture reports calls that block the event loop; it may see several examples.
@settings(
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_isolation(steps: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(steps, Path(folder, "test.db")))


@settings(
    max_examples=examples(30),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    works=st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 3), st.booleans()), min_size=2, max_size=8
    )
)
def test_transactions_of_tasks(works: list[tuple[int, int, bool]]) -> None:
    """The transactions of tasks that share a connection are stored as a whole or not at all."""

    async def play(file: Path) -> None:
        app = make_app(Quart, file)
        db = database(app)

        async def work(number: int, count: int, pause: int, fail: bool) -> None:
            for _ in range(pause):
                await asyncio.sleep(0)
            async with db.transaction():
                for part in range(count):
                    await query_db("INSERT INTO item VALUES (?, ?)", [number, part])
                    assert await query_db("SELECT DISTINCT n FROM item WHERE n = ?", [number])
                if fail:
                    raise LookupError

        async with app.app_context():
            async with db.transaction():
                await query_db("CREATE TABLE item (n, part)")
            await asyncio.gather(
                *(work(number, *one) for number, one in enumerate(works)), return_exceptions=True
            )
            rows = await query_db("SELECT n, count(*) FROM item GROUP BY n")
            expected = {n: count for n, (count, _, fail) in enumerate(works) if not fail}
            assert {row[0]: row[1] for row in rows} == expected
        await app_database(app).connections.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder, "test.db")))
