"""``configure`` and ``sources``: layers of settings, and their errors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quart import Quart

from quartpatterns.appfactories import ConfigError, Setting, Source, configure, sources

DEFAULTS: dict[str, Any] = {
    "SITE": "Guestbook",
    "MAX_ENTRIES": 100,
    "MAIL": {"HOST": "localhost", "PORT": 25},
    "ADMINS": ["ada"],
}


def configured(
    app: Quart | None = None, defaults: Mapping[str, Any] = DEFAULTS, **layers: Any
) -> Quart:
    """Return an application that is configured by *layers*, with an empty environment."""
    app = app or Quart(__name__)
    configure(app, defaults, **{"environ": {}, **layers})
    return app


def problems(**layers: Any) -> str:
    """Return the message of the error for *layers*."""
    with pytest.raises(ConfigError) as caught:
        configured(**layers)
    return str(caught.value)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    """A TOML file with settings."""
    path = tmp_path / "dev.toml"
    path.write_text('SITE = "File"\nMAX_ENTRIES = 10\nMAIL = {HOST = "example.com", PORT = 26}\n')
    return path


@pytest.mark.checks("AF-8")
def test_layers(app_class: type[Quart], toml: Path) -> None:
    """Each layer overrides those before, and the source of each value is known."""
    app = configured(
        app_class(__name__),
        file=toml,
        environ={"QUART_MAX_ENTRIES": "7", "QUART_ADMINS": '["grace"]'},
        overrides={"ADMINS": ["hedy"]},
    )
    assert app.config["SITE"] == "File"
    assert app.config["MAX_ENTRIES"] == 7
    assert app.config["ADMINS"] == ["hedy"]
    assert app.config["TESTING"] is False
    found = sources(app)
    assert found["SITE"] == Source("file", str(toml))
    assert found["MAX_ENTRIES"] == Source("environment", "QUART_MAX_ENTRIES")
    assert found["ADMINS"] == Source("override")
    assert found["TESTING"] == Source("default", "Quart")
    assert found.keys() == app.config.keys()


@pytest.mark.checks("AF-8")
def test_defaults() -> None:
    """Without other layers the settings have their defaults."""
    app = configured()
    assert {key: app.config[key] for key in DEFAULTS} == DEFAULTS
    assert sources(app)["SITE"] == Source("default")
    assert str(sources(app)["TESTING"]) == "default Quart"


@pytest.mark.checks("AF-8")
def test_assigned_later() -> None:
    """The source of a value that is assigned later is the code."""
    app = configured()
    app.config["SITE"] = "Code"
    app.config["OTHER"] = 1
    assert sources(app)["SITE"] == sources(app)["OTHER"] == Source("code")


@pytest.mark.checks("AF-8")
def test_not_configured() -> None:
    """``sources`` needs a configured application."""
    with pytest.raises(LookupError, match="was not configured: call .*configure"):
        sources(Quart(__name__))


@pytest.mark.checks("AF-8")
def test_environment_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default environment is that of the process."""
    monkeypatch.setenv("QUART_SITE", "Process")
    app = Quart(__name__)
    configure(app, DEFAULTS)
    assert app.config["SITE"] == "Process"
    assert os.environ["QUART_SITE"] == "Process"


@pytest.mark.checks("AF-8")
def test_prefix() -> None:
    """Only variables with the prefix and an underscore are read."""
    environ = {"QUART_SITE": "not this", "SHOP_SITE": "this", "SHOPPING_SITE": "nor this"}
    assert configured(prefix="SHOP", environ=environ).config["SITE"] == "this"


@pytest.mark.checks("AF-8")
def test_relative_file(tmp_path: Path) -> None:
    """A relative path is relative to the folder of the application's module."""
    (tmp_path / "dev.toml").write_text('SITE = "File"')
    app = configured(Quart(__name__, root_path=str(tmp_path)), file="dev.toml")
    assert app.config["SITE"] == "File"


@pytest.mark.checks("AF-9")
@pytest.mark.parametrize(
    "layers",
    [
        pytest.param({"environ": {"QUART_MAX_ENTRY": "1"}}, id="environment"),
        pytest.param({"overrides": {"MAX_ENTRY": 1}}, id="overrides"),
        pytest.param({"overrides": {"max_entries": 1}}, id="lower case"),
    ],
)
def test_unknown(layers: dict[str, Any]) -> None:
    """An unknown setting is an error that suggests a similar name."""
    assert "is not a setting" in problems(**layers)
    assert "did you mean MAX_ENTRIES?" in problems(**layers)


@pytest.mark.checks("AF-9")
def test_unknown_in_file(toml: Path) -> None:
    """The error names the file."""
    toml.write_text("[tool.quart]\nsite = 1")
    assert f"tool is not a setting (file {toml}): add it to the defaults" in problems(file=toml)


