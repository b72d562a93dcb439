"""Each public name of Flask-Login is supported, or refused with an error that names the remedy."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import flask_login  # type: ignore[import-untyped]
import pytest
from quart import Quart

import quartpatterns.viewdecorators as ours
from quartpatterns._shared.settings import SettingError
from quartpatterns.compare.extension_names import ExtensionName, markdown
from quartpatterns.viewdecorators.example.extension_names import EXTENSION

README = Path(ours.__file__).parent / "README.md"
NAMES = {name.name: name for name in EXTENSION.names}
USED = {name: row for name, row in NAMES.items() if row.state != "refused"}
CLASSES = ("LoginManager", "UserMixin", "AnonymousUserMixin")
KEYS: dict[str, Any] = {
    "LOGIN_DISABLED": True,
    "SESSION_PROTECTION": "strong",
    "USE_SESSION_FOR_NEXT": True,
    "FORCE_HOST_FOR_REDIRECTS": "good.example",
    "REMEMBER_COOKIE_NAME": "remember",
    "REMEMBER_COOKIE_DURATION": timedelta(days=1),
    "REMEMBER_COOKIE_DOMAIN": "example.org",
    "REMEMBER_COOKIE_PATH": "/app",
    "REMEMBER_COOKIE_SECURE": True,
    "REMEMBER_COOKIE_HTTPONLY": False,
    "REMEMBER_COOKIE_SAMESITE": "Lax",
    "REMEMBER_COOKIE_REFRESH_EACH_REQUEST": True,
}


def public_names() -> set[str]:
    """Return the public names of the installed Flask-Login and the keys that it reads."""
    found = {*flask_login.__all__, "user_loaded_from_header"}
    for cls in CLASSES:
        instance = getattr(flask_login, cls)()
        names = {*dir(type(instance)), *vars(instance)}
        found |= {f"{cls}.{name}" for name in names if not name.startswith("_")}
    for module in Path(flask_login.__file__).parent.glob("*.py"):
        text = module.read_text()
        found |= set(re.findall(r'config(?:\.get\(|\[)\s*"(?!SECRET_KEY)([A-Z_]+)"', text))
    return found


def test_every_name() -> None:
    """No public name of Flask-Login is missing from the table, and no name is in it twice."""
    assert len(NAMES) == len(EXTENSION.names)
    assert public_names() - set(NAMES) == set()
    private = {name for name in NAMES if "._" in name}
    assert set(NAMES) - public_names() - private - set(KEYS) == set()


@pytest.mark.parametrize("name", sorted(USED))
def test_used(app: Quart, name: str) -> None:
    """The name exists, and a function has Flask-Login's parameters."""
    if name in KEYS:
        app.config[name] = KEYS[name]
        ours.LoginManager(app)
        return
    owner, _, attribute = name.rpartition(".")
    there: Any = getattr(flask_login, owner)() if owner else flask_login
    here: Any = getattr(ours, owner)() if owner else ours
    if owner == "UserMixin":
        here.id = there.id = 1
    found, expected = getattr(here, attribute), getattr(there, attribute)
    if attribute in ("current_user", "FlaskLoginClient"):
        return
    assert inspect.iscoroutinefunction(found) == (USED[name].state == "awaited")
    if callable(expected) and not hasattr(expected, "send"):
        parameters = list(inspect.signature(expected).parameters)
        assert list(inspect.signature(found).parameters)[: len(parameters)] == [
            {"func": "view"}.get(parameter, parameter) for parameter in parameters
        ]
    elif isinstance(expected, str | int | timedelta):
        assert found == expected
    if owner == "LoginManager" and attribute in vars(there):
        setattr(here, attribute, found)


def read(name: str) -> object:
    return getattr(ours, name)


REFUSALS: dict[str, tuple[type[Exception], str, Callable[[Quart], object]]] = {
    "AUTH_HEADER_NAME": (ImportError, "request_loader", lambda _: read("AUTH_HEADER_NAME")),
    "user_loaded_from_header": (
        ImportError,
        "user_loaded_from_request",
        lambda _: read("user_loaded_from_header"),
    ),
    "__version__": (AttributeError, "importlib.metadata", lambda _: read("__version__")),
}
REFUSALS |= {
    f"LoginManager.{name}": (
        AttributeError,
        remedy,
        lambda app, name=name: getattr(ours.LoginManager(app), name),  # type: ignore[misc]
    )
    for name, remedy in {
        "header_loader": "request_loader",
        "setup_app": "init_app",
        "_login_disabled": "LOGIN_DISABLED",
        "_session_identifier_generator": "session_identifier",
        "_load_user": r"await load_user\(\)",
    }.items()
}


@pytest.mark.parametrize("row", [row for row in EXTENSION.names if row.state == "refused"])
def test_refused(app: Quart, row: ExtensionName) -> None:
    """Reading the name is an error that names the remedy, and so is setting it."""
    error, remedy, use = REFUSALS[row.name]
    with pytest.raises(error, match=remedy):
        use(app)
    owner, _, attribute = row.name.rpartition(".")
    if owner:
        with pytest.raises(error, match=remedy):
            setattr(ours.LoginManager(), attribute, None)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("AUTH_HEADER_NAME", "Authorization", "request_loader"),
        ("REMEMBER_COOKIE_NMAE", "a", "did you mean REMEMBER_COOKIE_NAME"),
        ("REMEMBER_COOKIE_DURATION", "123", "REMEMBER_COOKIE_DURATION must be a timedelta"),
        ("REMEMBER_COOKIE_DURATION", True, "REMEMBER_COOKIE_DURATION must be a timedelta"),
        ("REMEMBER_COOKIE_SECURE", "false", "True or False"),
        ("LOGIN_DISABLED", 0, "True or False"),
        ("SESSION_PROTECTION", "srtong", "'basic', 'strong' or None"),
    ],
)
def test_invalid_settings(app: Quart, key: str, value: Any, message: str) -> None:
    app.config[key] = value
    with pytest.raises(SettingError, match=message):
        ours.LoginManager(app)


def test_unknown_option() -> None:
    """An attribute that nothing reads is an error; a subclass has attributes of its own."""
    with pytest.raises(AttributeError, match=r"no option 'login_veiw'.*login_view"):
        ours.LoginManager().login_veiw = "login"

    class Manager(ours.LoginManager):
        own: int

    Manager().own = 1


def test_readme() -> None:
    """The README has the table."""
    assert markdown(EXTENSION) in README.read_text()
