"""The base class of models: table names, bind keys, a short ``repr``, awaitable attributes."""

from __future__ import annotations

import re
from types import new_class
from typing import TYPE_CHECKING, Any, ClassVar, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, DeclarativeBaseNoMeta, declared_attr

from quartpatterns.sqlalchemy.sessions import BIND_KEY

__all__ = ["Model", "bound_metadata", "make_model", "snake_case"]

_BASES = (DeclarativeBase, DeclarativeBaseNoMeta)


def snake_case(name: str) -> str:
    """Return the table name of a class: ``UserGroup`` gives ``user_group``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?!^)(?=[A-Z][a-z])", "_", name)
    return words.lower().lstrip("_")


def bound_metadata(metadata: sa.MetaData, key: str | None) -> sa.MetaData:
    """Return the metadata of the tables of the same models with a bind *key*, or without one."""
    metadatas: dict[str | None, sa.MetaData]
    metadatas = metadata.info.setdefault("binds", {metadata.info.get(BIND_KEY): metadata})
    if key not in metadatas:
        info = {BIND_KEY: key, "binds": metadatas}
        metadatas[key] = sa.MetaData(naming_convention=metadata.naming_convention, info=info)
    return metadatas[key]


class Model(AsyncAttrs):
    """A mixin for declarative bases, with what Flask-SQLAlchemy's ``Model`` adds to them.

    ``class Base(Model, DeclarativeBase)`` makes a base that type checkers understand; pass it to
    :class:`~quartpatterns.sqlalchemy.SQLAlchemy` as *model_class*. Without one, ``db.Model`` is
    made of this class.

    * The table name of a class is by default its own name in snake case. A class without a primary
      key shares the table of its parent.
    * ``__bind_key__`` is the key of its database in ``SQLALCHEMY_BINDS``.
    * ``await user.awaitable_attrs.posts`` loads a lazy relationship. Reading the attribute would
      be I/O without an ``await``, and raises an error.

    .. versionadded:: 0.1
    """

    if TYPE_CHECKING:
        metadata: ClassVar[sa.MetaData]
        __table__: ClassVar[Any]
        __tablename__: Any
        __bind_key__: ClassVar[str | None]

    def __init_subclass__(cls, **options: Any) -> None:
        if "metadata" not in cls.__dict__ and hasattr(cls, "__bind_key__"):
            cls.metadata = bound_metadata(cls.metadata, cls.__bind_key__)
        if _needs_table_name(cls):
            cls.__tablename__ = snake_case(cls.__name__)
        super().__init_subclass__(**options)
        if cls.__dict__.get("__table__", cls) is None:
            del cls.__table__  # The class inherits the table of its parent.

    @classmethod
    def __table_cls__(cls, name: str, *args: Any, **options: Any) -> sa.Table | None:
        """Return the table of a class, or None if it shares that of its parent.

        SQLAlchemy calls it when the columns are known.
        """
        parent = any("__table__" in base.__dict__ for base in cls.__mro__[1:])
        key = ".".join(part for part in (options.get("schema"), name) if part)
        if not parent or key in cls.metadata.tables or any(map(_is_primary_key, args)):
            return sa.Table(name, *args, **options)
        if "__tablename__" in cls.__dict__:
            del cls.__tablename__
        return None

    def __repr__(self) -> str:
        state = sa.inspect(self)
        key = ", ".join(map(str, state.identity or ())) or f"(not stored, at {id(self):#x})"
        return f"<{type(self).__name__} {key}>"


def _is_primary_key(item: object) -> bool:
    if isinstance(item, sa.Column):
        return item.primary_key
    return isinstance(item, sa.PrimaryKeyConstraint)


def _needs_table_name(cls: type) -> bool:
    if cls.__dict__.get("__abstract__") or not issubclass(cls, _BASES):
        return False
    if any(base in _BASES for base in cls.__bases__):
        return False
    for base in cls.__mro__:
        if "__tablename__" in base.__dict__:
            mapped = issubclass(base, _BASES) and not base.__dict__.get("__abstract__")
            computed = isinstance(base.__dict__["__tablename__"], declared_attr)
            # The name of a parent is the parent's; that of a mixin or abstract class is inherited.
            return mapped and base is not cls and not computed
    return True


def make_model(base: type[Any], metadata: sa.MetaData | None = None) -> type[DeclarativeBase]:
    """Return the class ``db.Model``; the arguments are those of :class:`SQLAlchemy`."""
    if not issubclass(base, _BASES):
        names: dict[str, Any] = {} if metadata is None else {"metadata": metadata}
        mixins = (base,) if issubclass(base, Model) else (base, Model)
        return _make_class((*mixins, DeclarativeBase), names)
    if metadata is not None:
        raise ValueError(
            "a declarative base has its own metadata: write `metadata = ...` in its body"
        )
    if issubclass(base, Model):
        return cast("type[DeclarativeBase]", base)
    own = {} if base.__repr__ is object.__repr__ else {"__repr__": base.__repr__}
    return _make_class((Model, base), {"__abstract__": True, **own})


def _make_class(bases: tuple[type, ...], names: dict[str, Any]) -> type[DeclarativeBase]:
    made = new_class("Model", bases, exec_body=lambda body: body.update(names))
    return cast("type[DeclarativeBase]", made)
