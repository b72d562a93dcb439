"""Each public name of Flask-WTF works here, or is an error that says what to write instead."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

import quartpatterns.wtforms
from quartpatterns._shared.settings import SettingError
from quartpatterns.compare.extension_names import markdown
from quartpatterns.wtforms import CSRFProtect, FlaskForm, QuartForm
from quartpatterns.wtforms.example.extension_names import EXTENSION
from quartpatterns.wtforms.recaptcha import RECAPTCHA_DEFAULTS
from quartpatterns.wtforms.settings import DEFAULTS

NAMES = {name.name: name for name in EXTENSION.names}
README = Path(quartpatterns.wtforms.__file__).with_name("README.md").read_text()
MODULES = ["", "csrf", "file", "form", "i18n", "recaptcha"]
FOLDED = {"", "file"}
"""Modules of Flask-WTF whose names the package itself has here."""

# The README describes these; they are not attributes of a module.
CALLS = {"FlaskForm()", "csrf_token()"}


def is_key(name: str) -> bool:
    return re.fullmatch(r"(WTF|RECAPTCHA)_[A-Z0-9_]+", name) is not None


def public(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a module of Flask-WTF defines: functions, classes, constants and instances."""
    for name, value in vars(module).items():
        own = getattr(value, "__module__", module.__name__) or module.__name__
        exported = name in getattr(module, "__all__", ())
        own_name = own.startswith("flask_wtf") or name == "logger"
        if exported or (own_name and not name.startswith("_") and not inspect.ismodule(value)):
            yield name, value


def found_names() -> set[str]:
    """Return the public names of the installed Flask-WTF, as the table writes them."""
    found: set[str] = set()
    for part in [*MODULES, "recaptcha.validators", "recaptcha.widgets", "recaptcha.fields"]:
        try:
            module = importlib.import_module(f"flask_wtf.{part}".rstrip("."))
        except ImportError:  # Flask-Babel is not installed
            assert part == "i18n"
            continue
        part = part.partition(".")[0]
        for name, value in public(module):
            full = name if name in NAMES or part in FOLDED else f"{part}.{name}"
            found.add(full)
            if isinstance(value, type):
                found |= members(full, value)
    return found


def members(prefix: str, cls: type) -> set[str]:
    """Return the public attributes that a class of Flask-WTF defines, and those of its Meta."""
    found: set[str] = set()
    for name, value in vars(cls).items():
        # CSRFError is an HTTP exception, Form is that of WTForms, and so are the other two.
        if name.startswith("_") or prefix in {"CSRFError", "Form"}:
            continue
        if name in {"field_flags", "process_formdata"}:
            continue
        found.add(f"{prefix}.{name}")
        if name == "Meta":
            found |= members(f"{prefix}.Meta", value)
    return found


def test_no_name_is_missing() -> None:
    """The table has each public name of the extension, and each key that its source reads."""
    folder = Path(importlib.import_module("flask_wtf").__file__ or "").parent
    source = "\n".join(file.read_text() for file in folder.rglob("*.py"))
    keys = set(re.findall(r"\b(?:WTF|RECAPTCHA)_[A-Z0-9_]+\b", source))
    names = {name.rpartition(".")[2] for name in NAMES}
    assert keys - names == set()
    # What the modules import for themselves.
    imported = {"SEEK_END", "form.translations"}
    found = found_names()
    assert {"CSRFProtect.exempt", "recaptcha.RECAPTCHA_ERROR_CODES"} <= found
    assert found - set(NAMES) - imported == set()


@pytest.mark.parametrize(
    "name", [name for name, row in NAMES.items() if row.state != "refused" and not is_key(name)]
)
def test_name_exists(name: str) -> None:
    if name in CALLS or name.startswith("g."):
        return  # test_tokens.py and test_form.py use them
    first, *others = name.split(".")
    if first in MODULES:
        value: Any = importlib.import_module(f"quartpatterns.wtforms.{first}")
    else:
        value = getattr(quartpatterns.wtforms, first)
    for other in others:
        value = getattr(value, other)


@pytest.mark.parametrize("name", [name for name in NAMES if is_key(name)])
def test_key(app_class: type[Quart], name: str) -> None:
    """A key is known, or refused with its remedy, by CSRFProtect and by a form without it."""
    row = NAMES[name]
    if row.state == "supported":
        assert name in DEFAULTS or name in RECAPTCHA_DEFAULTS
        return
    app = app_class(__name__)
    app.config[name] = True
    with pytest.raises(SettingError, match=re.escape(f"{name} is not supported: {row.remark}")):
        CSRFProtect(app)


@pytest.mark.parametrize("key", ["WTF_HIDDEN_TAG", "RECAPTCHA_OPTIONS", "WTF_CSRF_METHOD"])
async def test_key_without_protection(app_class: type[Quart], key: str) -> None:
    """The first form checks the names of the settings too."""
    app = app_class(__name__)
    app.config[key] = True
    async with app.test_request_context("/"):
        with pytest.raises(SettingError, match=key):
            await FlaskForm.create()


@pytest.mark.parametrize("name", ["csrf", "file", "recaptcha"])
def test_parameters(name: str) -> None:
    """Functions and classes take the arguments that they take in Flask-WTF, in their order."""
    for attribute, theirs in public(importlib.import_module(f"flask_wtf.{name}")):
        if inspect.isfunction(theirs) or (isinstance(theirs, type) and "__init__" in vars(theirs)):
            ours = getattr(quartpatterns.wtforms, attribute, None)
            if ours is not None:
                expected = list(inspect.signature(theirs).parameters)
                assert list(inspect.signature(ours).parameters)[: len(expected)] == expected


def test_flask_form() -> None:
    assert FlaskForm is QuartForm


def test_readme() -> None:
    """The table of the README is the generated one."""
    assert markdown(EXTENSION) in README