@pytest.mark.checks("AF-9")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("MAX_ENTRIES", "many", id="text for number"),
        pytest.param("MAX_ENTRIES", "1.5", id="fraction for number"),
        pytest.param("MAX_ENTRIES", "", id="nothing for number"),
        pytest.param("MAX_ENTRIES", "9" * 5000, id="endless number"),
        pytest.param("ADMINS", "ada", id="text for list"),
        pytest.param("ADMINS", '{"ada": 1}', id="table for list"),
        pytest.param("MAIL", "[]", id="list for table"),
        pytest.param("MAIL__PORT", "smtp", id="text for number in table"),
        pytest.param("SITE__NAME", "x", id="entry of a string"),
        pytest.param("TESTING", "maybe", id="not a bool"),
        pytest.param("MAX_CONTENT_LENGTH", "16 MB", id="unit"),
        pytest.param("PERMANENT_SESSION_LIFETIME", "1e999", id="endless time"),
    ],
)
def test_invalid_text(name: str, text: str) -> None:
    """A text that is invalid for the type is an error that names the variable."""
    message = problems(environ={f"QUART_{name}": text})
    assert "must be" in message
    assert f"(environment QUART_{name})" in message


@pytest.mark.checks("AF-9")
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        pytest.param("MAX_ENTRIES", "100", "a whole number, not a string", id="text for number"),
        pytest.param("MAX_ENTRIES", True, "a whole number, not True or False", id="bool"),
        pytest.param("SITE", 1, "a string, not a whole number", id="number for text"),
        pytest.param("SITE", None, "a string, not None", id="none"),
        pytest.param("TESTING", 1, "True or False, not a whole number", id="number for bool"),
        pytest.param("SECRET_KEY", 1, "a string or bytes or None", id="key"),
        pytest.param("TRUSTED_HOSTS", ["a", 1], "each item a string", id="item"),
    ],
)
def test_invalid_value(name: str, value: object, message: str) -> None:
    """A value of the wrong type is an error that names both types."""
    assert message in problems(overrides={name: value})


@pytest.mark.checks("AF-9")
def test_all_at_once(toml: Path) -> None:
    """One error has all problems, and the configuration is not changed."""
    toml.write_text('MAX_ENTRIES = "x"\nNOPE = 1')
    app = Quart(__name__)
    before = dict(app.config)
    with pytest.raises(ConfigError) as caught:
        configured(
            app,
            {**DEFAULTS, "MAIL_URL": Setting(str)},
            file=toml,
            environ={"QUART_TESTING": "x"},
            overrides={"SITE": 1},
        )
    assert len(caught.value.problems) == len(str(caught.value).splitlines()) == 5
    assert app.config == before
    assert not app.extensions


@pytest.mark.checks("AF-9")
def test_secrets() -> None:
    """The message does not contain values, which may be passwords."""
    defaults = {**DEFAULTS, "DATABASE": Setting(dict[str, int], {})}
    environ = {"QUART_MAX_ENTRIES": "hunter2", "QUART_DATABASE": "hunter2"}
    with pytest.raises(ConfigError) as caught:
        configured(defaults=defaults, environ=environ, overrides={"SITE": b"hunter2"})
    assert len(caught.value.problems) == 3
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.checks("AF-9")
def test_required(toml: Path) -> None:
    """A required setting that is missing is an error that says how to set it."""
    defaults = {"MAIL_URL": Setting(str)}
    with pytest.raises(ConfigError, match="must be set to a string: set QUART_MAIL_URL") as caught:
        configured(defaults=defaults)
    assert len(caught.value.problems) == 1
    app = configured(defaults=defaults, environ={"QUART_MAIL_URL": "smtp://x"})
    assert app.config["MAIL_URL"] == "smtp://x"
    with pytest.raises(ConfigError) as caught:
        configured(defaults=defaults, overrides={"MAIL_URL": 1})
    assert caught.value.problems == ("MAIL_URL must be a string, not a whole number (override)",)


@pytest.mark.checks("AF-9")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"SITE = ", "cannot be read: Invalid value (at end of document)", id="TOML"),
        pytest.param(b'SITE = "\xff"', "cannot be read: 'utf-8' codec", id="UTF-8"),
        pytest.param(b"SITE = 1\nSITE = 2", "cannot be read: Cannot overwrite", id="twice"),
    ],
)
def test_unreadable_file(toml: Path, content: bytes, message: str) -> None:
    """A file that cannot be read is an error with the reason."""
    toml.write_bytes(content)
    assert message in problems(file=toml)


@pytest.mark.checks("AF-9")
def test_no_file(toml: Path) -> None:
    """A missing file is an error that lists the files of its folder."""
    message = problems(file=toml.with_name("prod.toml"))
    assert message.endswith("prod.toml; the folder contains dev.toml")
    assert "file not found" in problems(file=toml.with_name("no") / "dev.toml")
    assert "Is a directory" in problems(file=toml.parent)


