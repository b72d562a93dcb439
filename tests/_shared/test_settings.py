"""Settings: what is valid, and how every error reads."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from quart import Quart

from quartpatterns._shared.settings import (
    SettingError,
    SettingsReader,
    apply_defaults,
    invalid_setting,
    refuse_unknown,
)

Read = Callable[[SettingsReader], Any]


def reader(value: object) -> SettingsReader:
    return SettingsReader({"KEY": value})


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (lambda r: r.count("KEY"), 1, 1),
        (lambda r: r.count("KEY", minimum=0), 0, 0),
        (lambda r: r.count("KEY", maximum=3), 3, 3),
        (lambda r: r.size("KEY"), 500_000, 500_000),
        (lambda r: r.seconds("KEY"), 5, 5.0),
        (lambda r: r.seconds("KEY"), 0.1, 0.1),
        (lambda r: r.seconds("KEY", zero=True), 0, 0.0),
        (lambda r: r.seconds("KEY"), timedelta(minutes=1), 60.0),
        (lambda r: r.boolean("KEY"), False, False),
        (lambda r: r.choice("KEY", ("a", None)), None, None),
        (lambda r: r.text("KEY"), "x", "x"),
        (lambda r: r.text("KEY", empty=True), "", ""),
        (lambda r: r.path("KEY"), Path("/x/y"), "/x/y"),
        (lambda r: r.path("KEY"), "y", "y"),
        (lambda r: r.url("KEY", ["redis"]), "REDIS://h", "REDIS://h"),
        (lambda r: r.strings("KEY"), ["b", "a"], ("b", "a")),
        (lambda r: r.strings("KEY"), {"b", "a"}, ("a", "b")),
        (lambda r: r.strings("KEY"), (), ()),
        (lambda r: r.mapping("KEY"), MappingProxyType({"a": 1}), {"a": 1}),
        (lambda r: r.optional(r.count, "KEY"), None, None),
        (lambda r: r.optional(r.count, "KEY", minimum=2), 2, 2),
    ],
)
def test_valid(read: Read, value: object, expected: object) -> None:
    found = read(reader(value))
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize("value", [True, 2.5, 2.0, "5", math.inf, math.nan, None, 0, -1])
@pytest.mark.parametrize("name", ["count", "size"])
def test_invalid_whole_numbers(name: str, value: object) -> None:
    with pytest.raises(SettingError) as caught:
        getattr(reader(value), name)("KEY")
    what = "a whole number of 1" if name == "count" else "a whole number of bytes, 1"
    assert str(caught.value).startswith(f"KEY must be {what} or more, not {value!r}.")
    assert caught.value.key == "KEY" and isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "value",
    [True, "5", math.inf, -math.inf, math.nan, 10**400, None, 0, -1, timedelta(), timedelta(-1)],
)
def test_invalid_seconds(value: object) -> None:
    with pytest.raises(SettingError, match=r"^KEY must be a number of seconds or a timed.*, more"):
        reader(value).seconds("KEY")


@pytest.mark.parametrize("value", [True, False, "0", math.nan, math.inf, -0.1])
def test_invalid_seconds_where_zero_is_valid(value: object) -> None:
    with pytest.raises(SettingError, match="a timedelta, 0 or more, not"):
        reader(value).seconds("KEY", zero=True)


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (lambda r: r.count("KEY", maximum=9), 10, "KEY must be a whole number of 1 to 9, not 10."),
        (lambda r: r.boolean("KEY"), 1, "KEY must be True or False, not 1."),
        (lambda r: r.boolean("KEY"), None, "KEY must be True or False, not None."),
        (lambda r: r.choice("KEY", ("a", "b")), "c", "KEY must be 'a' or 'b', not 'c'."),
        (lambda r: r.choice("KEY", (1, 2, 3)), True, "KEY must be 1, 2 or 3, not True."),
        (lambda r: r.choice("KEY", ("a",)), [], "KEY must be 'a', not []."),
        (lambda r: r.text("KEY"), "", "KEY must be a string that is not empty, not ''."),
        (
            lambda r: r.path("KEY", example="app.db"),
            3,
            "KEY must be a path, for example 'app.db', not 3.",
        ),
        (lambda r: r.path("KEY"), "", "KEY must be a path, not ''."),
        (lambda r: r.strings("KEY"), "ab", "KEY must be a list or tuple of strings, not 'ab'."),
        (lambda r: r.strings("KEY"), [1], "KEY must be a list or tuple of strings, not [1]."),
        (
            lambda r: r.mapping("KEY"),
            {1: 2},
            "KEY must be a mapping with strings as keys, not {1: 2}.",
        ),
        (
            lambda r: r.mapping("KEY"),
            [],
            "KEY must be a mapping with strings as keys, not [].",
        ),
    ],
)
def test_messages(read: Read, value: object, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        read(reader(value))
    assert str(caught.value) == message


@pytest.mark.parametrize("read", [SettingsReader.count, SettingsReader.seconds])
def test_strings_of_numbers_hint_at_the_environment(read: Callable[..., Any]) -> None:
    with pytest.raises(SettingError, match=r"not '5'\. Environment.*from_prefixed_env\(\)"):
        read(reader("5"), "KEY")
    with pytest.raises(SettingError, match=r"not 'five'\.$"):
        read(reader("five"), "KEY")


def test_the_string_false_is_no_boolean() -> None:
    with pytest.raises(SettingError, match=r"not 'false'\. .*from_prefixed_env"):
        reader("false").boolean("KEY")


@pytest.mark.parametrize(
    "read",
    [
        lambda r: r.url("KEY", ["redis", "rediss"], example="redis://host:6379/0"),
        lambda r: r.mapping("KEY", secret=True),
    ],
)
@pytest.mark.parametrize("value", ["http://u:hunter2@h", b"hunter2", ["hunter2"]])
def test_secrets_are_not_shown(read: Read, value: object) -> None:
    with pytest.raises(SettingError) as caught:
        read(reader(value))
    assert "hunter2" not in f"{caught.value}{caught.value!r}"
    assert "not shown" in str(caught.value) or "of type" in str(caught.value)


def test_the_message_of_a_url() -> None:
    with pytest.raises(SettingError) as caught:
        reader(None).url("KEY", ["redis", "unix"], example="redis://host:6379/0")
    assert str(caught.value) == (
        "KEY must be a URL that starts with redis:// or unix://, for example"
        " 'redis://host:6379/0', not a value of type NoneType."
    )


def test_a_secret_text_is_not_shown() -> None:
    with pytest.raises(SettingError, match="not a value of type int"):
        reader(12345).text("KEY", secret=True)


def test_long_values_are_cut() -> None:
    with pytest.raises(SettingError) as caught:
        reader("x" * 10_000).count("KEY")
    assert len(str(caught.value)) < 200


def test_defaults() -> None:
    settings = SettingsReader({"A": 1}, {"A": 2, "B": 3})
    assert (settings.count("A"), settings.count("B")) == (1, 3)
    with pytest.raises(SettingError, match=r"^C must be set\.$"):
        settings.count("C")


def test_apply_defaults_keeps_what_is_set_and_shares_nothing() -> None:
    defaults: dict[str, Any] = {"A": 1, "B": None, "C": ["x"], "D": MappingProxyType({})}
    one, other = Quart("one"), Quart("other")
    one.config.update(A=2, B=False)
    apply_defaults(one, defaults)
    apply_defaults(other, defaults)
    one.config["C"].append("y")
    assert (one.config["A"], one.config["B"]) == (2, False)
    assert (other.config["A"], other.config["B"], other.config["C"]) == (1, None, ["x"])
    assert defaults["C"] == ["x"] and other.config["D"] == {}


def refused(config: dict[str, Any]) -> str:
    with pytest.raises(SettingError) as caught:
        refuse_unknown(
            config,
            "POOL_",
            {"POOL_SIZE": 1, "POOL_TIMEOUT": 2},
            {"POOL_CLASS": "set POOL_SIZE", "LEGACY": "remove it."},
        )
    assert caught.value.key in config
    return str(caught.value)


def test_unknown_settings_are_refused() -> None:
    assert refused({"POOL_SIZ": 1}) == "POOL_SIZ is unknown; did you mean POOL_SIZE?"
    assert refused({"POOL_ZZZZZZZZZZZZ": 1}) == (
        "POOL_ZZZZZZZZZZZZ is unknown. The settings are POOL_SIZE, POOL_TIMEOUT."
    )
    assert refused({"POOL_CLASS": None}) == "POOL_CLASS is not supported: set POOL_SIZE."
    assert refused({"LEGACY": 1}) == "LEGACY is not supported: remove it."


def test_known_and_foreign_settings_are_accepted() -> None:
    refuse_unknown({"POOL_SIZE": 1, "OTHER_KEY": 2}, ("POOL_", "X_"), ["POOL_SIZE"])


def test_the_error_can_be_copied_and_pickled() -> None:
    error = invalid_setting("KEY", "a path", 3)
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (again.key, str(again)) == ("KEY", "KEY must be a path, not 3.")
