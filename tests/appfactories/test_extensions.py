from __future__ import annotations

from typing import Any

import pytest
from quart import Quart

from quartpatterns.appfactories import init_extensions


class Extension:
    """An extension that notes the application."""

    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls

    def init_app(self, app: Quart) -> None:
        self.calls.append((self, app))


class Asynchronous:
    """An extension that must be awaited."""

    async def init_app(self, app: Quart) -> None: ...


def test_order(app_class: type[Quart]) -> None:
    """Each extension is connected once, in the order of the arguments."""
    app, calls = app_class(__name__), []  # type: ignore[var-annotated]
    first, second = Extension(calls), Extension(calls)
    init_extensions(app, second, first)
    assert calls == [(second, app), (first, app)]
    init_extensions(app)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Extension, r"Extension is a class: pass an object, Extension\(\)"),
        ("db", "type str has no method init_app"),
        (None, "type NoneType has no method init_app"),
    ],
)
def test_no_extension(wrong: Any, message: str) -> None:
    """Something without init_app is an error, and no extension is connected."""
    calls: list[Any] = []
    with pytest.raises(TypeError, match=message):
        init_extensions(Quart(__name__), Extension(calls), wrong)
    assert calls == []


def test_asynchronous() -> None:
    """An asynchronous init_app is an error that says where to await it."""
    with pytest.raises(
        TypeError,
        match="Asynchronous is asynchronous: await it",
    ):
        init_extensions(Quart(__name__), Asynchronous())
