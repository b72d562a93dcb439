from __future__ import annotations

import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quartpatterns.compare import Case, Difference, File, Step
from quartpatterns.compare.case import Arrangement, same_settings


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"form": {}, "json": {}}, id="form and json"),
        pytest.param({"json": {}, "body": b""}, id="json and body"),
        pytest.param({"files": {"f": File(b"", "f")}, "body": b""}, id="files and body"),
    ],
)
def test_one_body(given: dict[str, Any]) -> None:
    """A step has one kind of body."""
    with pytest.raises(ValueError, match="only one body"):
        Step(**given)


@pytest.mark.parametrize("aspect", ["Status", "header:", "header:Vary", "headers", ""])
def test_invalid_aspect(aspect: str) -> None:
    """A difference in an unknown aspect would never be compared."""
    with pytest.raises(ValueError, match="is not an aspect"):
        Difference(aspect, 1, 2, "reason")


def test_difference_without_a_reason() -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        Difference("status", 200, 404, "")


def test_case_without_a_step() -> None:
    with pytest.raises(ValueError, match="has no step"):
        Case("empty")


def test_difference_of_an_unknown_step() -> None:
    with pytest.raises(ValueError, match="has no step 1"):
        Case("one step", Step(), differs=[Difference("status", 1, 2, "reason", step=1)])


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="'bug' is not a kind: write security, input,"):
        Difference("status", 200, 404, "reason", kind="bug")  # type: ignore[arg-type]


def test_ignored_body_without_a_reason() -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        Step(compare="ignore")
    assert Step(compare="ignore", reason="an image of random noise").reason


def test_ignored_cookies() -> None:
    """A session cookie without HttpOnly would pass."""
    with pytest.raises(ValueError, match="set-cookie can't be ignored"):
        Step(ignore_headers=("set-cookie",))


@pytest.mark.parametrize(
    "pattern",
    [".*", ".+", "(?s).*", r"(.|\n)*", r"\d+", "[0-9]*", r"\d{1,9}", r"\w+", r"\S+", r"[\s\S]+"],
)
def test_pattern_that_matches_nearly_anything(pattern: str) -> None:
    with pytest.raises(ValueError, match="matches nearly any text"):
        Difference("body", "x", re.compile(pattern), "reason")
    with pytest.raises(ValueError, match="matches nearly any text"):
        Difference("body", re.compile(pattern), "x", "reason")
    with pytest.raises(ValueError, match="matches nearly any text"):
        Step(expected={"status": 200, "body": re.compile(pattern)})


@pytest.mark.parametrize(
    "pattern",
    [r"(?s).*Internal Server Error.*", "[0-9a-f]{32}", r"/users/\d+", "text/html.*", r"26\d"],
)
def test_pattern_that_means_something(pattern: str) -> None:
    Difference("body", None, re.compile(pattern), "reason")


def test_reason_without_ignore() -> None:
    with pytest.raises(ValueError, match="this step compares the body"):
        Step(reason="a random number")


EXPECTED = {"status": 200, "body": "x"}


def test_extra() -> None:
    """A case is an extra if its steps have expected values."""
    assert Case("extra", Step(expected=EXPECTED)).extra
    assert not Case("case", Step()).extra


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        pytest.param({"status": 200}, "expected has no body", id="no body"),
        pytest.param({}, "expected has no body and no status", id="nothing"),
        pytest.param({**EXPECTED, "Vary": "x"}, "'Vary' is not an aspect", id="aspect"),
    ],
)
def test_invalid_expected(expected: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Step(expected=expected)


def test_some_steps_expected() -> None:
    with pytest.raises(ValueError, match="for all of its steps or for none"):
        Case("mixed", Step(expected=EXPECTED), Step())


def test_extra_with_differences() -> None:
    difference = Difference("status", 1, 2, "reason")
    with pytest.raises(ValueError, match="differs from nothing"):
        Case("extra", Step(expected=EXPECTED), differs=[difference])


async def test_same_settings(tmp_path: Path) -> None:
    """Both applications are created with the settings; the function can be sent to a process."""
    arrange = pickle.loads(pickle.dumps(same_settings(TRUSTED_HOSTS=["localhost"], LIMIT=3)))
    async with arrange(tmp_path) as arrangement:
        settings = {"TRUSTED_HOSTS": ["localhost"], "LIMIT": 3}
        assert arrangement == Arrangement(settings, settings)


def test_two_differences_of_one_aspect() -> None:
    """Only one of them would be compared, unless each has a transport of its own."""
    everywhere = Difference("body", "a", "b", "other words")
    with pytest.raises(ValueError, match="two differences of body in step 0"):
        Case("case", Step(), differs=[everywhere, replace(everywhere, where="in process")])
    Case(
        "case",
        Step(),
        differs=[
            replace(everywhere, where="in process"),
            replace(everywhere, where="on the wire"),
        ],
    )