@pytest.mark.checks("AF-9")
@pytest.mark.parametrize(
    ("defaults", "message"),
    [
        pytest.param({"site": "x"}, "write 'SITE'", id="lower case"),
        pytest.param({"SITE": None}, "None does not show the type of SITE", id="none"),
        pytest.param({"SITE": Setting(str, 1)}, "the default of SITE must be a string", id="other"),
        pytest.param({"SITE": Setting(set[str])}, r"cannot have the type set\[str\]", id="type"),
        pytest.param({"SITE": Setting(str | list[set[str]])}, "SITE cannot have", id="nested"),
        pytest.param({"SITE": Setting("text", "")}, "cannot have the type 'text'", id="text"),
    ],
)
def test_invalid_defaults(defaults: dict[str, Any], message: str) -> None:
    """Invalid defaults are a TypeError."""
    with pytest.raises(TypeError, match=message):
        configured(defaults=defaults)


@pytest.mark.checks("AF-10")
def test_string_stays_string(monkeypatch: pytest.MonkeyPatch) -> None:
    """The type of the setting decides, and not the look of the text."""
    monkeypatch.setenv("QUART_SECRET_KEY", "123")
    app = Quart(__name__)
    configure(app, DEFAULTS)
    assert app.config["SECRET_KEY"] == "123"
    app.config.from_prefixed_env()
    # Quart makes it an int, which cannot sign a session.
    assert app.config["SECRET_KEY"] == 123


@pytest.mark.checks("AF-10")
def test_entry_of_a_mapping() -> None:
    """Two underscores select an entry; others are not changed, and types are kept."""
    environ = {
        "QUART_MAIL__PORT": "26",
        "QUART_MAIL__USER": "ada",
        "QUART_MAIL__TLS__VERIFY": "true",
    }
    mail = configured(environ=environ).config["MAIL"]
    assert mail == {"HOST": "localhost", "PORT": 26, "USER": "ada", "TLS": {"VERIFY": True}}
    assert DEFAULTS["MAIL"] == {"HOST": "localhost", "PORT": 25}


@pytest.mark.checks("AF-10")
def test_underscores_in_a_name() -> None:
    """A setting whose name has two underscores is not taken for an entry."""
    app = configured(defaults={"A__B": 1, "A": {"C": 1}}, environ={"QUART_A__B": "2"})
    assert app.config["A__B"] == 2
    assert app.config["A"] == {"C": 1}


@pytest.mark.checks("AF-10")
def test_variables_of_the_command() -> None:
    """Variables of Quart's command are ignored, unless a setting has this name."""
    environ = {
        "QUART_APP": "x",
        "QUART_RUN_PORT": "1",
        "QUART_SHELL_X": "1",
        "QUART_SEND_MAIL_TO": "ada",
    }
    app = Quart(__name__)
    app.cli.command("send-mail")(lambda: None)
    configured(app, environ=environ)
    assert "APP" not in app.config
    app = configured(defaults={"RUN_PORT": 80}, environ={"QUART_RUN_PORT": "81"})
    assert app.config["RUN_PORT"] == 81
    assert "RUNNER is not a setting" in problems(environ={"QUART_RUNNER": "1"})


@pytest.mark.checks("AF-10")
def test_debug() -> None:
    """QUART_DEBUG is a setting too."""
    app = configured(environ={"QUART_DEBUG": "1"})
    assert app.debug is True


@pytest.mark.checks("AF-3")
def test_copies() -> None:
    """Two applications do not share lists and mappings."""
    overrides = {"MAIL": {"HOST": "x", "TLS": {"VERIFY": True}}}
    one, other = configured(overrides=overrides), configured(overrides=overrides)
    one.config["MAIL"]["TLS"]["VERIFY"] = False
    one.config["ADMINS"].append("eve")
    assert other.config["MAIL"]["TLS"]["VERIFY"] is True
    assert overrides["MAIL"]["TLS"] == {"VERIFY": True}
    assert other.config["ADMINS"] == DEFAULTS["ADMINS"] == ["ada"]


@pytest.mark.checks("AF-10")
def test_seconds() -> None:
    """A timedelta is set as a number of seconds."""
    for layers in (
        {"environ": {"QUART_PERMANENT_SESSION_LIFETIME": "60"}},
        {"overrides": {"PERMANENT_SESSION_LIFETIME": 60}},
    ):
        app = configured(**layers)
        assert app.config["PERMANENT_SESSION_LIFETIME"] == timedelta(minutes=1)
        assert app.permanent_session_lifetime == timedelta(minutes=1)


keys = st.sampled_from([*DEFAULTS, "MAIL__PORT", "MAIL__X__Y", "TESTING", "NOPE", "__", "", "site"])


@pytest.mark.checks("AF-9")
@given(
    environ=st.dictionaries(keys.map(lambda key: f"QUART_{key}"), st.text(max_size=20)),
    overrides=st.dictionaries(
        st.sampled_from([*DEFAULTS, "TESTING", "NOPE", "site", ""]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    ),
)
def test_anything(environ: dict[str, str], overrides: dict[str, Any]) -> None:
    """Any layers configure an application of the right types, or raise ConfigError."""
    app = Quart(__name__)
    before = dict(app.config)
    try:
        configured(app, environ=environ, overrides=overrides)
    except ConfigError as error:
        assert error.problems
        assert app.config == before
    else:
        assert all(type(app.config[key]) is type(value) for key, value in DEFAULTS.items())
        assert "NOPE" not in app.config
