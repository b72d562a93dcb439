"""Each ``await`` and ``async`` that the port adds is needed: the tests or the report notice it."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from quartpatterns.compare.mutation_reasons import read_reasons
from quartpatterns.porting import Plan
from quartpatterns.porting.oracle import missed_places
from tests.porting.await_mutants import AwaitMutant, await_mutants
from tests.porting.forked_pytest import ForkedPytest
from tests.porting.ported import port
from tests.porting.test_applications import APPLICATIONS, NAMES

SURVIVORS = APPLICATIONS / "survivors.toml"
OPTIONS = ("-q", "-x", "-W", "always:coroutine:RuntimeWarning")
PROCESSES = 2


@dataclass(frozen=True)
class Result:
    """Who notices that a keyword is missing: Python, the tests, the report or nobody."""

    file: str
    mutant: AwaitMutant
    noticed_by: str


def results(name: str, folder: Path) -> Iterator[Result]:
    """Yield the result for each keyword in an application."""
    original = Path(shutil.copytree(APPLICATIONS / name, folder / "ported" / name))
    plan = port(original)
    pending: list[tuple[str, AwaitMutant]] = []
    for change in plan.changes:
        if change.file.endswith(".py"):
            for mutant in await_mutants(change.after.decode()):
                if mutant.is_valid:
                    pending.append((change.file, mutant))
                else:
                    yield Result(change.file, mutant, "Python")
    parts = [pending[number::PROCESSES] for number in range(PROCESSES)]
    copies = [
        Path(shutil.copytree(original, folder / str(number) / name)) for number in range(PROCESSES)
    ]
    with ThreadPoolExecutor() as executor:
        for found in executor.map(_run_all, [plan] * PROCESSES, copies, parts):
            yield from found


def _run_all(plan: Plan, folder: Path, pending: list[tuple[str, AwaitMutant]]) -> list[Result]:
    found: list[Result] = []
    times = itertools.count(int(time.time()), 2)
    with ForkedPytest() as process:
        for name, mutant in pending:
            path = folder / name
            before = path.read_bytes()
            _write(path, mutant.text.encode(), next(times))
            outcome = process.run(folder, *OPTIONS)
            failed = outcome.code != 0
            missed = missed_places(outcome.output, plan, folder, failed=failed)
            _write(path, before, next(times))
            noticed_by = "the tests" if failed else "the report" if missed else "nobody"
            found.append(Result(name, mutant, noticed_by))
    return found


def _write(path: Path, content: bytes, when: int) -> None:
    """Write a file with a time of its own: Python compares times in seconds."""
    path.write_bytes(content)
    os.utime(path, (when, when))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_each_keyword(name: str, tmp_path: Path) -> None:
    """Only changes with a reason in ``survivors.toml`` are noticed by nobody."""
    found = [*results(name, tmp_path)]
    print(name, len(found), dict(Counter(each.noticed_by for each in found)))  # noqa: T201
    survivors = {
        (f"{name}/{each.file}", each.mutant.code, each.mutant.change)
        for each in found
        if each.noticed_by == "nobody"
    }
    reasons = {
        reason.key[:3] for reason in read_reasons(SURVIVORS) if reason.file.startswith(f"{name}/")
    }
    assert survivors - reasons == set()
    assert reasons - survivors == set()
