"""Which cases of a comparison are measured: one request each, and one case a check by default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from quartpatterns.compare.case import Case
from quartpatterns.compare.measurement import Left
from quartpatterns.compare.subject import Subject

__all__ = ["Chosen", "UnknownCaseError", "choose", "why_not"]


class UnknownCaseError(Exception):
    """No case has a name that was asked for; the message says which there are."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The cases of *subject* that are measured."""

    subject: Subject
    cases: tuple[Case, ...]


def why_not(case: Case) -> str | None:
    """Why *case* can't be measured; ``None`` where it can.

    A load generator repeats one request: it follows no session, and waits for no outcome.
    """
    if len(case.steps) > 1:
        return f"a session of {len(case.steps)} requests, and load repeats one"
    [step] = case.steps
    if step.until is not None:
        return "repeats its request until something has happened"
    if step.method.upper() == "HEAD":
        return "wrk waits for a body in the answer to HEAD"
    return None


def choose(
    subjects: Sequence[Subject], names: Sequence[str] = ()
) -> tuple[list[Chosen], list[Left]]:
    """The cases to measure, and the others with the reason.

    Arguments:
        subjects: Where they are from.
        names: Names of cases, or patterns like ``*large*``. Without any it is, for each check,
            the first GET that can be measured; where no case names a check, each GET.

    Raises:
        UnknownCaseError: No case has such a name, or none of these can be measured.
    """
    _ensure_known(subjects, names)
    chosen: list[Chosen] = []
    left: list[Left] = []
    for subject in subjects:
        reasons = [(case, _reason(case, subject.cases, names)) for case in subject.cases]
        cases = tuple(case for case, reason in reasons if reason is None)
        chosen += [Chosen(subject, cases)] if cases else []
        left += [
            Left(subject.name, case.name, reason, able=not why_not(case))
            for case, reason in reasons
            if reason
        ]
    if not chosen:
        listed = "".join(f"\n  {one.subject} · {one.case}: {one.reason}" for one in left)
        raise UnknownCaseError(f"no case can be measured{listed}")
    return chosen, left


def _ensure_known(subjects: Sequence[Subject], names: Sequence[str]) -> None:
    cases = [case for subject in subjects for case in subject.cases]
    for name in names:
        if not any(_named(case, [name]) for case in cases):
            there = "".join(f"\n  {case.name}" for case in cases if not why_not(case))
            raise UnknownCaseError(f"no case {name!r}; there is{there or ' none'}")


def _reason(case: Case, cases: Sequence[Case], names: Sequence[str]) -> str | None:
    if reason := why_not(case):
        return reason
    if names:
        return None if _named(case, names) else "not asked for"
    if case.steps[0].method.upper() != "GET":
        return f"{case.steps[0].method.upper()} and not asked for"
    if any(one.checks for one in cases):
        if not any(_first(case, check, cases) for check in case.checks):
            return "no check of its own"
    return None


def _first(case: Case, check: str, cases: Sequence[Case]) -> bool:
    able = (one for one in cases if check in one.checks and not why_not(one))
    return case is next((one for one in able if one.steps[0].method.upper() == "GET"), None)


def _named(case: Case, names: Sequence[str]) -> bool:
    return any(case.name == name or fnmatchcase(case.name, name) for name in names)
