"""What ``db.Model`` adds to a declarative base."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from quart import Quart
from sqlalchemy import ForeignKey, MetaData, select
from sqlalchemy.orm import (
    DeclarativeBase,
    DeclarativeBaseNoMeta,
    Mapped,
    declared_attr,
    mapped_column,
    relationship,
)

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.sqlalchemy.models import camel_to_snake_case


class Base(Model, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class UserGroup(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    members: Mapped[list[Member]] = relationship(back_populates="group")


class Member(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    group_id: Mapped[int | None] = mapped_column(ForeignKey("user_group.id"))
    group: Mapped[UserGroup | None] = relationship(back_populates="members")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "member"}


class Guest(Member):
    """Shares its parent's table, as it has no key of its own."""

    __mapper_args__ = {"polymorphic_identity": "guest"}
    until: Mapped[int | None]


class HonoraryMember(Member):
    """Has a table of its own beside its parent's."""

    id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    medal: Mapped[str]
    __mapper_args__ = {"polymorphic_identity": "honorary"}


class Named(Base):
    __tablename__ = "some_name"
    id: Mapped[int] = mapped_column(primary_key=True)


class Abstract(Base):
    __abstract__ = True
    id: Mapped[int] = mapped_column(primary_key=True)


class Concrete(Abstract):
    pass


class Prefixed:
    @declared_attr.directive
    @classmethod
    def __tablename__(cls) -> str:
        return f"app_{cls.__name__.lower()}"


class Thing(Prefixed, Base):
    id: Mapped[int] = mapped_column(primary_key=True)


class WithTable(Base):
    __table__ = sa.Table("given", Base.metadata, sa.Column("id", sa.Integer, primary_key=True))


@pytest.mark.parametrize(
    ("model", "table"),
    [
        (UserGroup, "user_group"),
        (Member, "member"),
        (Guest, "member"),
        (HonoraryMember, "honorary_member"),
        (Named, "some_name"),
        (Concrete, "concrete"),
        (Thing, "app_thing"),
        (WithTable, "given"),
    ],
)
def test_table_names(model: type[Base], table: str) -> None:
    """A model without a name is named after its class; one without a key shares its parent's."""
    assert str(sa.inspect(model).local_table) == str(model.__table__) == table


def test_no_primary_key() -> None:
    """A model without a key, and without a parent, is SQLAlchemy's error."""
    with pytest.raises(sa.exc.ArgumentError, match="primary key"):

        class Keyless(Base):
            name: Mapped[str]


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("User", "user"),
        ("UserGroup", "user_group"),
        ("HTTPRequest", "http_request"),
        ("OAuth2Token", "o_auth2_token"),
        ("MyURL", "my_url"),
        ("already_snake", "already_snake"),
        ("_Private", "private"),
    ],
)
def test_snake_case(name: str, snake: str) -> None:
    assert camel_to_snake_case(name) == snake


@given(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True))
def test_names_of_flask_sqlalchemy(name: str) -> None:
    """A model that moves finds its table: the names are those that Flask-SQLAlchemy gives."""
    from flask_sqlalchemy.model import camel_to_snake_case

    assert camel_to_snake_case(name) == camel_to_snake_case(name)


async def test_repr() -> None:
    group = UserGroup()
    assert repr(group) == f"<UserGroup (transient {id(group)})>"


@pytest.fixture
def app(app_class: type[Quart], tmp_path: Path) -> Quart:
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'models.db'}"
    db.init_app(app)
    return app


async def test_awaitable_attributes(app: Quart) -> None:
    """A relationship that is not loaded is awaited; a stored model shows its key."""
    async with app.app_context():
        await db.create_all()
        db.session.add(UserGroup(members=[Guest(until=2), HonoraryMember(medal="gold")]))
        await db.session.commit()
    async with app.app_context():
        group = await db.get_or_404(UserGroup, 1)
        assert repr(group) == "<UserGroup 1>"
        members = await group.awaitable_attrs.members
        assert [type(member).__name__ for member in members] == ["Guest", "HonoraryMember"]
        assert (await db.session.scalars(select(Guest.until))).all() == [2]


def bases() -> Iterator[object]:
    """What may be given as *model_class*: a base without and with our mixin, and mixins."""

    class Plain(DeclarativeBase):
        def __repr__(self) -> str:
            return "mine"

    class NoMeta(DeclarativeBaseNoMeta):
        pass

    class Mixed(Model, DeclarativeBase):
        pass

    class Mixin:
        def __repr__(self) -> str:
            return "mine"

    for base in (Plain, NoMeta, Mixed, Mixin, Model):
        yield pytest.param(base, id=base.__name__)


@pytest.mark.parametrize("base", list(bases()))
def test_model_class(base: type) -> None:
    """Whatever is given, ``db.Model`` is a base that names tables, and is derived from it."""
    own: Any = SQLAlchemy(model_class=base)

    class UserAccount(own.Model):  # type: ignore[misc]
        id = own.Column(own.Integer, primary_key=True)

    assert issubclass(UserAccount, base)
    assert UserAccount.__table__.name == "user_account"
    assert own.metadata is UserAccount.metadata
    assert (repr(UserAccount()) == "mine") == ("__repr__" in vars(base) and base is not Model)


def test_metadata() -> None:
    """Metadata is for a base that is made; a declarative base has its own."""
    metadata = MetaData()
    assert SQLAlchemy(metadata=metadata).metadata is metadata
    assert SQLAlchemy().metadata is not SQLAlchemy().metadata
    with pytest.raises(ValueError, match="a declarative base has its own metadata"):
        SQLAlchemy(model_class=Base, metadata=metadata)


class Counter(Base):
    """The database computes values of it."""

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(server_default="1")
    double: Mapped[int] = mapped_column(sa.Computed("number * 2"))
    changed: Mapped[str | None] = mapped_column(onupdate=sa.func.lower("Yes"))


async def test_computed_values(app_class: type[Quart], url: str) -> None:
    """What an INSERT or UPDATE computes can be used without ``await``."""
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    async with app.app_context():
        await db.create_all()
        db.session.add(counter := Counter())
        await db.session.commit()
        assert (counter.number, counter.double, counter.changed) == (1, 2, None)
        counter.number = 5
        await db.session.commit()
        assert (counter.double, counter.changed) == (10, "yes")
    await app.extensions["sqlalchemy"].close()


def test_own_choice_of_defaults() -> None:
    class Lazy(Base):
        id: Mapped[int] = mapped_column(primary_key=True)
        __mapper_args__ = {"eager_defaults": False}

    assert sa.inspect(Lazy).eager_defaults is False
    assert sa.inspect(Counter).eager_defaults is True
