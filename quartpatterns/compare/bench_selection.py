"""Select the cases that a benchmark measures."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from quartpatterns.compare.bench_results import UnmeasuredCase
from quartpatterns.compare.case import Case, Comparison


class UnknownCaseError(Exception):
    """No case has the requested name; the message lists the names."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases of *comparison* to measure."""

    comparison: Comparison
    cases: tuple[Case, ...]


def reason_not_measurable(case: Case) -> str | None:
    """Return why a load generator, which repeats one request, cannot measure *case*, or None."""
    if case.extra:
        return "an extra of the port; there is no original to measure it against"
    if len(case.steps) > 1:
        return f"a session of {len(case.steps)} requests; a load test repeats one"
    [step] = case.steps
    if step.websocket is not None or step.stream is not None:
        return "a conversation; a load test repeats one request and reads its whole response"
    if step.until is not None:
        return "repeats its request until a condition is met"
    if step.method.upper() == "HEAD":
        return "wrk waits for a body in the response to HEAD"
    return None


def select_cases(
    comparisons: Sequence[Comparison], names: Sequence[str] = ()
) -> tuple[list[Selection], list[UnmeasuredCase]]:
    """Return the cases to measure, and the others with the reason.

    Arguments:
        comparisons: The comparisons.
        names: Names of cases, or wildcards like ``*large*``. By default, the first measurable GET
            of each check; if no case names a check, each GET.

    Raises:
        UnknownCaseError: No case has such a name, or none can be measured.
    """
    _ensure_known(comparisons, names)
    selections: list[Selection] = []
    skipped: list[UnmeasuredCase] = []
    for comparison in comparisons:
        selected: list[Case] = []
        for case in comparison.cases:
            if reason := _reason_to_skip(case, comparison.cases, names):
                measurable = not reason_not_measurable(case)
                skipped.append(UnmeasuredCase(comparison.name, case.name, reason, measurable))
            else:
                selected.append(case)
        selections += [Selection(comparison, tuple(selected))] if selected else []
    if not selections:
        reasons = "".join(f"\n  {case.comparison} · {case.case}: {case.reason}" for case in skipped)
        raise UnknownCaseError(f"no case can be measured{reasons}")
    return selections, skipped


def _ensure_known(comparisons: Sequence[Comparison], names: Sequence[str]) -> None:
    cases = [case for comparison in comparisons for case in comparison.cases]
    for name in names:
        if not any(_is_named(case, [name]) for case in cases):
            known = [case.name for case in cases if not reason_not_measurable(case)]
            if close := difflib.get_close_matches(name, known, n=3):
                raise UnknownCaseError(f"no case {name!r}; did you mean {' or '.join(close)}?")
            listed = "".join(f"\n  {each}" for each in known)
            raise UnknownCaseError(f"no case {name!r}; the cases are{listed or ' none'}")


def _reason_to_skip(case: Case, cases: Sequence[Case], names: Sequence[str]) -> str | None:
    if reason := reason_not_measurable(case):
        return reason
    if names:
        return None if _is_named(case, names) else "not selected"
    if not _is_get(case):
        return f"{case.steps[0].method.upper()}, and not selected"
    if any(each.checks for each in cases):
        if not any(case is _first_of_check(check, cases) for check in case.checks):
            return "its checks are measured with another case"
    return None


def _first_of_check(check: str, cases: Sequence[Case]) -> Case | None:
    measurable = (case for case in cases if not reason_not_measurable(case) and _is_get(case))
    return next((case for case in measurable if check in case.checks), None)


def _is_get(case: Case) -> bool:
    return case.steps[0].method.upper() == "GET"


def _is_named(case: Case, names: Sequence[str]) -> bool:
    return any(case.name == name or fnmatchcase(case.name, name) for name in names)
