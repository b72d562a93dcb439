"""The condition for measuring a case: both sides answer it alike, or as it declares."""

from __future__ import annotations

from quartpatterns.compare.case import Case
from quartpatterns.compare.parity import Transport, compare_answers
from quartpatterns.compare.runner import play
from quartpatterns.compare.transports import Client

__all__ = ["NotAlikeError", "ensure_alike"]


class NotAlikeError(Exception):
    """The sides answer differently; the message says where."""


async def ensure_alike(
    case: Case, original: Client, port: Client, transport: Transport
) -> tuple[int, int]:
    """Ask both sides, and return the status of the original's last answer and of the port's.

    Raises:
        NotAlikeError: They differ in what no declaration allows, or a declaration is stale.
        NoAnswerError: A server can't be reached or does not answer in time.
    """
    theirs, ours = await play(case, original), await play(case, port)
    findings = compare_answers(case, theirs, ours, transport)
    wrong: dict[str, list[str]] = {}
    for finding in findings:
        if finding.kind != "declared":
            wrong.setdefault(finding.kind, []).append(finding.aspect)
    if wrong:
        kinds = "; ".join(f"{kind} {', '.join(aspects)}" for kind, aspects in wrong.items())
        raise NotAlikeError(f"the sides differ {transport}: {kinds}; quartpatterns parity shows it")
    return theirs[-1].answer.status, ours[-1].answer.status
