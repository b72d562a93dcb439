"""Values of documents: what the database returns in place of them, and validating them again."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from bson import Decimal128, Regex
from pydantic import AliasChoices, BaseModel, RootModel, ValidationError

from quartpatterns.mongodb.errors import DocumentInvalid

__all__ = ["read_bson", "revalidate"]

M = TypeVar("M", bound=BaseModel)
Types = frozenset[Any]

# beanie stores these types, but pydantic does not accept what the database returns for them.
_STORED_AS: Mapping[type[Any], tuple[type[Any], Callable[[Any], Any]]] = {
    Decimal128: (Decimal, Decimal128.to_decimal),
    Regex: (re.Pattern, cast("Any", Regex).try_compile),
}
_READ_AS: set[type[Any]] = {Decimal, re.Pattern}

_fields: WeakKeyDictionary[Any, dict[str, Types]] = WeakKeyDictionary()
_convertible: WeakKeyDictionary[Any, dict[str, Types]] = WeakKeyDictionary()


def read_bson(model: type[BaseModel], fields: Any) -> Any:
    """Return *fields* of the database with ``Decimal`` and ``Pattern`` where *model* expects them.

    A field that is annotated with the type of BSON, such as ``Decimal128``, keeps its value.

    Arguments:
        model: The class of the document. Its embedded models are read as well.
        fields: The fields by name or alias. Anything but a dictionary is returned unchanged.
    """
    if not (types := _convertible_fields(model)) or not issubclass(type(fields), dict):
        return fields
    return _read_fields(fields, types, frozenset())


def revalidate(model: M) -> M:
    """Return a copy of *model*, made of its values as if they were set for the first time.

    The values are not serialized before, so that serializers and excluded fields change nothing.
    An embedded model is validated by its own class.

    Raises:
        DocumentInvalid: A value is not valid for its field.
    """
    return _revalidate(model, ())


def _revalidate(model: M, path: tuple[str, ...]) -> M:
    values: Any = {
        name: _revalidate_value(value, (*path, name)) for name, value in BaseModel.__iter__(model)
    }
    if issubclass(type(model), RootModel):
        values = values["root"]
    try:
        return type(model).model_validate(values, by_alias=True, by_name=True)
    except ValidationError as error:
        raise DocumentInvalid(error, path) from error


def _revalidate_value(value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, BaseModel):
        return _revalidate(value, path)
    if issubclass(type(value), dict):
        return {key: _revalidate_value(one, (*path, str(key))) for key, one in value.items()}
    if issubclass(type(value), list):
        return [_revalidate_value(one, (*path, str(i))) for i, one in enumerate(value)]
    return value


def _read(value: Any, types: Types) -> Any:
    """Return *value* read as one of *types*; containers are copied only if they change."""
    kind = cast("type[object]", type(value))
    if (found := _STORED_AS.get(kind)) is not None:
        target, convert = found
        return convert(value) if target in types and kind not in types else value
    if issubclass(type(value), dict):
        by_name: dict[str, Types] = {}
        for model in types:
            for name, own in _field_types(model).items():
                by_name[name] = by_name.get(name, frozenset()) | own
        return _read_fields(value, by_name, types)
    if issubclass(type(value), list):
        read = [_read(one, types) for one in value]
        return value if all(a is b for a, b in zip(value, read, strict=True)) else read
    return value


def _read_fields(
    fields: dict[str, Any], types: Mapping[str, Types], otherwise: Types
) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for name, value in fields.items():
        if (own := types.get(name, otherwise)) and (read := _read(value, own)) is not value:
            changed[name] = read
    return {**fields, **changed} if changed else fields


def _convertible_fields(model: type[Any]) -> dict[str, Types]:
    """Return the types of each field if one of them may have to be read, else nothing."""
    if (found := _convertible.get(model)) is None:
        found = _field_types(model)
        if not any(_mentions(types, set()) for types in found.values()):
            found = {}
        _convertible[model] = found
    return found


def _field_types(model: Any) -> dict[str, Types]:
    """Return the types in the annotation of each field, by the names and aliases of the field."""
    if not isinstance(model, type):
        return {}
    if (found := _fields.get(model)) is None:
        _fields[model] = found = {
            name: types
            for names, annotation in _annotated_fields(model)
            if (types := frozenset(_leaves(annotation)))
            for name in names
        }
    return found


def _mentions(types: Types, seen: set[Any]) -> bool:
    """Return whether one of *types*, or a field of one, has to be read."""
    if types & _READ_AS:
        return True
    for one in types - seen:
        seen.add(one)
        fields = _field_types(one)
        if any(_mentions(own, seen) for own in fields.values()):
            return True
    return False


def _annotated_fields(model: type[Any]) -> Iterator[tuple[set[str], Any]]:
    if issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            aliases: list[Any] = [field.alias, field.validation_alias]
            if isinstance(field.validation_alias, AliasChoices):
                aliases += field.validation_alias.choices
            yield {name, *(one for one in aliases if isinstance(one, str))}, field.annotation
    elif hasattr(model, "__required_keys__"):  # a TypedDict, also that of typing_extensions
        for name, annotation in typing.get_type_hints(model).items():
            yield {name}, annotation


def _leaves(annotation: Any) -> Iterator[Any]:
    """Yield the classes in an annotation: ``Decimal`` and ``list`` for ``list[Decimal] | None``."""
    if hasattr(annotation, "__value__"):  # type Price = Decimal
        yield from _leaves(annotation.__value__)
    elif (origin := typing.get_origin(annotation)) is not None:
        yield from _leaves(origin)
        if origin is not typing.Literal:
            for argument in typing.get_args(annotation):
                yield from _leaves(argument)
    elif isinstance(annotation, type) and issubclass(annotation, RootModel):
        yield from _leaves(cast("Any", annotation).model_fields["root"].annotation)
    elif isinstance(annotation, type):
        yield annotation
