"""The four forms of the page: declarative, mapped by hand, Core, and text."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import registry

from quartpatterns.sqlalchemy import SQLAlchemy
from quartpatterns.sqlalchemy.example import port_declarative, port_manual
from quartpatterns.sqlalchemy.example.port import User
from quartpatterns.sqlalchemy.example.port import db as port_db
from tests.sqlalchemy.shop import registration


@pytest.fixture
async def empty(app: Quart) -> SQLAlchemy:
    """The extension object of the port, with the database of *app*, which has no tables."""
    other = registration(app)
    del app.extensions["sqlalchemy"]
    await other.close()
    port_db.init_app(app)
    return port_db


@pytest.fixture
async def users(app: Quart, empty: SQLAlchemy) -> SQLAlchemy:
    """The same, with its tables."""
    async with app.app_context():
        await empty.create_all()
    return empty


@pytest.mark.checks("SA-2", "SA-3", "SA-6")
@pytest.mark.parametrize("form", [port_declarative, port_manual])
async def test_without_extension(app: Quart, empty: SQLAlchemy, form: Any) -> None:
    """``init_db`` creates the table; each context has one session, which ends with it."""
    app.teardown_appcontext(form.shutdown_session)
    async with app.app_context():
        await form.init_db()
        await form.init_db()
        user = form.User("admin", "admin@localhost")
        assert (repr(user), repr(form.User())) == ("<User 'admin'>", "<User None>")
        session = form.db_session()
        assert form.db_session() is session
        session.add(user)
        await session.commit()
        session.add(form.User("forgotten", "forgotten@localhost"))
        await session.flush()
        assert session.in_transaction()
    assert not session.in_transaction()
    async with app.app_context():
        assert form.db_session() is not session
        found = (await form.db_session().scalars(select(form.User))).all()
        assert [one.name for one in found] == ["admin"]
        form.db_session().add(form.User("admin", "other@localhost"))
        with pytest.raises(IntegrityError):
            await form.db_session().commit()


@pytest.mark.checks("SA-2", "SA-6")
@pytest.mark.parametrize("form", [port_declarative, port_manual])
async def test_same_table(app: Quart, empty: SQLAlchemy, form: Any) -> None:
    """``init_db`` creates the table that the extension creates, but for names of constraints."""

    def describe(sync: Connection) -> Any:
        found = inspect(sync)
        columns = [(one["name"], str(one["type"])) for one in found.get_columns("users")]
        unique = {tuple(one["column_names"]) for one in found.get_unique_constraints("users")}
        return columns, unique, found.get_pk_constraint("users")["constrained_columns"]

    async with app.app_context():
        await form.init_db()
        async with empty.engine.connect() as connection:
            own = await connection.run_sync(describe)
        await empty.drop_all()
        await empty.create_all()
        async with empty.engine.connect() as connection:
            assert await connection.run_sync(describe) == own
    assert own[1] == {("name",), ("email",)}
    names = {constraint.name for constraint in empty.metadata.tables["users"].constraints}
    assert names == {"pk_users", "uq_users_name", "uq_users_email"}


@pytest.mark.checks("SA-2", "SA-4", "SA-5")
async def test_declarative(app: Quart, users: SQLAlchemy) -> None:
    """Add, commit, select all and filter; a taken name is an IntegrityError."""
    async with app.app_context():
        user = User("admin", "admin@localhost")
        assert (repr(user), repr(User())) == ("<User 'admin'>", "<User None>")
        users.session.add(user)
        await users.session.commit()
        assert (await users.session.scalars(select(User))).all() == [user]
        found = await users.session.scalar(select(User).where(User.name == "admin"))
        assert found is user
        users.session.add(User("admin", "other@localhost"))
        with pytest.raises(IntegrityError):
            await users.session.commit()
        await users.session.rollback()
        assert len((await users.session.scalars(select(User))).all()) == 1


@pytest.mark.checks("SA-6")
async def test_by_hand(app: Quart) -> None:
    """A class mapped by hand behaves as a declared one."""
    own = SQLAlchemy()
    del app.extensions["sqlalchemy"]
    own.init_app(app)

    class Person:
        id: int
        name: str | None

        def __init__(self, name: str | None = None) -> None:
            self.name = name

        def __repr__(self) -> str:
            return f"<Person {self.name!r}>"

    people = own.Table(
        "people",
        Column("id", Integer, primary_key=True),
        Column("name", String(50), unique=True),
    )
    registry().map_imperatively(Person, people)
    async with app.app_context():
        await own.create_all()
        own.session.add(Person("admin"))
        await own.session.commit()
        page = await own.paginate(select(Person).order_by(people.c.id))
        assert [repr(person) for person in page] == ["<Person 'admin'>"]
        assert (await own.get_or_404(Person, 1)).name == "admin"
        own.session.add(Person("admin"))
        with pytest.raises(IntegrityError):
            await own.session.commit()


@pytest.mark.checks("SA-7")
async def test_core(app: Quart, users: SQLAlchemy) -> None:
    """A reflected table, an insert, rows as tuples and by name, and text."""
    async with app.app_context():
        async with users.engine.connect() as connection:
            table = await connection.run_sync(
                lambda sync: Table("users", MetaData(), autoload_with=sync)
            )
        async with users.engine.begin() as connection:
            await connection.execute(insert(table).values(name="admin", email="admin@localhost"))
        async with users.engine.connect() as connection:
            row = (await connection.execute(select(table).where(table.c.id == 1))).one()
            statement = text("SELECT * FROM users WHERE id = :id")
            by_text = (await connection.execute(statement, {"id": 1})).one()
    assert row == by_text == (1, "admin", "admin@localhost")
    assert row.name == row._mapping["name"] == row._mapping[table.c.name] == "admin"


async def test_foreign_keys(app: Quart) -> None:
    """A foreign key without its row is refused, on SQLite too."""
    own = SQLAlchemy()
    del app.extensions["sqlalchemy"]
    own.init_app(app)
    own.Table("parents", Column("id", Integer, primary_key=True))
    children = own.Table("children", Column("parent", ForeignKey("parents.id")))
    async with app.app_context():
        await own.create_all()
        with pytest.raises(IntegrityError):
            await own.session.execute(insert(children).values(parent=4711))
