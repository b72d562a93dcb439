"""Decide whether two sides answer alike, and say where they do not."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from quartpatterns.compare.case import BodyForm, Case, Difference
from quartpatterns.compare.exchange import body_aspect, canonical_json
from quartpatterns.compare.runner import Played, play
from quartpatterns.compare.transports import Client, client

__all__ = ["Finding", "Result", "Side", "compare_answers", "compare_applications"]

Side = Callable[..., Any] | str
Transport = Literal["in process", "on the wire"]
Kind = Literal["declared", "undeclared", "stale"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One aspect of one step in which the sides differ, or no longer differ.

    Arguments:
        kind: ``declared``: as a :class:`Difference` says. ``undeclared``: nobody said so.
            ``stale``: a declared difference that does not hold any more.
        step: The index of the step.
        aspect: What was compared.
        original: What the original answered; ``None`` for a header that is absent.
        port: What the port answered.
        reason: The declared reason, or what was declared instead.
    """

    kind: Kind
    step: int
    aspect: str
    original: Any
    port: Any
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """The comparison of one case: no finding is undeclared or stale where it passed."""

    case: Case
    findings: tuple[Finding, ...]
    errors: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all that differs was declared, and all that was declared differs."""
        return all(finding.kind == "declared" for finding in self.findings)


async def compare_applications(
    original: Side, port: Side, cases: Sequence[Case], *, transport: Transport = "in process"
) -> AsyncIterator[Result]:
    """Play *cases* against both sides, in order, and yield a result for each.

    Arguments:
        original: A WSGI or ASGI application, or the URL of a server.
        port: The same, for the other side.
        cases: What to ask.
        transport: Which declared differences apply.

    Raises:
        NoAnswerError: A server can't be reached or does not answer in time.
    """
    async with client(original) as one, client(port) as other:
        for case in cases:
            yield await _compare(case, one, other, transport)


async def _compare(case: Case, original: Client, port: Client, transport: Transport) -> Result:
    ours, theirs = await play(case, port), await play(case, original)
    findings = compare_answers(case, theirs, ours, transport)
    errors = [
        f"{side}, step {index}: {played.answer.error}"
        for side, answers in (("original", theirs), ("port", ours))
        for index, played in enumerate(answers)
        if played.answer.error
    ]
    return Result(case, tuple(findings), tuple(errors))


def compare_answers(
    case: Case, original: Sequence[Played], port: Sequence[Played], transport: Transport
) -> list[Finding]:
    """The findings for the answers of both sides to the steps of *case*."""
    findings: list[Finding] = []
    for index, (theirs, ours) in enumerate(zip(original, port, strict=True)):
        declared = {
            difference.aspect: difference
            for difference in case.differs
            if difference.step == index and difference.where in ("everywhere", transport)
        }
        for aspect in sorted({*theirs.aspects, *ours.aspects, *declared}, key=_rank):
            one, other = theirs.aspects.get(aspect), ours.aspects.get(aspect)
            difference = declared.get(aspect)
            form = case.steps[index].compare if aspect == "body" else "text"
            finding = _judge(index, aspect, one, other, difference, form)
            findings += [finding] if finding else []
    return findings


def _rank(aspect: str) -> tuple[int, str]:
    order = ("status", "complete", "header", "body")
    return order.index(aspect.partition(":")[0]), aspect


def _judge(
    step: int, aspect: str, original: Any, port: Any, declared: Difference | None, form: BodyForm
) -> Finding | None:
    if declared is None:
        return None if original == port else Finding("undeclared", step, aspect, original, port)
    if _matches(declared.original, original, form) and _matches(declared.port, port, form):
        return Finding("declared", step, aspect, original, port, declared.reason)
    kind: Kind = "stale" if original == port else "undeclared"
    said = f"declared: original {_shown(declared.original)}, port {_shown(declared.port)}"
    return Finding(kind, step, aspect, original, port, said)


def _matches(expected: Any, value: Any, form: BodyForm) -> bool:
    if isinstance(expected, re.Pattern):
        return isinstance(value, str) and expected.fullmatch(value) is not None
    if isinstance(expected, dict | list):
        return canonical_json(expected) == str(value)
    if isinstance(expected, str):
        return isinstance(value, str) and body_aspect(expected, form) == value
    same: bool = expected == value
    return same


def _shown(expected: Any) -> str:
    if isinstance(expected, re.Pattern):
        return f"/{expected.pattern!s}/"
    return repr(expected)
