from __future__ import annotations

import pytest

from quartpatterns.compare.bench_selection import (
    UnknownCaseError,
    reason_not_measurable,
    select_cases,
)
from quartpatterns.compare.case import Case, Close, Comparison, Step

FIRST = Case("first", Step("/1"), checks=("A-1",))
AGAIN = Case("again", Step("/2"), checks=("A-1",))
MORE = Case("more", Step("/3"), checks=("A-1", "A-2"))
POST = Case("post", Step("/4", method="POST"), checks=("A-3",))
UNCHECKED = Case("unchecked", Step("/5"))
SESSION = Case("session", Step("/"), Step("/"), checks=("A-4",))
CASES = (FIRST, AGAIN, MORE, POST, UNCHECKED, SESSION)


def comparison(name: str, *cases: Case) -> Comparison:
    return Comparison(name, "a:app", "b:app", cases)


def names(*selected: str) -> list[str]:
    selections, _ = select_cases([comparison("all", *CASES)], selected)
    return [case.name for each in selections for case in each.cases]


def test_default() -> None:
    """By default, the first GET of each check is selected."""
    assert names() == ["first", "more"]


def test_default_unchecked() -> None:
    """If no case names a check, each GET is selected."""
    other = Case("other", Step("/6"))
    post = Case("post", Step("/4", method="POST"))
    selections, _ = select_cases([comparison("own", UNCHECKED, post, other)])
    assert selections[0].cases == (UNCHECKED, other)


@pytest.mark.parametrize(
    ("selected", "found"),
    [
        pytest.param(["again"], ["again"], id="name"),
        pytest.param(["post"], ["post"], id="POST"),
        pytest.param(["*st"], ["first", "post"], id="pattern"),
        pytest.param(["again", "m*"], ["again", "more"], id="several"),
        pytest.param(["*"], ["first", "again", "more", "post", "unchecked"], id="all"),
    ],
)
def test_named(selected: list[str], found: list[str]) -> None:
    """Names and wildcards select cases."""
    assert names(*selected) == found


def test_brackets() -> None:
    """A name with brackets matches exactly, not only as a wildcard."""
    case = Case("GET /[x]", Step("/"))
    selections, _ = select_cases([comparison("one", case)], ["GET /[x]"])
    assert selections[0].cases == (case,)


def test_reasons() -> None:
    """Each skipped case has a reason."""
    _, skipped = select_cases([comparison("all", *CASES)])
    reasons = {each.case: each.reason for each in skipped}
    assert reasons.keys() == {"again", "post", "unchecked", "session"}
    assert "a session of 2 requests" in reasons["session"]
    assert reasons["post"] == "POST, and not selected"
    assert [each.case for each in skipped if each.measurable] == ["again", "post", "unchecked"]


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (FIRST, None),
        (SESSION, "a session of 2 requests"),
        (Case("waits", Step("/", until="done")), "until a condition is met"),
        (Case("head", Step("/", method="HEAD")), "HEAD"),
        (Case("live", Step("/", websocket=[Close()])), "a conversation"),
        (Case("feed", Step("/", stream=[Close()])), "a conversation"),
    ],
)
def test_reason_not_measurable(case: Case, reason: str | None) -> None:
    """A load generator repeats one request, and needs a body in the response."""
    found = reason_not_measurable(case)
    assert (found is None) if reason is None else reason in str(found)


def test_unknown_name() -> None:
    """An unknown name is an error that lists the measurable cases."""
    with pytest.raises(UnknownCaseError, match="no case 'nope'; the cases are\n  first") as caught:
        names("first", "nope")
    assert "session" not in str(caught.value), "it cannot be measured"


def test_similar_name() -> None:
    with pytest.raises(UnknownCaseError, match=r"no case 'frist'; did you mean first\?"):
        names("frist")


def test_nothing_measurable() -> None:
    """If no case can be measured, the error contains the reasons."""
    with pytest.raises(UnknownCaseError, match="one · session: a session of 2 requests"):
        select_cases([comparison("one", SESSION)])


def test_comparison_without_cases() -> None:
    """A comparison without selected cases is not started."""
    selections, _ = select_cases([comparison("one", FIRST), comparison("two", POST)])
    assert [each.comparison.name for each in selections] == ["one"]
