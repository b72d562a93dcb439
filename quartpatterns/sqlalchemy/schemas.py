"""Pydantic models of database models, to validate requests and responses with Quart-Schema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy import Column
from sqlalchemy.orm import Mapper

from quartpatterns._shared.extras import requires_extra

with requires_extra("ajax", "pydantic", needed_by="quartpatterns.sqlalchemy.schemas"):
    from pydantic import BaseModel, ConfigDict, Field, create_model

__all__ = ["SchemaKind", "schema_of"]

SchemaKind = Literal["in", "out", "change"]

_OUT = ConfigDict(from_attributes=True)
_IN = ConfigDict(extra="forbid")


def schema_of(
    model: type[Any],
    kind: SchemaKind,
    *,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    name: str | None = None,
) -> type[BaseModel]:
    """Return a Pydantic model with the columns of *model*.

    ::

        UserIn, UserOut = schema_of(User, "in"), schema_of(User, "out")

        @app.post("/users")
        @validate_request(UserIn)
        @validate_response(UserOut, 201)
        async def create_user(data: BaseModel) -> tuple[BaseModel, int]:
            db.session.add(user := User(**data.model_dump()))
            await db.session.commit()
            return UserOut.model_validate(user), 201

    Types, NULL and the maximum lengths of strings are those of the columns.

    Arguments:
        model: A mapped class.
        kind: ``in`` is for a new row: columns that the database computes are left out, columns
            with a default are optional, and unknown names are refused. ``change`` is the same with
            all optional, for ``model_dump(exclude_unset=True)``. ``out`` has all columns, and
            ``model_validate()`` reads them from an object.
        include: The names of attributes; all by default.
        exclude: The names to leave out, such as that of a password hash.
        name: The name of the Pydantic model, which is shown in the OpenAPI document.

    Raises:
        ValueError: A name is not that of an attribute with a column.

    .. versionadded:: 0.1
    """
    attributes: Any = cast("Mapper[Any]", sa.inspect(model)).column_attrs
    columns: dict[str, Column[Any]] = {
        attribute.key: attribute.columns[0]
        for attribute in attributes
        if isinstance(attribute.columns[0], Column)
    }
    names = list(columns) if include is None else list(include)
    if unknown := {*names, *exclude} - set(columns):
        raise ValueError(f"{model.__name__} has no column {', '.join(sorted(unknown))}")
    fields: dict[str, Any] = {
        key: _field(columns[key], kind)
        for key in names
        if key not in set(exclude) and (kind == "out" or include or not _is_computed(columns[key]))
    }
    title = name or f"{model.__name__}{kind.capitalize()}"
    return create_model(title, __config__=_OUT if kind == "out" else _IN, **fields)


def _field(column: Column[Any], kind: SchemaKind) -> tuple[Any, Any]:
    type_ = _type(column)
    if column.nullable:
        type_ = type_ | None
    if kind == "out" or (kind == "in" and not _has_default(column)):
        return type_, ...
    return type_, None


def _type(column: Column[Any]) -> Any:
    try:
        type_: Any = column.type.python_type
    except NotImplementedError:
        return Any
    length = getattr(column.type, "length", None)
    if type_ is str and length and not isinstance(column.type, sa.Enum):
        return Annotated[str, Field(max_length=length)]
    return type_


def _has_default(column: Column[Any]) -> bool:
    return column.nullable or column.default is not None or column.server_default is not None


def _is_computed(column: Column[Any]) -> bool:
    """Return whether the database computes the value, as for an automatic primary key."""
    return column is column.table.autoincrement_column or column.computed is not None
