"""The public names of Flask: each that is missing here or differs is declared with its reason."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner

from quartpatterns.cli import main
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.example import api_names
from quartpatterns.subclassing.names import helpers


def test_declared() -> None:
    """Every difference is declared, and every declaration is true.

    The message names what to add to or remove from ``api_names.DECLARED``.
    """
    undeclared, stale = api_names.check()
    assert not undeclared
    assert not stale


def test_declared_once() -> None:
    """No difference is declared twice, and each has a reason."""
    declared = [
        (declaration.kind, owner, name)
        for declaration in api_names.DECLARED
        for owner, names in declaration.names.items()
        for name in names.split()
    ]
    assert len(declared) == len(set(declared))
    assert all(len(declaration.reason) > 10 for declaration in api_names.DECLARED)


def test_changes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new difference is undeclared, and a difference that is gone is stale."""

    def no_code(location: str, Response: Any = None) -> None:  # noqa: N803
        pass

    def log_exception(self: Any, exc_info: Any) -> None:
        pass

    monkeypatch.setattr(helpers, "redirect", no_code)
    monkeypatch.delattr(helpers, "url_for")
    monkeypatch.setattr(FaithfulQuart, "log_exception", log_exception)
    undeclared, stale = api_names.check()
    assert [(each.owner, each.name, each.kind) for each in undeclared] == [
        ("flask.helpers", "redirect", "parameters"),
        ("flask.helpers", "url_for", "missing"),
    ]
    assert stale == [("Flask", "log_exception", "parameters")]


def test_command() -> None:
    """The command prints the table, or JSON, and refuses another pattern."""
    runner = CliRunner()
    text = runner.invoke(main, ["parity", "subclassing", "--names"]).output
    assert "| Request | `json` | awaited |" in text
    assert "not declared" not in text
    data = json.loads(runner.invoke(main, ["parity", "subclassing", "--names", "--json"]).output)
    assert len(data) == len(list(api_names.compare()))
    assert all(each["reason"] for each in data)
    assert runner.invoke(main, ["parity", "sqlite3", "--names"]).exit_code == 2


async def test_names_that_are_provided() -> None:
    """``redirect`` and the functions of ``json`` take Flask's arguments."""
    from werkzeug.wrappers import Response

    from quartpatterns.subclassing.names import json as names_json
    from quartpatterns.subclassing.names import redirect

    class MyResponse(Response):
        pass

    assert isinstance(redirect("/a", Response=MyResponse), MyResponse)
    app = FaithfulQuart(__name__)
    async with app.app_context():
        assert isinstance(redirect("/a", 301), app.response_class)
        assert names_json.dumps(obj={"b": 1, "a": 2}) == '{"a": 2, "b": 1}'
        assert names_json.loads(s=b'{"a": 2}') == {"a": 2}


def test_modules_that_are_attributes() -> None:
    """``import flask`` makes ``flask.wrappers.Request`` and ``flask.json.provider`` available."""
    code = """
from quartpatterns.subclassing import names as flask
assert flask.wrappers.Request is flask.Request and flask.app.Flask is flask.Flask
assert flask.cli.with_appcontext and flask.views.MethodView and hasattr(flask.globals, "request")
assert flask.json.provider.DefaultJSONProvider and flask.json.tag.TaggedJSONSerializer
assert flask.logging.default_handler and flask.typing.ResponseReturnValue
assert not hasattr(flask, "unknown")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
