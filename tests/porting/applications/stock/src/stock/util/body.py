"""The body of the request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import request

from ..errors import Problem


def body() -> dict[str, Any]:
    data = request.get_json(silent=True)
    return data if isinstance(data, dict) else request.form.to_dict()


def field(name: str, convert: Callable[[Any], Any] = str, *, optional: bool = False) -> Any:
    """Return a converted value of the body."""
    values = body()
    if name not in values:
        if optional:
            return None
        raise Problem(f"{name} is missing", fields=sorted(values))
    try:
        return convert(values[name])
    except ValueError as error:
        raise Problem(f"{name}: {error}") from error


def fields(*names: str, **converted: Callable[[Any], Any]) -> Iterator[tuple[str, Any]]:
    for name in names:
        yield name, field(name)
    for name, convert in converted.items():
        yield name, field(name, convert)


class Body:
    """The body as an object: ``Body()["name"]`` and ``Body().name``."""

    _data: dict[str, Any] | None = None

    @property
    def data(self) -> dict[str, Any]:
        if self._data is None:
            self._data = body()
        return self._data

    def get(self, name: str, default: Any = None) -> Any:
        return self.data.get(name, default)

    def only(self, *names: str) -> dict[str, Any]:
        return {name: self.data[name] for name in names if name in self.data}
