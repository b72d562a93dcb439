"""Settings are validated by ``init_app`` and when they are used; errors name the setting."""

from __future__ import annotations

from datetime import timedelta

import pytest
from quart import Quart

from quartpatterns._shared.settings import SettingError
from quartpatterns.wtforms import CSRFProtect, generate_csrf, validate_csrf
from quartpatterns.wtforms.settings import DEFAULTS
from tests.wtforms.test_tokens import make, post, text

INVALID = [
    pytest.param("WTF_CSRF_ENABLED", "false", "must be True or False", id="enabled"),
    pytest.param("WTF_CSRF_CHECK_DEFAULT", 0, "must be True or False", id="check default"),
    pytest.param("WTF_CSRF_METHODS", "POST", "must be a list or tuple of strings", id="methods"),
    pytest.param("WTF_CSRF_FIELD_NAME", "", "must be a string that is not empty", id="field name"),
    pytest.param("WTF_CSRF_HEADERS", [1], "must be a list or tuple of strings", id="headers"),
    pytest.param("WTF_CSRF_META_NAME", None, "must be a string", id="meta name"),
    pytest.param("WTF_CSRF_SECRET_KEY", ["new", 5], "must be a string, bytes", id="secret key"),
    pytest.param("WTF_CSRF_TIME_LIMIT", "3600", "must be a number of seconds", id="time limit"),
    pytest.param("WTF_CSRF_TIME_LIMIT", 0, "more than 0", id="time limit of 0"),
    pytest.param("WTF_CSRF_SSL_STRICT", None, "must be True or False", id="ssl strict"),
    pytest.param("WTF_CSRF_CHECK_ORIGIN", 1, "must be True or False", id="check origin"),
    pytest.param("WTF_CSRF_TRUSTED_ORIGINS", ["a.example"], "must be origins", id="origins"),
    pytest.param("WTF_CSRF_FORM_LIMIT", 1.5, "must be a whole number of bytes", id="form limit"),
    pytest.param("WTF_CSRF_REFRESH", "yes", "must be True or False", id="refresh"),
    pytest.param("WTF_I18N_ENABLED", "yes", "must be True or False", id="translations"),
    pytest.param("WTF_LOCALES", "en", "must be a list or tuple of strings", id="locales"),
    pytest.param("WTF_CSRF_TIMELIMIT", 60, "did you mean WTF_CSRF_TIME_LIMIT", id="unknown"),
]


@pytest.mark.parametrize(("key", "value", "message"), INVALID)
def test_invalid(key: str, value: object, message: str) -> None:
    """``init_app`` raises an error that names the setting, and not the secret key."""
    app = Quart(__name__)
    app.config[key] = value
    with pytest.raises(SettingError, match=f"{key} .*{message}") as raised:
        CSRFProtect(app)
    assert raised.value.key == key
    assert "new" not in str(raised.value)


def test_every_setting_is_tested() -> None:
    tested = {str(case.values[0]) for case in INVALID}
    assert DEFAULTS.keys() <= tested


def test_defaults() -> None:
    """``init_app`` sets the defaults, and keeps what the application has set."""
    app = Quart(__name__)
    app.config["WTF_CSRF_META_NAME"] = "own"
    CSRFProtect(app)
    assert {key: app.config[key] for key in DEFAULTS} == DEFAULTS | {"WTF_CSRF_META_NAME": "own"}


async def test_changed_later(app_class: type[Quart]) -> None:
    """An invalid value that is set after ``init_app`` is an error when it is used."""
    app = make(app_class)
    app.config["WTF_CSRF_FIELD_NAME"] = 5
    async with app.test_request_context("/"):
        with pytest.raises(SettingError, match="WTF_CSRF_FIELD_NAME"):
            generate_csrf()


@pytest.mark.parametrize("key", ["a key", b"a key", ["old", "a key"], ("old", b"a key")])
async def test_secret_keys(app_class: type[Quart], key: object) -> None:
    """One key or several, as strings or bytes; the last one signs."""
    app = make(app_class, WTF_CSRF_SECRET_KEY=key)
    async with app.test_request_context("/"):
        validate_csrf(generate_csrf(), "a key")
        validate_csrf(generate_csrf("old" if isinstance(key, list | tuple) else "a key"))


async def test_time_limit_as_timedelta(app_class: type[Quart]) -> None:
    app = make(app_class, WTF_CSRF_TIME_LIMIT=timedelta(hours=1))
    client = app.test_client()
    assert await post(client, await text(client)) == (200, "posted")
