"""``GREENLET_VIEWS``: lazy loads of SQLAlchemy in everything that handles a request."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, abort, g, render_template_string, request, websocket
from sqlalchemy import ForeignKey, select
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from quartpatterns._shared.greenlet_views import greenlet_functions
from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.streaming import stream_template_string, stream_with_context
from quartpatterns.subclassing import FaithfulQuart, async_to_sync, bridge_flask
from tests.serving import eventually

variable: ContextVar[str] = ContextVar("variable", default="unset")


class Base(Model, DeclarativeBase):
    """The base of the models."""


db = SQLAlchemy(model_class=Base)


class Author(Base):
    """An author, whose books are loaded when they are read."""

    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.id")


class Book(Base):
    """A book."""

    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


async def first_author() -> Any:
    return (await db.session.scalars(select(Author))).one()


async def titles() -> str:
    """Read a relationship that is not loaded."""
    return ",".join(book.title for book in (await first_author()).books)


TEMPLATE = "{% for book in author.books %}{{ book.title }}/{{ book.author.name }};{% endfor %}"


@pytest.fixture
def application(tmp_path: Path) -> FaithfulQuart:
    app = FaithfulQuart(__name__, instance_path=str(tmp_path))
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'test.db'}"
    app.config["GREENLET_VIEWS"] = True
    app.testing = True
    db.init_app(app)

    @app.get("/view")
    async def view() -> str:
        await asyncio.sleep(0)
        return await titles()

    @app.get("/template")
    async def template() -> str:
        return await render_template_string(TEMPLATE, author=await first_author())

    @app.get("/stream")
    async def stream() -> Any:
        return await stream_template_string(TEMPLATE, author=await first_author())

    @app.get("/generator")
    async def generator() -> Any:
        @stream_with_context
        async def generate() -> AsyncGenerator[str]:
            yield "titles: "
            await asyncio.sleep(0)
            yield await titles()

        return generate()

    @app.errorhandler(404)
    async def missing(error: Any) -> Any:
        return await titles(), 404

    @app.get("/abort")
    async def aborted() -> str:
        abort(404)

    @app.websocket("/socket")
    async def socket() -> None:
        await websocket.receive()
        await websocket.send(await titles())

    return app


@pytest.fixture
async def app(application: FaithfulQuart) -> AsyncGenerator[FaithfulQuart]:
    app = application
    async with app.test_app(), app.app_context():
        await db.create_all()
        author = Author(name="Ann")
        author.books = [Book(title="One"), Book(title="Two")]
        db.session.add(author)
        await db.session.commit()
        await db.session.close()
        yield app


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/view", "One,Two"),
        ("/template", "One/Ann;Two/Ann;"),
        ("/stream", "One/Ann;Two/Ann;"),
        ("/generator", "titles: One,Two"),
        ("/abort", "One,Two"),
        ("/missing", "One,Two"),
    ],
)
async def test_lazy_loads(app: FaithfulQuart, path: str, expected: str) -> None:
    """A relationship is loaded wherever code of the application runs."""
    response = await app.test_client().get(path)
    assert await response.get_data(as_text=True) == expected


async def test_hooks(app: FaithfulQuart) -> None:
    """A relationship is loaded in each kind of hook."""

    @app.before_request
    async def before() -> None:
        g.before = await titles()

    @app.after_request
    async def after(response: Any) -> Any:
        response.headers["X-After"] = await titles()
        return response

    torn_down: list[str] = []

    @app.teardown_request
    async def teardown(error: BaseException | None) -> None:
        torn_down.append(await titles())

    @app.get("/hooks")
    async def hooks() -> str:
        return str(g.before)

    response = await app.test_client().get("/hooks")
    assert await response.get_data(as_text=True) == response.headers["X-After"] == "One,Two"
    assert torn_down == ["One,Two"]


async def test_websocket(app: FaithfulQuart) -> None:
    """A relationship is loaded in the handler of a websocket."""
    async with app.test_client().websocket("/socket") as socket:
        await socket.send("")
        assert await socket.receive() == "One,Two"


async def test_off_by_default(app: FaithfulQuart) -> None:
    """Without the setting, a lazy load is an error."""
    del app.config["GREENLET_VIEWS"]
    with pytest.raises(MissingGreenlet):
        await app.test_client().get("/view")


async def test_other_tasks_and_threads(app: FaithfulQuart) -> None:
    """A task that the view starts is outside of the greenlet."""

    @app.get("/task")
    async def task() -> str:
        author = await first_author()

        async def read() -> int:
            return len(author.books)

        return str(await asyncio.create_task(read()))

    with pytest.raises(MissingGreenlet):
        await app.test_client().get("/task")


async def test_context_variables(app: FaithfulQuart) -> None:
    """The code runs in the task of the request, with its context variables."""

    @app.get("/context")
    async def context() -> str:
        token = variable.set("inside")
        current = asyncio.current_task()
        await asyncio.sleep(0)
        assert variable.get() == "inside" and asyncio.current_task() is current
        author = await first_author()
        assert len(author.books) == 2
        assert variable.get() == "inside" and asyncio.current_task() is current
        variable.reset(token)
        return request.path + variable.get()

    response = await app.test_client().get("/context")
    assert await response.get_data(as_text=True) == "/contextunset"


async def test_cancellation_and_time_limits(app: FaithfulQuart) -> None:
    """Time limits and a cancellation reach the view, which can still load in ``finally``."""
    seen: list[str] = []

    @app.get("/wait")
    async def wait() -> str:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            seen.append("timeout")
        try:
            seen.append(await titles())
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            seen.append(await titles())
        return ""

    request_task = asyncio.create_task(_get(app, "/wait"))
    await eventually(lambda: len(seen) == 2)
    request_task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request_task
    assert seen == ["timeout", "One,Two", "cancelled", "One,Two"]


async def _get(app: Quart, path: str) -> None:
    """Handle a request in the current task."""
    scope: Any = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http"}
    scope |= {"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""}
    scope |= {"headers": [(b"host", b"localhost")], "asgi": {"version": "3.0"}, "state": {}}

    async def receive() -> Any:
        return await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        pass

    await app(scope, receive, send)


async def test_errors(app: FaithfulQuart) -> None:
    """An error keeps its type and reaches the handlers."""
    app.testing = False

    @app.get("/error")
    async def error() -> str:
        await titles()
        raise LookupError("why")

    @app.errorhandler(LookupError)
    async def handler(error: LookupError) -> str:
        return f"{error} {await titles()}"

    response = await app.test_client().get("/error")
    assert await response.get_data(as_text=True) == "why One,Two"


async def test_a_stream_that_is_closed(app: FaithfulQuart) -> None:
    """Its generator is closed in a greenlet as well."""
    closed: list[str] = []

    @app.get("/endless")
    async def endless() -> Any:
        @stream_with_context
        async def generate() -> AsyncGenerator[str]:
            try:
                while True:
                    yield "x"
            finally:
                closed.append(await titles())

        return generate()

    async with app.test_client().request("/endless") as connection:
        assert await connection.receive() == b"x"
        await connection.disconnect()
    await eventually(lambda: bool(closed))
    assert closed == ["One,Two"]


async def test_sqlalchemy_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without SQLAlchemy, the error names the extra."""
    greenlet_functions.cache_clear()
    app = FaithfulQuart(__name__)
    app.config |= {"GREENLET_VIEWS": True, "TESTING": True}
    app.add_url_rule("/", "view", lambda: "view")
    monkeypatch.setitem(sys.modules, "sqlalchemy.util", None)
    with pytest.raises(ImportError, match="sqlalchemy"):
        await app.test_client().get("/")


async def test_below_a_decorator_of_an_extension(app: FaithfulQuart) -> None:
    """An asynchronous view that synchronous code calls in a thread."""
    bridge_flask(app)

    def decorator(function: Callable[[], str]) -> Callable[[], str]:
        return wraps(function)(lambda: function().upper())

    @app.get("/decorated")
    @decorator
    @async_to_sync
    async def decorated() -> str:
        return await titles()

    response = await app.test_client().get("/decorated")
    assert await response.get_data(as_text=True) == "ONE,TWO"
