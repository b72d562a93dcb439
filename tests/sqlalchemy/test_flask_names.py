"""Metadata, bases, options and ``repr`` as in Flask-SQLAlchemy."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import flask
import flask_sqlalchemy
import pytest
import sqlalchemy as sa
from flask_sqlalchemy.model import DefaultMeta as FlaskDefaultMeta
from flask_sqlalchemy.model import Model as FlaskModel
from quart import Quart
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    DeclarativeBase,
    DeclarativeBaseNoMeta,
    DeclarativeMeta,
    Mapped,
    declarative_base,
    mapped_column,
)

from quartpatterns.sqlalchemy import (
    BindMetaMixin,
    DefaultMeta,
    DefaultMetaNoName,
    Model,
    Query,
    SQLAlchemy,
    add_models_to_shell,
    get_recorded_queries,
)

MEMORY = "sqlite://"


def started(app_class: type[Quart], db: SQLAlchemy, **config: Any) -> Quart:
    app = app_class(__name__)
    app.config.from_mapping({"SQLALCHEMY_DATABASE_URI": MEMORY, **config})
    db.init_app(app)
    return app


def test_metadata(app_class: type[Quart]) -> None:
    """The metadata of a bind exists before a model uses it, with the naming convention."""
    metadata = sa.MetaData(naming_convention={"pk": "pk_%(table_name)s"})
    db = SQLAlchemy(metadata=metadata)
    assert db.metadata is metadata is db.metadatas[None]
    assert metadata.info["bind_key"] is None
    started(app_class, db, SQLALCHEMY_BINDS={"a": MEMORY})
    assert db.metadatas["a"].info["bind_key"] == "a"
    assert db.metadatas["a"].naming_convention == metadata.naming_convention


def test_bind_of_a_table() -> None:
    """A table or metadata of the class itself comes before its bind key."""
    db: Any = SQLAlchemy()
    table = db.Table("user", sa.Column("id", sa.Integer, primary_key=True), bind_key="auth")

    class User(db.Model):  # type: ignore[misc]
        __bind_key__ = "other"
        __table__ = table

    class Parent(db.Model):  # type: ignore[misc]
        __bind_key__ = "auth"
        id = sa.Column(sa.Integer, primary_key=True)

    class Child(Parent):
        id = sa.Column(sa.ForeignKey(Parent.id), primary_key=True)

    assert User.__table__.metadata is db.metadatas["auth"]
    assert "other" not in db.metadatas
    assert "metadata" not in Child.__dict__
    assert "child" in db.metadatas["auth"].tables


def names_of(base: Any) -> list[str]:
    class UserGroup(base):  # type: ignore[misc]
        id = sa.Column(sa.Integer, primary_key=True)
        kind = sa.Column(sa.String)
        __mapper_args__: Any = {"polymorphic_on": kind}

    class AdminGroup(UserGroup):
        __mapper_args__ = {"polymorphic_identity": "admin"}

    class OwnGroup(UserGroup):
        id = sa.Column(sa.ForeignKey(UserGroup.id), primary_key=True)
        __mapper_args__ = {"polymorphic_identity": "own"}

    class Named(base):  # type: ignore[misc]
        __tablename__ = "mine"
        id = sa.Column(sa.Integer, primary_key=True)

    class Abstract(base):  # type: ignore[misc]
        __abstract__ = True
        __bind_key__ = "other"

    class Concrete(Abstract):
        id = sa.Column(sa.Integer, primary_key=True)

    classes: list[Any] = [UserGroup, AdminGroup, OwnGroup, Named, Concrete]
    return [f"{model.__table__.metadata.info['bind_key']}:{model.__table__}" for model in classes]


def test_bases_of_version_1() -> None:
    """``declarative_base()`` with the metaclass gives the tables of Flask-SQLAlchemy."""
    theirs_base = declarative_base(cls=FlaskModel, metaclass=FlaskDefaultMeta)
    theirs = flask_sqlalchemy.SQLAlchemy(model_class=theirs_base)
    for parent in (Model, object):
        base = declarative_base(cls=parent, metaclass=DefaultMeta)
        db: Any = SQLAlchemy(model_class=base)
        assert db.Model is base
        assert base.query_class is db.Query
        assert names_of(db.Model) == names_of(theirs.Model)
        theirs = flask_sqlalchemy.SQLAlchemy(
            model_class=declarative_base(cls=FlaskModel, metaclass=FlaskDefaultMeta)
        )


async def test_model_of_version_1(app_class: type[Quart]) -> None:
    db: Any = SQLAlchemy(model_class=declarative_base(cls=Model, metaclass=DefaultMeta))

    class User(db.Model):  # type: ignore[misc]
        id = sa.Column(sa.Integer, primary_key=True)
        name = sa.Column(sa.String)

    async with started(app_class, db).app_context():
        await db.create_all()
        db.session.add(User(name="x"))
        await db.session.commit()
        assert (await User.query.filter_by(name="x").first_or_404()).id == 1
        names = add_models_to_shell()
        assert (names["User"], names["db"]) == (User, db)


class NoNameMeta(BindMetaMixin, DeclarativeMeta):
    """As in the documentation of Flask-SQLAlchemy."""


class Typed(DeclarativeBase):
    pass


class TypedModel(Model, DeclarativeBase):
    pass


@pytest.mark.parametrize(
    "options",
    [
        {"disable_autonaming": True},
        {"disable_autonaming": True, "model_class": Typed},
        {"disable_autonaming": True, "model_class": TypedModel},
        {"model_class": declarative_base(cls=Model, metaclass=NoNameMeta)},
        {"model_class": declarative_base(cls=Model, metaclass=DefaultMetaNoName)},
    ],
)
def test_disable_autonaming(options: dict[str, Any]) -> None:
    db: Any = SQLAlchemy(**options)
    with pytest.raises(InvalidRequestError, match="__tablename__"):

        class User(db.Model):  # type: ignore[misc]
            id: Mapped[int] = mapped_column(primary_key=True)


def test_two_bases() -> None:
    class Base(DeclarativeBase, DeclarativeBaseNoMeta):
        pass

    with pytest.raises(ValueError, match="two declarative bases"):
        SQLAlchemy(model_class=Base)


async def test_options_of_binds(app_class: type[Quart], tmp_path: Path) -> None:
    """``SQLALCHEMY_ENGINE_OPTIONS`` applies to the default engine only."""
    binds = {"memory": MEMORY, "own": {"url": f"sqlite:///{tmp_path}/own.db", "pool_size": 3}}
    config = {
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/app.db",
        "SQLALCHEMY_ENGINE_OPTIONS": {"echo": False, "pool_size": 2},
        "SQLALCHEMY_BINDS": binds,
    }
    theirs = flask_sqlalchemy.SQLAlchemy(engine_options={"echo": True})
    flask_app = flask.Flask(__name__)
    flask_app.config.from_mapping(config)
    theirs.init_app(flask_app)
    db = SQLAlchemy(engine_options={"echo": True})
    with flask_app.app_context():
        async with started(app_class, db, **config).app_context():
            for key in (None, "memory", "own"):
                assert db.engines[key].echo is theirs.engines[key].echo
            for key in (None, "own"):
                pool, their_pool = db.engines[key].pool, theirs.engines[key].pool
                assert isinstance(pool, sa.QueuePool) and isinstance(their_pool, sa.QueuePool)
                assert pool.size() == their_pool.size()
        for engine in theirs.engines.values():
            engine.dispose()


async def test_url_in_options(app_class: type[Quart], tmp_path: Path) -> None:
    """The URL may be one of the options, as in Flask-SQLAlchemy."""
    db = SQLAlchemy()
    options = {"url": f"sqlite:///{tmp_path}/app.db"}
    config = {"SQLALCHEMY_DATABASE_URI": None, "SQLALCHEMY_ENGINE_OPTIONS": options}
    async with started(app_class, db, **config).app_context():
        assert (db.engine.url.database or "").endswith("app.db")


async def test_mysql(monkeypatch: pytest.MonkeyPatch, app_class: type[Quart]) -> None:
    """Connections are replaced after two hours, and text is UTF-8."""
    driver: Any = ModuleType("aiomysql")
    pymysql: Any = ModuleType("pymysql")
    constants: Any = ModuleType("pymysql.constants")
    constants.CLIENT = SimpleNamespace(FOUND_ROWS=2)
    errors = "Warning Error InterfaceError DataError DatabaseError OperationalError"
    errors += " IntegrityError ProgrammingError InternalError NotSupportedError"
    for name in errors.split():
        for module in (driver, pymysql):
            setattr(module, name, type(name, (Exception,), {}))
    for name in "STRING NUMBER BINARY DATETIME TIMESTAMP Binary".split():
        setattr(pymysql, name, bytes)
    cursors: Any = ModuleType("aiomysql.cursors")
    cursors.Cursor = driver.Cursor = cursors.SSCursor = driver.SSCursor = type("Cursor", (), {})
    for name, module in {
        "aiomysql": driver,
        "aiomysql.cursors": cursors,
        "pymysql": pymysql,
        "pymysql.constants": constants,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    driver.cursors, pymysql.constants = cursors, constants
    db = SQLAlchemy()
    app = started(app_class, db, SQLALCHEMY_DATABASE_URI="mysql://localhost/test")
    async with app.app_context():
        pool: Any = db.engine.pool
        assert pool.recreate()._recycle == 7200
        assert db.engine.url.query["charset"] == "utf8mb4"


async def test_repr(app_class: type[Quart]) -> None:
    """It names the database of the current application, without its password."""
    db = SQLAlchemy()
    assert repr(db) == "<SQLAlchemy>"
    config: dict[str, Any] = {"SQLALCHEMY_DATABASE_URI": "postgresql://user:secret@h/d"}
    async with started(app_class, db, **config, SQLALCHEMY_BINDS={"a": MEMORY}).app_context():
        assert repr(db) == "<SQLAlchemy postgresql://user:***@h/d +1 engines>"
    config = {"SQLALCHEMY_DATABASE_URI": None, "SQLALCHEMY_BINDS": {"a": MEMORY}}
    async with started(app_class, db, **config).app_context():
        assert repr(db) == "<SQLAlchemy (No default engine) +1 engines>"


async def test_recorded_parameters(app_class: type[Quart]) -> None:
    """They are a list with those of each execution."""
    db = SQLAlchemy()
    async with started(app_class, db, SQLALCHEMY_RECORD_QUERIES=True).app_context():
        await db.session.execute(sa.select(sa.literal(5)))
        parameters = get_recorded_queries()[-1].parameters
        assert (len(parameters), parameters[0][0]) == (1, 5)


def test_shell(app_class: type[Quart]) -> None:
    app = started(app_class, SQLAlchemy(add_models_to_shell=False))
    assert not app.shell_context_processors
    app = started(app_class, SQLAlchemy())
    assert len(app.shell_context_processors) == 1


def test_get_engine() -> None:
    with pytest.raises(AttributeError, match=r"db.engines\[key\]"):
        SQLAlchemy().get_engine  # type: ignore[attr-defined]  # noqa: B018


def test_query_class_of_a_typed_base() -> None:
    class Own(Query[Any]):
        pass

    class Base(Model, DeclarativeBase):
        pass

    SQLAlchemy(model_class=Base, query_class=Own)
    assert Base.query_class is Own and Model.query_class is Query
