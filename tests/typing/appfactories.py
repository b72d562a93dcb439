"""What the configuration and the set-up functions return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_type

from quart import Blueprint, Quart

from quartpatterns.appfactories import ConfigError, Setting, Source, configure, on_setup, sources

admin = Blueprint("admin", __name__)


@on_setup(admin)
def set_up(app: Quart) -> None: ...


@on_setup(admin)
async def connect(app: Quart) -> None: ...


async def keeps_the_functions(app: Quart) -> None:
    assert_type(set_up(app), None)
    assert_type(await connect(app), None)
    set_up("app")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def returns_sources(app: Quart) -> None:
    defaults = {"SITE": "x", "PROXY": Setting(str | None, None)}
    assert_type(configure(app, defaults), Mapping[str, Source])
    assert_type(sources(app)["SITE"].place, str)


def names_problems(error: ConfigError) -> None:
    assert_type(error.problems, tuple[str, ...])
