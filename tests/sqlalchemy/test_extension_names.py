"""Each public name of Flask-SQLAlchemy is supported, or refused with what to write instead."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import flask
import flask_sqlalchemy
import pytest
from quart import Quart

import quartpatterns.sqlalchemy as ours
from quartpatterns.compare.extension_names import ExtensionName, markdown
from quartpatterns.sqlalchemy.example.extension_names import EXTENSION

NAMES = {name.name: name for name in EXTENSION.names}
MODULES = "extension model session pagination query record_queries track_modifications cli".split()


def public_names() -> set[str]:
    """The names of the extension: of its modules, its object and its classes."""
    found: set[str] = set()
    for module_name in MODULES:
        module = importlib.import_module(f"flask_sqlalchemy.{module_name}")
        for name, value in vars(module).items():
            own = getattr(value, "__module__", "") == module.__name__
            signal = type(value).__name__ == "NamedSignal"
            if not name.startswith("_") and (own or signal):
                found.add(name)
    app = flask.Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = flask_sqlalchemy.SQLAlchemy(app)
    with app.app_context():
        found |= {
            f"SQLAlchemy.{name}" for name in {*dir(db), *vars(db)} if not name.startswith("_")
        }
    parameters = inspect.signature(flask_sqlalchemy.SQLAlchemy).parameters
    found |= {f"SQLAlchemy({name})" for name in parameters}
    found |= {key for key in app.config if key.startswith("SQLALCHEMY_")}
    found |= {
        f"Query.{name}"
        for name in vars(importlib.import_module("flask_sqlalchemy.query").Query)
        if not name.startswith("_") and name != "inherit_cache"
    }
    return found | {"Model.query", "Model.query_class"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_complete() -> None:
    """No public name of the extension is missing in the table."""
    assert public_names() - {*NAMES} == set()
    assert len(NAMES) == len(EXTENSION.names)


@pytest.mark.parametrize("name", EXTENSION.names, ids=lambda name: name.name)
def test_name(name: ExtensionName) -> None:
    """A supported name exists; a refused one is an error with its remark."""
    text = name.name
    app = Quart(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    if text.startswith("SQLALCHEMY_"):
        if name.state == "refused":
            app.config[text] = 1
            with pytest.raises(ValueError, match=text) as caught:
                ours.SQLAlchemy(app)
            assert remedy(name) in str(caught.value)
        else:
            assert text in ours.SETTINGS
    elif parameter := re.fullmatch(r"SQLAlchemy\((\w+)\)", text):
        assert parameter[1] in inspect.signature(ours.SQLAlchemy).parameters
    elif name.state == "refused":
        owner: Any = ours.SQLAlchemy() if "." in text else ours
        with pytest.raises((ImportError, AttributeError)) as error:
            getattr(owner, text.rpartition(".")[2])
        assert "write" in str(error.value) or "set" in str(error.value)
    else:
        assert exists(text)


def exists(text: str) -> bool:
    owner, _, attribute = text.rpartition(".")
    if owner == "SQLAlchemy":
        db = ours.SQLAlchemy()
        return attribute in {*dir(db), *vars(db)}
    if attribute == "__bind_key__":
        return True  # A model sets it.
    value = inspect.getattr_static(getattr(ours, owner) if owner else ours, attribute)
    return value is not None


def remedy(name: ExtensionName) -> str:
    words = {"SQLALCHEMY_COMMIT_ON_TEARDOWN": "commit()", "SQLALCHEMY_NATIVE_UNICODE": "Unicode"}
    return words.get(name.name, "SQLALCHEMY_ENGINE_OPTIONS")


def test_import_statement() -> None:
    """An import of a refused name says what to write."""
    with pytest.raises(ImportError, match="await db.paginate"):
        exec("from quartpatterns.sqlalchemy import SelectPagination")


def test_readme() -> None:
    """The README has the table."""
    assert markdown(EXTENSION) in Path(ours.__file__).with_name("README.md").read_text()
