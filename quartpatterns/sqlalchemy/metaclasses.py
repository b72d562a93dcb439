"""Metaclasses for ``declarative_base()`` of SQLAlchemy 1.x, with the names of Flask-SQLAlchemy.

``declarative_base(cls=Model, metaclass=DefaultMeta)`` makes a base whose models have table names
and bind keys; pass it to :class:`SQLAlchemy` as *model_class*. For new code, derive a class from
:class:`~sqlalchemy.orm.DeclarativeBase` instead.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeMeta

from quartpatterns.sqlalchemy.models import (
    camel_to_snake_case,
    choose_table,
    inherit_table,
    set_bind,
    should_set_tablename,
)

__all__ = ["BindMetaMixin", "DefaultMeta", "DefaultMetaNoName", "NameMetaMixin"]


class BindMetaMixin(type):
    """A part of :class:`DefaultMeta`: ``__bind_key__`` chooses the metadata of a model.

    .. versionadded:: 0.1
    """

    def __init__(
        cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **options: Any
    ) -> None:
        if hasattr(cls, "metadata"):
            set_bind(cls)
        super().__init__(name, bases, body, **options)


class NameMetaMixin(type):
    """A part of :class:`DefaultMeta`: the table name is the class name in snake case.

    .. versionadded:: 0.1
    """

    def __init__(
        cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **options: Any
    ) -> None:
        if should_set_tablename(cls):
            cls.__tablename__ = camel_to_snake_case(cls.__name__)
        super().__init__(name, bases, body, **options)
        inherit_table(cls)

    def __table_cls__(cls, name: str, *args: Any, **options: Any) -> sa.Table | None:
        return choose_table(cls, name, *args, **options)


class DefaultMeta(BindMetaMixin, NameMetaMixin, DeclarativeMeta):
    """The metaclass of models of SQLAlchemy 1.x, with table names and bind keys.

    .. versionadded:: 0.1
    """


class DefaultMetaNoName(BindMetaMixin, DeclarativeMeta):
    """:class:`DefaultMeta` without automatic table names.

    .. versionadded:: 0.1
    """
