"""Pydantic models made of database models, for Quart-Schema: what comes in and what goes out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy import Column
from sqlalchemy.orm import Mapper

try:
    from pydantic import BaseModel, ConfigDict, Field, create_model
except ModuleNotFoundError as missing:
    raise ImportError(
        f"quartpatterns.sqlalchemy.schemas needs {missing.name}: pip install"
        " 'quartpatterns[ajax]', or pip install pydantic",
        name=missing.name,
    ) from missing

__all__ = ["Way", "schema_of"]

Way = Literal["in", "out", "change"]

_OUT = ConfigDict(from_attributes=True)
_IN = ConfigDict(extra="forbid")


def schema_of(
    model: type[Any],
    way: Way,
    *,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    name: str | None = None,
) -> type[BaseModel]:
    """A Pydantic model with the columns of *model*, which keeps what the table demands.

    ::

        UserIn, UserOut = schema_of(User, "in"), schema_of(User, "out")

        @app.post("/users")
        @validate_request(UserIn)
        @validate_response(UserOut, 201)
        async def create_user(data: BaseModel) -> tuple[BaseModel, int]:
            db.session.add(user := User(**data.model_dump()))
            await db.session.commit()
            return UserOut.model_validate(user), 201

    Types, NULL and the lengths of texts are those of the columns.

    Arguments:
        model: A mapped class.
        way: ``in`` is a new row: without keys that the database makes, and what has a default
            may be left out; unknown names are refused. ``change`` is the same with nothing
            required, for ``model_dump(exclude_unset=True)``. ``out`` has all columns, and is
            made of an object by ``model_validate()``.
        include: The names of attributes; all, where none are named.
        exclude: Those to leave out, such as a hash of a password.
        name: Of the model that is made, and so in the OpenAPI document.

    Raises:
        ValueError: A name is no attribute with a column.
    """
    attributes: Any = cast("Mapper[Any]", sa.inspect(model)).column_attrs
    columns: dict[str, Column[Any]] = {
        attribute.key: attribute.columns[0]
        for attribute in attributes
        if isinstance(attribute.columns[0], Column)
    }
    wanted = list(columns) if include is None else list(include)
    if unknown := {*wanted, *exclude} - set(columns):
        raise ValueError(f"{model.__name__} has no column {', '.join(sorted(unknown))}")
    fields: dict[str, Any] = {
        key: _field(columns[key], way)
        for key in wanted
        if key not in set(exclude) and (way == "out" or include or not _made(columns[key]))
    }
    title = name or f"{model.__name__}{way.capitalize()}"
    return create_model(title, __config__=_OUT if way == "out" else _IN, **fields)


def _field(column: Column[Any], way: Way) -> tuple[Any, Any]:
    kind = _type(column)
    if column.nullable:
        kind = kind | None
    if way == "out" or (way == "in" and not _has_default(column)):
        return kind, ...
    return kind, None


def _type(column: Column[Any]) -> Any:
    try:
        kind: Any = column.type.python_type
    except NotImplementedError:  # a type that doesn't say
        return Any
    length = getattr(column.type, "length", None)
    if kind is str and length and not isinstance(column.type, sa.Enum):
        return Annotated[str, Field(max_length=length)]
    return kind


def _has_default(column: Column[Any]) -> bool:
    return column.nullable or column.default is not None or column.server_default is not None


def _made(column: Column[Any]) -> bool:
    """Whether the database makes the value: an automatic key, or a computed column."""
    return column is column.table.autoincrement_column or column.computed is not None
