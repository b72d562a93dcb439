"""Break an application piece by piece, and see which changes the cases do not notice.

What the cases do not notice is what they do not prove: a survivor is a line that could be wrong.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from quartpatterns.compare.case import Comparison
from quartpatterns.compare.mutation_python import Mutant
from quartpatterns.compare.mutation_reasons import Reason
from quartpatterns.compare.mutation_work import MutationJob, Verdict

Outcome = Literal["caught", "survived", "not reached"]
LEAST_LIMIT = 5.0  # seconds that a mutant may take beyond four times the unchanged run


class MutationError(Exception):
    """The mutants cannot be tested; the message says why."""


@dataclass(frozen=True, slots=True)
class MutationTarget:
    """The files of a port that are changed.

    Arguments:
        base: The folder to which paths in a report are relative.
        code: The folder of the modules.
        templates: The folder of the templates.
        pattern: The name of the pattern, for a port of this project.
    """

    base: Path
    code: Path
    templates: Path
    pattern: str | None = None

    @classmethod
    def of_pattern(cls, name: str) -> MutationTarget:
        """Return the files of the pattern *name*: its folder ``example``."""
        spec = importlib.util.find_spec(f"quartpatterns.{name}.example")
        assert spec is not None and spec.origin is not None
        folder = Path(spec.origin).resolve().parent
        return cls(folder, folder, folder, name)

    @classmethod
    def of_application(cls, name: str) -> MutationTarget:
        """Return the files of the user's application ``module:app``.

        They are everything in the folder of its top-level package; for a module that is in no
        package, in the folder of the module. Templates may also be beside the package.

        Raises:
            MutationError: The module has no file.
        """
        top = name.partition(":")[0].partition(".")[0]
        sys.path[:0] = [] if os.getcwd() in sys.path else [os.getcwd()]
        spec = importlib.util.find_spec(top)
        if spec is None or not (spec.has_location or spec.submodule_search_locations):
            raise MutationError(f"module {top!r} has no file that can be changed")
        locations = spec.submodule_search_locations
        folder = Path(next(iter(locations))) if locations else Path(str(spec.origin)).parent
        folder = folder.resolve()
        beside = folder.parent if locations else folder
        return cls(beside, folder, beside)


@dataclass(frozen=True, slots=True)
class MutantResult:
    """What became of one mutant.

    Arguments:
        mutant: The change. Its file is relative to the base of the target.
        outcome: ``caught`` if a case noticed it, ``not reached`` if no case ran its statement.
        noticed_by: The name of the case, or ``start or end``, ``time limit``, ``memory limit`` or
            ``crash``.
        detail: The aspects that differed, or the exception.
        reason: Why it cannot be noticed, if that is known.
    """

    mutant: Mutant
    outcome: Outcome
    noticed_by: str = ""
    detail: str = ""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class MutationResult:
    """The result of one comparison.

    Arguments:
        name: The name of the comparison.
        mutants: Every mutant, in the order of files and lines.
        stale: Reasons for survivors that do not exist (any more).
        reliable: Whether the cases still passed on the unchanged port at the end. Otherwise
            something outside, such as a database, was changed, and may be what the cases noticed.
    """

    name: str
    mutants: tuple[MutantResult, ...]
    stale: tuple[Reason, ...] = ()
    reliable: bool = True

    def count(self, outcome: Outcome) -> int:
        """Return the number of mutants with *outcome*."""
        return sum(each.outcome == outcome for each in self.mutants)

    @property
    def unexplained(self) -> tuple[MutantResult, ...]:
        """The mutants that no case noticed and no reason explains."""
        return tuple(
            each for each in self.mutants if each.outcome != "caught" and each.reason is None
        )


def run_mutation(
    comparison: Comparison,
    target: MutationTarget,
    *,
    reasons: Sequence[Reason] = (),
    jobs: int = 1,
    least_limit: float = LEAST_LIMIT,
    on_progress: Callable[[int, int, int], None] = lambda done, survivors, total: None,
) -> MutationResult:
    """Change the port of *comparison* piece by piece, and run the cases against each mutant.

    Arguments:
        comparison: The applications and the cases.
        target: The files to change.
        reasons: Why some mutants cannot be noticed.
        jobs: The number of mutants that run at the same time.
        least_limit: Seconds that a mutant may take, beyond four times the unchanged run.
        on_progress: Is called with the numbers of finished mutants, survivors, and all mutants.

    Raises:
        MutationError: The cases do not pass on the unchanged port, or this system cannot fork.
    """
    if not hasattr(os, "fork"):
        raise MutationError("--mutate needs a system with fork: Linux or macOS")
    if target.pattern is not None:
        # The process takes it from the pattern: it may be a function that cannot be pickled.
        comparison = replace(comparison, arrange=None)
    folders = (target.code,), (target.code, target.templates)
    job = MutationJob(comparison, *folders, jobs, least_limit, target.pattern)
    with tempfile.TemporaryDirectory(
        prefix="quartpatterns-mutants-", ignore_cleanup_errors=True
    ) as name:
        file = Path(name) / "job"
        file.write_bytes(pickle.dumps(job))
        command = [sys.executable, "-m", "quartpatterns.compare.mutation_server", str(file)]
        log = Path(name) / "log"
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C ends it by closing its input
            ) as server,
        ):
            assert server.stdin is not None
            try:
                with server.stdin:
                    return _read(server, comparison.name, target, reasons, on_progress, log)
            finally:
                server.wait()  # after Ctrl-C, too: it writes into the folder


def _read(
    server: subprocess.Popen[bytes],
    name: str,
    target: MutationTarget,
    reasons: Sequence[Reason],
    on_progress: Callable[[int, int, int], None],
    log: Path,
) -> MutationResult:
    """Read the lines of the server: first the mutants, then their verdicts, then how it ended."""

    def read() -> dict[str, Any]:
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line:
            raise MutationError(f"the process ended: {log.read_text()[-1000:].strip()}")
        values: dict[str, Any] = json.loads(line)
        if "error" in values:
            raise MutationError(values["error"])
        return values

    plan = read()
    mutants = [
        replace(each, file=os.path.relpath(each.file, target.base))
        for each in (Mutant(**values) for values in plan["mutants"])
    ]
    verdicts: dict[int, Verdict] = {}
    survivors = 0
    for _ in mutants:
        on_progress(len(verdicts), survivors, len(mutants))
        values = read()
        index = values.pop("index")
        verdicts[index] = Verdict(**values)
        survivors += verdicts[index].passed
    on_progress(len(verdicts), survivors, len(mutants))
    end = read()
    results: list[MutantResult] = []
    for index, mutant in enumerate(mutants):
        verdict = verdicts[index]
        outcome: Outcome = "caught"
        if verdict.passed:
            outcome = "survived" if plan["reached"][index] else "not reached"
        results.append(MutantResult(mutant, outcome, verdict.noticed_by, verdict.detail))
    explained, stale = explain(results, reasons)
    return MutationResult(name, explained, stale, bool(end["end"]))


def explain(
    results: Sequence[MutantResult], reasons: Sequence[Reason]
) -> tuple[tuple[MutantResult, ...], tuple[Reason, ...]]:
    """Return *results* with their reasons, and the reasons for nothing.

    A reason without a function is for all equal lines. If a case notices one of them, it is not
    true for all, and explains none.
    """
    known = {reason.key: reason for reason in reasons}
    caught = {_place(each) for each in results if each.outcome == "caught"}
    explained: list[MutantResult] = []
    used: set[Reason] = set()
    for each in results:
        reason: Reason | None = None
        if each.outcome != "caught":
            place = _place(each)
            reason = known.get((*place, each.mutant.within))
            if reason is None and place not in caught:
                reason = known.get((*place, ""))
        if reason is not None:
            used.add(reason)
            each = replace(each, reason=reason.reason)
        explained.append(each)
    return tuple(explained), tuple(reason for reason in reasons if reason not in used)


def _place(result: MutantResult) -> tuple[str, str, str]:
    return result.mutant.file, result.mutant.text, result.mutant.change
