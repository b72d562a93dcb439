"""Find the aspects in which two responses differ, and whether a difference declares them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from quartpatterns.compare.case import BodyForm, Case, Difference, Kind, Transport
from quartpatterns.compare.responses import (
    StepResult,
    canonical_json,
    normalize_body,
    printable,
)

State = Literal["declared", "undeclared", "stale", "unexpected", "error"]
_LENGTH = "header:content-length"


@dataclass(frozen=True, slots=True)
class Finding:
    """One aspect of one step in which the applications differ, or no longer differ.

    Its state is one of these:

    * ``declared``: a :class:`Difference` declares both values.
    * ``undeclared``: no difference declares them.
    * ``stale``: a declared difference no longer exists.
    * ``unexpected``: an extra of the port has another value than the step expects.
    * ``error``: the step names something that the response does not have. The aspect is
      ``capture:<name>``, ``mask:<name>``, ``response`` (none in time), ``until`` or
      ``receive:<index of a part>``.
    """

    state: State
    step: int  # its index
    aspect: str
    original: Any  # the value, None for a missing header; the expected value of an extra
    port: Any
    reason: str = ""  # the declared reason, or the values that were declared instead
    kind: Kind | None = None  # of the declared difference


def findings_of_case(
    case: Case,
    original: Sequence[StepResult],
    port: Sequence[StepResult],
    transport: Transport,
    server: str | None = None,
) -> list[Finding]:
    """Return the differences between the responses of both applications, and the errors.

    Arguments:
        case: The case, with its declared differences.
        original: The results of its steps from the original.
        port: Those from the port.
        transport: Decides which declared differences apply.
        server: The server of the port, which decides that, too.
    """
    findings: list[Finding] = []
    # After an error, one of the two has fewer steps.
    for index, (original_step, port_step) in enumerate(zip(original, port, strict=False)):
        declared = {
            difference.aspect: difference
            for difference in case.differs
            if difference.step == index and difference.where in ("everywhere", transport, server)
        }
        names = {*original_step.aspects, *port_step.aspects, *declared}
        for aspect in sorted(names, key=_rank):
            values = original_step.aspects.get(aspect), port_step.aspects.get(aspect)
            if aspect == _LENGTH and aspect not in declared and "body" in declared:
                if original_step.has_length and port_step.has_length:
                    continue  # It follows from the bodies, and their difference is declared.
            form = case.steps[index].compare if aspect == "body" else "text"
            finding = _finding(index, aspect, *values, declared.get(aspect), form)
            findings += [finding] if finding else []
        findings += _errors(index, original=original_step.errors, port=port_step.errors)
    return findings


def findings_of_extra(case: Case, port: Sequence[StepResult]) -> list[Finding]:
    """Return where the responses of the port are not as the steps of *case*, an extra, expect."""
    findings: list[Finding] = []
    for index, (step, result) in enumerate(zip(case.steps, port, strict=False)):
        for aspect, expected in (step.expected or {}).items():
            value = _shown_value(result.aspects.get(aspect))
            form: BodyForm = step.compare if aspect == "body" else "text"
            if not _matches(expected, value, form):
                shown = _shown(expected, form)
                findings.append(Finding("unexpected", index, aspect, shown, value))
        findings += _errors(index, original={}, port=result.errors)
    return findings


def _errors(step: int, *, original: Mapping[str, str], port: Mapping[str, str]) -> list[Finding]:
    return [
        Finding("error", step, aspect, original.get(aspect, "found"), port.get(aspect, "found"))
        for aspect in sorted({*original, *port})
    ]


def _rank(aspect: str) -> tuple[int, str]:
    order = ("status", "complete", "header", "body")
    return order.index(aspect.partition(":")[0]), aspect


def _finding(
    step: int, aspect: str, original: Any, port: Any, declared: Difference | None, form: BodyForm
) -> Finding | None:
    equal = original == port
    shown = _shown_value(original), _shown_value(port)
    if not equal and shown[0] == shown[1]:  # A byte, and the text that shows such a byte.
        shown = ascii(original), ascii(port)
    original, port = shown
    if declared is None:
        return None if equal else Finding("undeclared", step, aspect, original, port)
    if _matches(declared.original, original, form) and _matches(declared.port, port, form):
        return Finding(
            "declared", step, aspect, original, port, declared.reason, kind=declared.kind
        )
    state: State = "stale" if equal else "undeclared"
    reason = f"declared: original {_describe(declared.original)}, port {_describe(declared.port)}"
    return Finding(state, step, aspect, original, port, reason)


def _matches(expected: Any, value: Any, form: BodyForm) -> bool:
    if isinstance(expected, re.Pattern):
        return isinstance(value, str) and expected.fullmatch(value) is not None
    if isinstance(expected, dict | list):
        return printable(canonical_json(expected)) == str(value)
    if isinstance(expected, str):
        return isinstance(value, str) and normalize_body(expected, form) == value
    return bool(expected == value)


def _shown_value(value: Any) -> Any:
    """Return the *value* of an aspect as a report shows it and a difference declares it."""
    return printable(value) if isinstance(value, str) else value


def _shown(expected: Any, form: BodyForm) -> Any:
    """Return *expected* as a report shows it: in the form in which it is compared."""
    if isinstance(expected, dict | list):
        return canonical_json(expected)
    if isinstance(expected, str):
        return normalize_body(expected, form)
    return _describe(expected) if isinstance(expected, re.Pattern) else expected


def _describe(expected: Any) -> str:
    return f"/{expected.pattern!s}/" if isinstance(expected, re.Pattern) else repr(expected)
