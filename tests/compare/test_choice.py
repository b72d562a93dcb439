from __future__ import annotations

import pytest

from quartpatterns.compare.case import Case, Step
from quartpatterns.compare.choice import UnknownCaseError, choose, why_not
from quartpatterns.compare.subject import Subject

FIRST = Case("first", Step("/1"), checks=("A-1",))
AGAIN = Case("again", Step("/2"), checks=("A-1",))
MORE = Case("more", Step("/3"), checks=("A-1", "A-2"))
POST = Case("post", Step("/4", method="POST"), checks=("A-3",))
UNCHECKED = Case("unchecked", Step("/5"))
SESSION = Case("session", Step("/"), Step("/"), checks=("A-4",))
CASES = (FIRST, AGAIN, MORE, POST, UNCHECKED, SESSION)


def subject(name: str, *cases: Case) -> Subject:
    return Subject(name, "a:app", "b:app", cases)


def names(*wanted: str) -> list[str]:
    chosen, _ = choose([subject("all", *CASES)], wanted)
    return [case.name for one in chosen for case in one.cases]


def test_default() -> None:
    """By default it is one GET for each check."""
    assert names() == ["first", "more"]


def test_default_unchecked() -> None:
    """Where no case names a check, as in a user's own, it is each GET."""
    other = Case("other", Step("/6"))
    post = Case("post", Step("/4", method="POST"))
    chosen, _ = choose([subject("own", UNCHECKED, post, other)])
    assert chosen[0].cases == (UNCHECKED, other)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param(["again"], ["again"], id="name"),
        pytest.param(["post"], ["post"], id="POST"),
        pytest.param(["*st"], ["first", "post"], id="pattern"),
        pytest.param(["again", "m*"], ["again", "more"], id="several"),
        pytest.param(["*"], ["first", "again", "more", "post", "unchecked"], id="all"),
    ],
)
def test_named(wanted: list[str], found: list[str]) -> None:
    """Cases are named, or matched."""
    assert names(*wanted) == found


def test_brackets() -> None:
    """A name with brackets is a name before it is a pattern."""
    case = Case("GET /[x]", Step("/"))
    chosen, _ = choose([subject("one", case)], ["GET /[x]"])
    assert chosen[0].cases == (case,)


def test_reasons() -> None:
    """Each case that is left out has its reason."""
    _, left = choose([subject("all", *CASES)])
    reasons = {one.case: one.reason for one in left}
    assert reasons.keys() == {"again", "post", "unchecked", "session"}
    assert "a session of 2 requests" in reasons["session"]
    assert reasons["post"] == "POST and not asked for"
    assert [one.case for one in left if one.able] == ["again", "post", "unchecked"]


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (FIRST, None),
        (SESSION, "a session of 2 requests"),
        (Case("waits", Step("/", until="done")), "until something has happened"),
        (Case("head", Step("/", method="HEAD")), "HEAD"),
    ],
)
def test_why_not(case: Case, reason: str | None) -> None:
    """A load generator repeats one request that has an answer with a body."""
    found = why_not(case)
    assert (found is None) if reason is None else reason in str(found)


def test_unknown() -> None:
    """A name that no case has is an error that lists those there are."""
    with pytest.raises(UnknownCaseError, match="no case 'nope'; there is\n  first") as caught:
        names("first", "nope")
    assert "session" not in str(caught.value), "it could not be measured anyway"


def test_none() -> None:
    """Nothing that can be measured is an error with the reasons."""
    with pytest.raises(UnknownCaseError, match="one · session: a session of 2 requests"):
        choose([subject("one", SESSION)])


def test_subjects() -> None:
    """A subject without a chosen case is not set up at all."""
    chosen, _ = choose([subject("one", FIRST), subject("two", POST)])
    assert [one.subject.name for one in chosen] == ["one"]
