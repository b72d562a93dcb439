"""Pydantic models of database models, to validate requests and responses with Quart-Schema."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from inspect import getattr_static
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import Column
from sqlalchemy.orm import Mapper

from quartpatterns._shared.extras import requires_extra

with requires_extra("ajax", needed_by="quartpatterns.sqlalchemy.schemas"):
    from pydantic import (
        BaseModel,
        ConfigDict,
        Field,
        ModelWrapValidatorHandler,
        ValidationError,
        create_model,
        model_validator,
    )
    from pydantic.fields import FieldInfo

__all__ = [
    "ChangeSchema",
    "InSchema",
    "NotLoadedError",
    "OutSchema",
    "Schema",
    "SchemaKind",
    "schema_of",
]

SchemaKind = Literal["in", "out", "change"]

M = TypeVar("M")

_OUT = ConfigDict(from_attributes=True)
_IN = ConfigDict(extra="forbid")

# Words of column names. A list is never complete, so a schema never has all columns by default.
_SECRET_WORDS = re.compile(
    r"(?:^|_)(?:pass(?:word|wd|phrase|code)?s?|pwd|secrets?|tokens?|hash(?:es|ed)?|digest|salt|"
    r"t?otp|pin|pw|credentials?|api_?keys?|cvv|ssn|"
    r"(?:private|secret|access|auth|session|recovery|backup|reset|verification|activation|"
    r"encryption|signing)_?(?:keys?|codes?))(?:_|$)"
    # As a part of a word: "passwordhash", "password2", and the tokens of Flask-Security's users.
    r"|passw(?:or)?d|passphrase|pw_?hash|secret(?!ar)|token(?!iz)|uniquifier"
)
_SECRET_TYPES = re.compile(r"encrypted|password", re.IGNORECASE)
_PRIVILEGE_WORDS = re.compile(
    r"(?:^|_)(?:admin|administrator|staff|superuser|owner|roles?|permissions?|scopes?|privileges?|"
    r"verified|confirmed|banned|balance|credits?)(?:_|$)"
)


class NotLoadedError(RuntimeError):
    """A schema reads an attribute that is not loaded, and would have to wait for the database.

    .. versionadded:: 0.1
    """


class Schema(BaseModel):
    """The common base class of :class:`OutSchema`, :class:`InSchema` and :class:`ChangeSchema`.

    .. versionadded:: 0.1
    """

    __kind__: ClassVar[SchemaKind]
    __mapped__: ClassVar[type[Any] | None] = None

    if TYPE_CHECKING:
        # The names in `fields=` are not known to type checkers. Declared fields have their types.
        def __getattr__(self, name: str) -> Any: ...

    def __init_subclass__(
        cls,
        *,
        fields: Iterable[str] | Literal["*"] = (),
        exclude: Iterable[str] = (),
        **options: Any,
    ) -> None:
        super().__init_subclass__(**options)

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        fields: Iterable[str] | Literal["*"] = (),
        exclude: Iterable[str] = (),
        **options: Any,
    ) -> None:
        super().__pydantic_init_subclass__(**options)
        arguments: tuple[Any, ...] = cls.__pydantic_generic_metadata__["args"]
        if arguments:  # OutSchema[User] itself
            cls.__mapped__ = arguments[0]
            return
        if cls.__mapped__ is None:
            if cls.__bases__ != (Schema,) and Generic not in cls.__bases__:
                name = cls.__bases__[0].__name__
                raise TypeError(f"{cls.__name__} needs a model: write {name}[TheModel]")
            return
        _complete(cls, cls.__mapped__, cls.__kind__, fields, exclude)

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        try:
            return handler(data)
        except ValidationError as error:
            names = [
                str(one["loc"][-1])
                for one in error.errors(include_url=False)
                if one["type"] == "get_attribute_error" and "MissingGreenlet" in str(one.get("ctx"))
            ]
            if not names:
                raise
            model = type(data).__name__
            raise NotLoadedError(
                f"{cls.__name__} reads {', '.join(names)} of {model}, which is not loaded: select"
                f" it with .options(selectinload({model}.{names[0]})) for a relationship or"
                f" .options(undefer({model}.{names[0]})) for a column, or use"
                f" 'await db.session.refresh(obj, {names!r})'"
            ) from error


class OutSchema(Schema, Generic[M]):
    """What a client gets of a model. Its fields are named; no other attribute gets out.

    ::

        class PhotoOut(OutSchema[Photo]):
            id: int
            title: str

        class UserOut(OutSchema[User], fields=["id", "created"]):
            name: str
            photos: list[PhotoOut]      # a relationship
            full_name: str              # a property or a hybrid property

        UserOut.model_validate(user)

    Type checkers know the declared fields. Those in *fields* have the types of their columns.
    Strings have the maximum length of the column in both cases.

    Arguments:
        fields: Names of columns, or ``"*"`` for all of them but *exclude*. A column that looks
            secret, that is deferred, or that has ``info={"secret": True}`` must then be excluded;
            ``info={"secret": False}`` says that it is public.
        exclude: The columns to leave out of ``"*"``.

    Raises:
        ValueError: There is no such attribute, or ``"*"`` includes a column that looks secret.
        TypeError: No model is given.

    .. versionadded:: 0.1
    """

    model_config = _OUT
    __kind__ = "out"


class InSchema(Schema, Generic[M]):
    """What a client may send for a new row. Other names are refused.

    ::

        class UserIn(InSchema[User], fields=["name"]):
            password: str       # no column: pass it on yourself

    A column in *fields* with a default or one that can be NULL is optional.

    Arguments:
        fields: As for :class:`OutSchema`. ``"*"`` leaves out what the database computes. Foreign
            keys, and columns that look secret or like a privilege, must be excluded or named.
        exclude: The columns to leave out of ``"*"``.

    Raises:
        ValueError: There is no such column, or ``"*"`` includes one that must be named.
        TypeError: No model is given.

    .. versionadded:: 0.1
    """

    model_config = _IN
    __kind__ = "in"


class ChangeSchema(Schema, Generic[M]):
    """What a client may send to change a row: as :class:`InSchema`, with all fields optional.

    ``None`` is refused for a column that can't be NULL. Use ``model_dump(exclude_unset=True)``.

    Arguments:
        fields: As for :class:`InSchema`.
        exclude: The columns to leave out of ``"*"``.

    Raises:
        ValueError: There is no such column, or ``"*"`` includes one that must be named.
        TypeError: No model is given.

    .. versionadded:: 0.1
    """

    model_config = _IN
    __kind__ = "change"

    @model_validator(mode="after")
    def _check_null(self) -> ChangeSchema[M]:
        columns = _columns(self.__mapped__) if self.__mapped__ else {}
        for name in self.model_fields_set & set(columns):
            if getattr(self, name) is None and not columns[name].nullable:
                raise ValueError(f"{name} must not be null")
        return self


def schema_of(
    model: type[Any],
    kind: SchemaKind,
    *,
    include: Iterable[str] | Literal["*"] | None = None,
    exclude: Iterable[str] = (),
    name: str | None = None,
) -> type[BaseModel]:
    """Return a Pydantic model with columns of *model*, for one whose names are data.

    It can't be used as an annotation; declare an :class:`OutSchema`, :class:`InSchema` or
    :class:`ChangeSchema` for that.

    Arguments:
        model: A mapped class.
        kind: ``in``, ``out`` or ``change``, as those classes.
        include: The names of attributes with a column, or ``"*"``, as *fields* of those classes.
        exclude: The names to leave out, such as that of a password hash. Without *include* it
            means all others, with the same checks.
        name: The name of the Pydantic model, which is shown in the OpenAPI document.

    Raises:
        ValueError: A name is not that of an attribute with a column; neither *include* nor
            *exclude* is given; or a column that must be named is not.

    .. versionadded:: 0.1
    """
    exclude = _listed(exclude)
    if include is None and not exclude:
        names = ", ".join(repr(one) for one in _columns(model))
        raise ValueError(
            f"A schema of {model.__name__} must name its fields, so that no secret gets out and no"
            f" privilege gets in: write include=[...] with some of {names}"
        )
    fields = _fields(model, kind, "*" if include is None else include, exclude)
    title = name or f"{model.__name__}{kind.capitalize()}"
    return create_model(title, __config__=_OUT if kind == "out" else _IN, **fields)


def _complete(
    cls: type[Schema],
    model: type[Any],
    kind: SchemaKind,
    names: Iterable[str] | Literal["*"],
    exclude: Iterable[str],
) -> None:
    """Add *names* to the declared fields of a schema, and what the columns demand to those."""
    columns = _columns(model)
    declared = cls.__pydantic_fields__
    names = names if isinstance(names, str) else list(names)
    exclude = [*_listed(exclude), *(declared if names == "*" else ())]
    for key, field in declared.items():
        if key in columns:
            _restrict(field, columns[key], kind)
        elif kind == "out" and not _has(model, key) and not field.alias:
            raise ValueError(f"{model.__name__} has no attribute {key!r}, see {cls.__name__}")
    for key, (type_, default) in _fields(
        model, kind, names, [one for one in exclude if one in columns or one not in declared]
    ).items():
        if key not in declared:
            # The public way to add fields to a class is a new class, which type checkers, pickle
            # and the OpenAPI document would not know.
            declared[key] = FieldInfo.from_annotated_attribute(type_, default)
            cls.__annotations__[key] = type_
    if not declared:
        raise ValueError(
            f"{cls.__name__} has no fields: declare them in the class, or name columns in fields=[]"
        )
    cls.model_rebuild(force=True, raise_errors=False)


def _listed(exclude: Iterable[str]) -> list[str]:
    if isinstance(exclude, str):
        raise ValueError(f"Name the columns to exclude in a list: [{exclude!r}]")
    return list(exclude)


def _has(model: type[Any], name: str) -> bool:
    try:
        getattr_static(model, name)  # A hybrid property would be called, to make SQL.
    except AttributeError:
        return False
    return True


def _restrict(field: FieldInfo, column: Column[Any], kind: SchemaKind) -> None:
    if kind == "change" and field.is_required():
        field.default = None
    limits = getattr(_type(column), "__metadata__", ())
    if limits and not any(hasattr(one, "max_length") for one in field.metadata):
        field.metadata += limits[0].metadata


def _fields(
    model: type[Any],
    kind: SchemaKind,
    include: Iterable[str] | Literal["*"],
    exclude: Iterable[str],
) -> dict[str, Any]:
    columns = _columns(model)
    everything = include == "*"
    if isinstance(include, str) and not everything:
        raise ValueError(f"Name the fields in a list, [{include!r}], or write '*' for all")
    left_out = set(exclude)
    names = list(columns) if everything else list(include)
    if unknown := {*names, *left_out} - set(columns):
        raise ValueError(f"{model.__name__} has no column {', '.join(sorted(unknown))}")
    names = [key for key in names if key not in left_out]
    if everything:
        if kind != "out":
            names = [key for key in names if not _is_computed(columns[key])]
        _check_all(model, kind, names, columns)
    return {key: _field(columns[key], kind) for key in names}


def _check_all(
    model: type[Any], kind: SchemaKind, names: Collection[str], columns: dict[str, Column[Any]]
) -> None:
    """Raise an error if one of *names*, which nobody has written, must be written."""
    mapper = cast("Mapper[Any]", sa.inspect(model))
    reasons = {key: _reason(key, columns[key], mapper, kind) for key in names}
    if found := {key: reason for key, reason in reasons.items() if reason}:
        text = ", ".join(f"{key} ({reason})" for key, reason in found.items())
        raise ValueError(
            f"'*' does not cover these columns of {model.__name__}: {text}. Leave them out with"
            f" exclude={list(found)!r}, or write the names of all fields. A column with"
            ' info={"secret": False} is not secret.'
        )


def _reason(key: str, column: Column[Any], mapper: Mapper[Any], kind: SchemaKind) -> str | None:
    """Return why a column must be named, or None."""
    secret: bool | None = column.info.get("secret")
    if secret is None and mapper.column_attrs[key].deferred:
        return "deferred"
    if secret is None:
        secret = any(map(_looks_secret, (key, column.name))) or bool(
            _SECRET_TYPES.search(type(column.type).__name__)
        )
    if secret:
        return "secret"
    if kind == "out":
        return None
    if column.foreign_keys:
        return "a foreign key"
    return "a privilege" if _PRIVILEGE_WORDS.search(_words(key)) else None


def _looks_secret(name: str) -> bool:
    return bool(_SECRET_WORDS.search(_words(name)))


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _columns(model: type[Any]) -> dict[str, Column[Any]]:
    attributes: Any = cast("Mapper[Any]", sa.inspect(model)).column_attrs
    return {
        attribute.key: attribute.columns[0]
        for attribute in attributes
        if isinstance(attribute.columns[0], Column)
    }


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
