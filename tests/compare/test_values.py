"""RuleValues for the arguments of URL rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartpatterns.compare.files import CaseFileError
from quartpatterns.compare.rules import URLRule
from quartpatterns.compare.values import RuleValues, read_values

USER = URLRule("/users/<int:id>", "GET")
POST = URLRule("/users/<int:id>/posts/<slug>", "GET")
KIND = URLRule("/kinds/<any(a, b):kind>/<int:id>", "GET")


def read(tmp_path: Path, text: str) -> RuleValues:
    file = tmp_path / "values.toml"
    file.write_text(text)
    return read_values(file, [USER, POST])


def test_arguments(tmp_path: Path) -> None:
    """Each value of a list is a request; the shorter list is repeated."""
    values = read(tmp_path, '[arguments]\nid = [1, 2]\nslug = "hello"\n')
    assert list(values.of(USER)) == [{"id": "1"}, {"id": "2"}]
    assert list(values.of(POST)) == [{"id": "1", "slug": "hello"}, {"id": "2", "slug": "hello"}]


def test_rules(tmp_path: Path) -> None:
    """The values of one rule come before those of all."""
    values = read(tmp_path, f'[arguments]\nid = 1\n[rules."{POST.path}"]\nid = 3\nslug = "x"\n')
    assert list(values.of(USER)) == [{"id": "1"}]
    assert list(values.of(POST)) == [{"id": "3", "slug": "x"}]


def test_missing() -> None:
    values = RuleValues({"id": ["1"]})
    assert list(values.of(POST)) == []
    assert values.missing(POST) == ["slug"]
    assert list(values.of(URLRule("/", "GET"))) == []


def test_choices() -> None:
    """The converter ``any`` has its values in the rule."""
    assert list(RuleValues({"id": ["1"]}).of(KIND)) == [
        {"kind": "a", "id": "1"},
        {"kind": "b", "id": "1"},
    ]


def test_types(tmp_path: Path) -> None:
    values = read(tmp_path, '[fields]\na = 1.5\nb = true\n[arguments]\nid = ["x", 2]\n')
    assert values.fields == {"a": "1.5", "b": "true"}
    assert values.arguments == {"id": ["x", "2"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[arguments\n", "values.toml:1: expected TOML", id="syntax"),
        pytest.param("[argument]\nid = 1", "unknown field `argument`", id="table"),
        pytest.param("[arguments]\nid = {}", r"`\$.arguments", id="type"),
        pytest.param("[fields]\nemail = ['a', 'b']", r"got `array` - at `\$.fields", id="list"),
        pytest.param("[arguments]\nid = 2024-01-01", "got `date`", id="date"),
        pytest.param(
            "[arguments]\nslag = 1", "no argument is called 'slag'; did you mean slug", id="name"
        ),
        pytest.param("[arguments]\nxyz = 1", "there is id, slug", id="other name"),
        pytest.param(
            '[rules."/user/<int:id>"]\nid = 1',
            "no rule is called '/user/<int:id>'; did you mean /users/<int:id>",
            id="rule",
        ),
        pytest.param(
            '[rules."/users/<int:id>"]\nslug = 1',
            "no argument of /users/<int:id> is called 'slug'; there is id",
            id="argument of a rule",
        ),
        pytest.param("x" * 100_000, "expected TOML", id="large"),
        pytest.param("a = " + "[" * 100_000, "expected TOML", id="deep"),
    ],
)
def test_malformed(tmp_path: Path, text: str, message: str) -> None:
    """The error is one line that names the file and what to write instead."""
    with pytest.raises(CaseFileError, match=message) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
