"""``db.session`` outside of a context, and what it has of Flask-SQLAlchemy's session."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from quart import Quart
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, scoped_session

from quartpatterns.sqlalchemy import (
    RoutedSession,
    SQLAlchemy,
    before_models_committed,
    models_committed,
)
from quartpatterns.sqlalchemy.sessions import keep_objects
from quartpatterns.sqlalchemy.track_modifications import track_modifications
from tests.sqlalchemy.shop import Item, db, registration


async def test_events() -> None:
    """A listener of one object's sessions does not hear those of another."""
    heard: list[str] = []
    first, second = SQLAlchemy(), SQLAlchemy()
    named: Any = first.session
    assert isinstance(named, scoped_session)
    event.listen(named, "before_commit", lambda session: heard.append("commit"))
    for own in (first, second):
        app = Quart(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
        own.init_app(app)
        async with app.app_context():
            await own.session.commit()
            await own.session.execute(select(1))
            await own.session.commit()
    assert heard == ["commit", "commit"]


async def test_named_before(app: Quart) -> None:
    """The name stands for the session of each later context."""
    async with app.app_context():
        pass
    named: Any = registration(app).db._scoped_session
    async with app.app_context():
        assert isinstance(db.session, AsyncSession)
        assert named() is db.session is db.session()
        item = Item(name="x")
        named.add(item)
        assert item in named and list(named) == [item]
        await named.commit()
        assert (await named.scalars(select(Item))).all() == [item]
        named.autoflush = False
        assert db.session.sync_session.autoflush is False
        await named.remove()
        assert item not in db.session
    with pytest.raises(TypeError, match="session_options"):
        named(autoflush=False)
    with pytest.raises(TypeError, match="session_options"):
        named.configure(autoflush=False)
    with pytest.raises(TypeError, match="query"):
        named.query_property()
    assert "outside of a context" in repr(named)


async def test_bulk_methods(app: Quart) -> None:
    async with app.app_context():
        await db.session.bulk_save_objects([Item(name="a")])
        await db.session.bulk_insert_mappings(Item, [{"name": "b"}])
        await db.session.bulk_update_mappings(Item, [{"id": 1, "name": "c"}])
        await db.session.commit()
        assert sorted((await db.session.scalars(select(Item.name))).all()) == ["b", "c"]


def test_scopefunc() -> None:
    """It is refused at once, not at the first use of the session."""
    with pytest.raises(TypeError, match="scopefunc .* db.new_session"):
        SQLAlchemy(session_options={"scopefunc": id})


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_signals(app_class: type[Quart], kind: str) -> None:
    """They are those of Flask-SQLAlchemy; a receiver may be a coroutine function."""
    own: Any = SQLAlchemy()

    class Todo(own.Model):  # type: ignore[misc]
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str | None]

    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    app.config["SQLALCHEMY_TRACK_MODIFICATIONS"] = True
    own.init_app(app)
    heard: list[tuple[str, list[Any]]] = []

    def before(sender: Quart, changes: list[Any]) -> None:
        heard.append(("before", [operation for _, operation in changes]))

    def after(sender: Quart, changes: list[Any]) -> None:
        heard.append(("after", [operation for _, operation in changes]))

    async def async_after(sender: Quart, changes: list[Any]) -> None:
        after(sender, changes)

    receiver: Any = after if kind == "def" else async_after
    with before_models_committed.connected_to(before, app):
        with models_committed.connected_to(receiver, app):
            async with app.app_context():
                await own.create_all()
                todo = Todo()
                own.session.add(todo)
                await own.session.flush()
                await own.session.commit()
                todo.title = "x"
                await own.session.commit()
                own.session.add(Todo())
                await own.session.flush()
                await own.session.rollback()
                await own.session.delete(todo)
                await own.session.commit()
    expected = [(when, [what]) for what in ("insert", "update", "delete") for when in ("b", "a")]
    assert [(when[0], what) for when, what in heard] == expected


@pytest.mark.parametrize("add_handlers", [keep_objects, track_modifications])
def test_class_in_the_place_of_a_deleted_one(
    add_handlers: Callable[[type[RoutedSession]], None],
) -> None:
    """A new session class has its handlers, even if a deleted one had the same ``id()``."""
    seen: set[int] = set()
    session_class: type[RoutedSession] | None = None
    for _ in range(1000):
        session_class = type("Session", (RoutedSession,), {})
        add_handlers(session_class)
        add_handlers(session_class)
        assert len(session_class(engines={}).dispatch.after_commit) == 1
        if id(session_class) in seen:
            return
        seen.add(id(session_class))
        session_class = None
        gc.collect()
    pytest.fail("no id() was used again")
