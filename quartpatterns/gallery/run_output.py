"""What the commands ``parity --json`` and ``bench --json`` print: their progress and their results.

A result is made small enough to be kept: the names and numbers of all cases, and what differs.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quartpatterns.gallery.results import Kind, RunState

__all__ = ["ARGUMENTS", "OutputError", "Progress", "RunResult", "read_result"]

ARGUMENTS: Mapping[Kind, tuple[str, ...]] = {
    "parity": ("parity", "--json"),
    "bench": ("bench", "--in-process", "--json"),
}
"""The command for each kind of run. The name of the pattern follows."""

LONGEST_VALUE = 1_000
MOST_FINDINGS = 50
# "flashing: 3 of 21 cases", "21 case(s), about 40 s" and "flashing · the index: in process".
_STEP = re.compile(r".+: (?P<done>\d+) of (?P<total>\d+) cases?")
_ESTIMATE = re.compile(r"(?P<total>\d+) case\(s\), about .+")
_MEASUREMENT = re.compile(r".+ · .+: in process")


class OutputError(Exception):
    """A command has printed no result."""


@dataclass(slots=True)
class Progress:
    """How far a command is.

    Arguments:
        done: The cases that are done.
        total: The number of cases, 0 if it is not known yet.
        line: The last line of text, empty if it is only about the number.
        started: The cases whose measurement has started.
    """

    done: int = 0
    total: int = 0
    line: str = ""
    started: int = 0

    def read(self, line: str) -> bool:
        """Note what *line* says, and return whether it says something."""
        if not (line := line.strip()):
            return False
        self.line = line[:LONGEST_VALUE]
        if match := _STEP.fullmatch(line):
            self.done, self.total, self.line = int(match["done"]), int(match["total"]), ""
        elif match := _ESTIMATE.fullmatch(line):
            self.total = int(match["total"])
        elif _MEASUREMENT.fullmatch(line):
            self.done, self.started = self.started, self.started + 1
        return True


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a run, as the database keeps it.

    Arguments:
        state: ``passed``, ``failed`` or ``error``.
        message: Why the run did not get to its end.
        summary: Numbers.
        cases: The results of the cases.
    """

    state: RunState
    message: str | None
    summary: dict[str, Any]
    cases: list[dict[str, Any]]


def read_result(kind: Kind, output: bytes) -> RunResult:
    """Return what the command has printed.

    Raises:
        OutputError: It has printed nothing, or something else.
    """
    try:
        data = json.loads(output)
        return _parity(data) if kind == "parity" else _bench(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(f"the command has printed no result ({type(error).__name__})") from error


def _parity(data: dict[str, Any]) -> RunResult:
    counts = ("cases", "extra", "passed", "declared")
    summary: dict[str, Any] = dict.fromkeys(counts, 0)
    cases: list[dict[str, Any]] = []
    for comparison in data["comparisons"].values():
        for name in counts:
            summary[name] += comparison[name]
        cases += map(_parity_case, comparison["results"])
    message = "; ".join(data["not_run"].values()) or None
    failed = summary["passed"] < summary["cases"]
    state: RunState = "failed" if failed else "error" if message else "passed"
    return RunResult(state, message, summary, cases)


def _parity_case(result: dict[str, Any]) -> dict[str, Any]:
    findings = [finding for finding in result["findings"] if finding["state"] != "declared"]
    case = {"case": result["case"], "passed": result["passed"]}
    if declared := len(result["findings"]) - len(findings):
        case["declared"] = declared
    if findings:
        case["findings"] = [
            {name: _short(finding[name]) for name in ("aspect", "state", "original", "port")}
            for finding in findings[:MOST_FINDINGS]
        ]
    return case


def _bench(data: dict[str, Any]) -> RunResult:
    cases = [_bench_case(case) for case in data["cases"]]
    cases += [
        {"case": each["case"] or each["comparison"], "reason": _short(each["reason"])}
        for each in data["failed"]
    ]
    ratios = [case["ratio"] for case in cases if case.get("ratio")]
    summary = {
        "cases": len(cases),
        "passed": len(data["cases"]),
        "skipped": len(data["skipped"]),
        "ratio": round(statistics.geometric_mean(ratios), 3) if ratios else None,
        "load": data["load_before"],
        "versions": {name: data["versions"].get(name) for name in ("python", "quart", "flask")},
    }
    if not cases:
        return RunResult("error", "this pattern has no case that can be measured", summary, [])
    return RunResult("passed" if data["passed"] else "failed", None, summary, cases)


def _bench_case(case: dict[str, Any]) -> dict[str, Any]:
    original, port = (case[side]["median"]["cpu"]["median"] for side in ("original", "port"))
    ratio = case["ratio"]["cpu"]
    return {
        "case": case["case"],
        "original": round(original, 1),
        "port": round(port, 1),
        "ratio": ratio and round(ratio, 3),
        "winner": case["winner"]["cpu"],
    }


def _short(value: Any) -> Any:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} ..."
