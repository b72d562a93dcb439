"""The base class of models: table names, bind keys, a short ``repr``, awaitable attributes."""

from __future__ import annotations

import re
from types import new_class
from typing import TYPE_CHECKING, Any, ClassVar, cast

import sqlalchemy as sa
from sqlalchemy import event, orm
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, DeclarativeBaseNoMeta, declared_attr

from quartpatterns.sqlalchemy.legacy_query import Query, QueryProperty
from quartpatterns.sqlalchemy.sessions import BIND_KEY

__all__ = [
    "Model",
    "bound_metadata",
    "choose_table",
    "inherit_table",
    "make_model",
    "should_set_tablename",
    "set_bind",
    "camel_to_snake_case",
]

BIND_NAME = "__bind_key__"

_BASES = (DeclarativeBase, DeclarativeBaseNoMeta)


def camel_to_snake_case(name: str) -> str:
    """Return the table name of a class: ``UserGroup`` gives ``user_group``.

    .. versionadded:: 0.1

    Arguments:
        name: The name of the class.
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?!^)(?=[A-Z][a-z])", "_", name)
    return words.lower().lstrip("_")


def bound_metadata(metadata: sa.MetaData, key: str | None) -> sa.MetaData:
    """Return the metadata of the tables of the same models with a bind *key*, or without one."""
    metadatas: dict[str | None, sa.MetaData]
    metadata.info.setdefault(BIND_KEY, None)
    metadatas = metadata.info.setdefault("binds", {metadata.info[BIND_KEY]: metadata})
    if key not in metadatas:
        info = {BIND_KEY: key, "binds": metadatas}
        metadatas[key] = sa.MetaData(naming_convention=metadata.naming_convention, info=info)
    return metadatas[key]


def set_bind(cls: Any) -> None:
    """Give a class the metadata of its ``__bind_key__``, unless it has metadata or a table."""
    if "metadata" in cls.__dict__ or "__table__" in cls.__dict__ or not hasattr(cls, BIND_NAME):
        return
    metadata = bound_metadata(cls.metadata, cls.__bind_key__)
    if metadata is not cls.metadata:
        cls.metadata = metadata


def inherit_table(cls: Any) -> None:
    """Let a class inherit the table of its parent, if :func:`choose_table` has found none."""
    if cls.__dict__.get("__table__", cls) is None:
        del cls.__table__


def choose_table(cls: Any, name: str, *args: Any, **options: Any) -> sa.Table | None:
    """Return the table of a class, or None if it shares that of its parent."""
    parent = any("__table__" in base.__dict__ for base in cls.__mro__[1:])
    key = ".".join(part for part in (options.get("schema"), name) if part)
    if not parent or key in cls.metadata.tables or any(map(_is_primary_key, args)):
        return sa.Table(name, *args, **options)
    if "__tablename__" in cls.__dict__:
        del cls.__tablename__
    return None


class Model(AsyncAttrs):
    """A mixin for declarative bases, with what Flask-SQLAlchemy's ``Model`` adds to them.

    ``class Base(Model, DeclarativeBase)`` makes a base that type checkers understand; pass it to
    :class:`~quartpatterns.sqlalchemy.SQLAlchemy` as *model_class*. Without one, ``db.Model`` is
    made of this class.

    * The table name of a class is by default its own name in snake case. A class without a primary
      key shares the table of its parent. With ``__autonaming__ = False``, or
      ``SQLAlchemy(disable_autonaming=True)``, each class sets ``__tablename__`` itself.
    * ``__bind_key__`` is the key of its database in ``SQLALCHEMY_BINDS``.
    * ``await User.query.filter_by(name="x").first()`` is the query of SQLAlchemy 1.x, of the class
      ``query_class``.
    * ``await user.awaitable_attrs.posts`` loads a lazy relationship. Reading the attribute would
      be I/O without an ``await``, and raises an error.

    .. versionadded:: 0.1
    """

    if TYPE_CHECKING:
        metadata: ClassVar[sa.MetaData]
        __table__: ClassVar[Any]
        __tablename__: Any
        __bind_key__: ClassVar[str | None]
        query: ClassVar[Query[Any]]

    else:
        query = QueryProperty()

    __autonaming__: ClassVar[bool] = True
    query_class: ClassVar[type[Query[Any]]] = Query

    def __init_subclass__(cls, **options: Any) -> None:
        if isinstance(cls, orm.DeclarativeMeta):
            super().__init_subclass__(**options)  # Its metaclass does the rest.
            return
        set_bind(cls)
        if should_set_tablename(cls):
            cls.__tablename__ = camel_to_snake_case(cls.__name__)
        super().__init_subclass__(**options)
        inherit_table(cls)

    @classmethod
    def __table_cls__(cls, name: str, *args: Any, **options: Any) -> sa.Table | None:
        """Return the table of a class; SQLAlchemy calls it when the columns are known."""
        return choose_table(cls, name, *args, **options)

    def __repr__(self) -> str:
        state = sa.inspect(self)
        if state.transient or state.pending:
            key = f"({'transient' if state.transient else 'pending'} {id(self)})"
        else:
            key = ", ".join(map(str, state.identity or ()))
        return f"<{type(self).__name__} {key}>"


def _fetch_computed_values(mapper: orm.Mapper[Any], cls: type) -> None:
    """Let an UPDATE return what the database computes, such as ``onupdate=func.now()``.

    Otherwise SQLAlchemy loads it when it is used, which would need ``await``.
    """
    if mapper.eager_defaults == "auto":
        mapper.eager_defaults = True


event.listen(Model, "after_mapper_constructed", _fetch_computed_values, propagate=True)


def _is_primary_key(item: object) -> bool:
    if isinstance(item, sa.Column):
        return item.primary_key
    return isinstance(item, sa.PrimaryKeyConstraint)


def should_set_tablename(cls: Any) -> bool:
    """Return whether the name of a class becomes the name of its table.

    .. versionadded:: 0.1
    """
    if cls.__dict__.get("__abstract__") or not getattr(cls, "__autonaming__", True):
        return False
    if any(base in _BASES for base in cls.__bases__):
        return False
    if not any(map(_is_declarative, cls.__mro__[1:])):
        return False
    for base in cls.__mro__:
        if "__tablename__" in base.__dict__:
            mapped = _is_declarative(base) and not base.__dict__.get("__abstract__")
            computed = isinstance(base.__dict__["__tablename__"], declared_attr)
            # The name of a parent is the parent's; that of a mixin or abstract class is inherited.
            return mapped and base is not cls and not computed
    return True


def _is_declarative(cls: type) -> bool:
    return issubclass(cls, _BASES) or isinstance(cls, orm.DeclarativeMeta)


def make_model(
    base: type[Any],
    metadata: sa.MetaData | None = None,
    *,
    autonaming: bool = True,
    query_class: type[Query[Any]] = Query,
) -> type[DeclarativeBase]:
    """Return the class ``db.Model``; the arguments are those of :class:`SQLAlchemy`."""
    found = [parent for parent in base.__bases__ if parent in _BASES]
    if len(found) > 1:
        raise ValueError(
            f"{base.__name__} has two declarative bases: choose DeclarativeBase or"
            " DeclarativeBaseNoMeta"
        )
    names: dict[str, Any] = {"query_class": query_class}
    if not autonaming:
        names["__autonaming__"] = False
    if isinstance(base, orm.DeclarativeMeta):
        model: Any = base
        if metadata is not None:
            model.metadata = metadata
        for name, value in {**names, "query": QueryProperty()}.items():
            setattr(model, name, value)
        return cast("type[DeclarativeBase]", model)
    if not issubclass(base, _BASES):
        if metadata is not None:
            names["metadata"] = metadata
        mixins = (base,) if issubclass(base, Model) else (base, Model)
        return _make_class((*mixins, DeclarativeBase), names)
    if metadata is not None:
        raise ValueError(
            "a declarative base has its own metadata: write `metadata = ...` in its body"
        )
    if issubclass(base, Model):
        if query_class is not Query:
            base.query_class = query_class
        if not autonaming:
            base.__autonaming__ = False
        return cast("type[DeclarativeBase]", base)
    if base.__repr__ is not object.__repr__:
        names["__repr__"] = base.__repr__
    return _make_class((Model, base), {"__abstract__": True, **names})


def _make_class(bases: tuple[type, ...], names: dict[str, Any]) -> type[DeclarativeBase]:
    made = new_class("Model", bases, exec_body=lambda body: body.update(names))
    return cast("type[DeclarativeBase]", made)
