from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from quart import Quart

from quartpatterns.compare.applications import ApplicationLoadError, interface, load_application

MODULE = """
from flask import Flask, request
app = Flask("one")
number = 17
def create_app(name="made", config=None):
    made = Flask(str(name))
    return made
def needs(name):
    return Flask(name)
def broken():
    raise ValueError("no database")
async def later():
    return app
def bare(environ, start_response):
    start_response("200 OK", [])
    return [b""]
class Holder:
    app = app
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module in the current folder; the test imports it anew."""
    (tmp_path / "shop.py").write_text(MODULE)
    (tmp_path / "syntax.py").write_text("def")
    (tmp_path / "needy.py").write_text("import not_there_at_all")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in ("shop", "syntax", "needy"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "import_name"),
    [
        pytest.param("shop", "one", id="usual name"),
        pytest.param("shop:app", "one", id="application"),
        pytest.param("shop:Holder.app", "one", id="attribute"),
        pytest.param("shop:create_app", "made", id="factory"),
        pytest.param("shop:create_app()", "made", id="call"),
        pytest.param("shop:create_app('x')", "x", id="argument"),
        pytest.param("shop:create_app(name='y')", "y", id="keyword"),
        pytest.param("shop:needs('z')", "z", id="required argument"),
    ],
)
def test_load(name: str, import_name: str) -> None:
    app: Any = load_application(name)
    assert app.import_name == import_name


def test_load_with_a_config() -> None:
    """The configuration is the only argument of the factory."""
    app: Any = load_application("shop:create_app", {"a": 1})
    assert app.import_name == "{'a': 1}"


def test_a_function_that_needs_arguments_is_an_application() -> None:
    assert load_application("shop:bare").__name__ == "bare"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "shopp", "no module 'shopp'; this folder has needy, shop, syntax", id="module"
        ),
        pytest.param(
            "shop:ap", "has no 'ap'; it has app, create_app, needs, broken, later, bare", id="name"
        ),
        pytest.param("shop:number", "is not an application but int 17", id="not an application"),
        pytest.param(
            "shop:broken", "shop:broken failed: ValueError: no database", id="factory fails"
        ),
        pytest.param("shop:later", "async factory", id="async factory"),
        pytest.param("shop:create_app(x)", "is not MODULE:APP", id="not a literal"),
        pytest.param("shop:1", "is not MODULE:APP", id="not a name"),
        pytest.param("syntax:app", "importing 'syntax' failed: SyntaxError", id="syntax"),
        pytest.param(
            "needy:app", "needs 'not_there_at_all', which is not installed", id="dependency"
        ),
    ],
)
def test_errors(name: str, message: str) -> None:
    """The message says what was found instead."""
    with pytest.raises(ApplicationLoadError) as raised:
        load_application(name)
    assert message in str(raised.value)


def test_interface() -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None: ...

    assert interface(Flask("x")) == "wsgi"
    assert interface(load_application("shop:bare")) == "wsgi"
    assert interface(Quart("x")) == "asgi"
    assert interface(bare) == "asgi"
