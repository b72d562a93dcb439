"""The process that runs the cases against each mutant: ``python -m`` this module.

It imports the libraries of both applications once, and forks for every mutant. It has no thread
and no event loop of its own, and has imported none of the files that are changed, so each child
imports them as a new process would. A child makes what the applications need (the arrangement of
the cases) for itself, so that no mutant sees what another one wrote.

It ends when its standard input does, and it writes one line of JSON for each result.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import pickle
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import psutil

from quartpatterns.compare.case import pattern_comparison
from quartpatterns.compare.mutation_python import Mutant
from quartpatterns.compare.mutation_work import (
    MutationJob,
    Survey,
    Verdict,
    check,
    check_mutant,
    survey,
)

MEMORY_LIMIT = 2 * 1024**3  # bytes of a mutant; one that fills the memory is stopped
MORE_TIME = 3  # how many times the limit a mutant may take that took longer than the limit
_POLL_INTERVAL = 0.01  # seconds


def _child(work: Callable[[Path], object], folder: Path) -> NoReturn:
    """Do *work* in a forked process, and write its result to a file."""
    code = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        sys.stdin = io.StringIO()
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        result = work(folder)
        (folder / "written").write_bytes(pickle.dumps(result))
        (folder / "written").rename(folder / "result")  # It is killed at any time.
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        # No handler of the parent, no thread and no destructor has a say in how this ends.
        os._exit(code)


@dataclass(slots=True)
class _Running:
    pid: int
    folder: Path
    started: float

    def result(self) -> Any:
        file = self.folder / "result"
        return pickle.loads(file.read_bytes()) if file.exists() else None

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace").strip()


class Server:
    """Forks, and waits for the children."""

    def __init__(self, job: MutationJob, folder: Path) -> None:
        self.job = job
        self.folder = folder
        self.started = 0

    def start(self, work: Callable[[Path], object]) -> _Running:
        self.started += 1
        folder = self.folder / str(self.started)
        folder.mkdir()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            _child(work, folder)
        with contextlib.suppress(OSError):  # The child has done it, or has ended already.
            os.setpgid(pid, pid)
        return _Running(pid, folder, time.monotonic())

    def run(self, work: Callable[[Path], object]) -> tuple[Any, str, float]:
        """Return the result of *work*, or its log if there is none, and the seconds it took."""
        running = self.start(work)
        try:
            while not self._has_ended(running):
                self._wait()
        except BaseException:
            self._kill(running)
            raise
        seconds = time.monotonic() - running.started
        result, log = running.result(), running.log()
        shutil.rmtree(running.folder, ignore_errors=True)
        return result, log, seconds

    def run_mutants(self, mutants: Sequence[Mutant], limit: float) -> Iterator[tuple[int, Verdict]]:
        """Yield the index and the verdict of each of *mutants*, as they end.

        A busy machine delays a mutant, too. So one that takes longer than *limit* is run again,
        alone and with more time.
        """
        late = []
        for index, verdict in self._run_mutants(list(enumerate(mutants)), self.job.jobs, limit):
            if verdict.noticed_by == "time limit":
                late.append((index, mutants[index]))
            else:
                yield index, verdict
        yield from self._run_mutants(late, 1, limit * MORE_TIME)

    def _run_mutants(
        self, mutants: Sequence[tuple[int, Mutant]], jobs: int, limit: float
    ) -> Iterator[tuple[int, Verdict]]:
        waiting = list(mutants)[::-1]
        running: dict[int, _Running] = {}
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    index, mutant = waiting.pop()
                    running[index] = self.start(partial(check_mutant, self.job, mutant=mutant))
                self._wait()
                for index, each in list(running.items()):
                    verdict = self._verdict(each, limit)
                    if verdict is not None:
                        del running[index]
                        yield index, verdict
        finally:
            for each in running.values():
                self._kill(each)

    def _verdict(self, running: _Running, limit: float) -> Verdict | None:
        """Return the verdict if *running* has ended or must end now."""
        verdict: Verdict | None = None
        if self._has_ended(running):
            verdict = running.result() or Verdict(False, "crash", running.log()[-500:])
        elif time.monotonic() - running.started > limit:
            self._kill(running)
            verdict = running.result() or Verdict(False, "time limit", f"{limit:.1f} s")
        elif _memory(running.pid) > MEMORY_LIMIT:
            self._kill(running)
            verdict = Verdict(False, "memory limit")
        if verdict is not None:
            shutil.rmtree(running.folder, ignore_errors=True)
        return verdict

    def _has_ended(self, running: _Running) -> bool:
        ended = os.waitpid(running.pid, os.WNOHANG)[0] != 0
        if ended:
            _kill_group(running.pid)
        return ended

    def _kill(self, running: _Running) -> None:
        _kill_group(running.pid)
        os.waitpid(running.pid, 0)

    def _wait(self) -> None:
        """Wait a moment; end if the process that started this one has ended."""
        if select.select([0], [], [], _POLL_INTERVAL)[0] and not os.read(0, 512):
            raise SystemExit(1)


def _kill_group(pid: int) -> None:
    """Kill the child *pid*, and the programs that its application has started and not stopped."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _memory(pid: int) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        rss: int = psutil.Process(pid).memory_info().rss
        return rss
    return 0


def _warm_up(job: MutationJob, modules: Sequence[str]) -> None:
    """Import the libraries and the original, so that no child has to."""
    names = [*modules, job.comparison.original.partition(":")[0]]
    for name in names:
        # Some modules can only be imported in a certain order, or by their package.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def main() -> None:
    """Run the job in the file that the first argument names."""
    job: MutationJob = pickle.loads(Path(sys.argv[1]).read_bytes())
    sys.path.insert(0, os.getcwd())
    if job.pattern is not None:
        arrange = pattern_comparison(job.pattern).arrange
        job = replace(job, comparison=replace(job.comparison, arrange=arrange))
    server = Server(job, Path(sys.argv[1]).parent)

    def say(**values: object) -> None:
        print(json.dumps(values), flush=True)  # noqa: T201  the protocol of this process

    found, log, _ = server.run(partial(survey, job))
    if not isinstance(found, Survey):
        say(error=log)
        return
    _warm_up(job, found.modules)
    verdict, log, seconds = server.run(partial(check, job))
    if not (verdict and verdict.passed):
        detail = f"{verdict.noticed_by}: {verdict.detail}" if verdict else log
        say(error=f"the cases must pass before anything is changed: {detail}")
        return
    reached = [
        not mutant.file.endswith(".py") or mutant.statement in found.statements[mutant.file]
        for mutant in found.mutants
    ]
    limit = job.least_limit + 4 * seconds
    say(seconds=seconds, limit=limit, reached=reached, mutants=[asdict(m) for m in found.mutants])
    for index, each in server.run_mutants(found.mutants, limit):
        say(index=index, **asdict(each))
    verdict, log, _ = server.run(partial(check, job))
    say(end=bool(verdict and verdict.passed), log=log[-500:])


if __name__ == "__main__":
    try:
        main()
    except (SystemExit, BrokenPipeError):  # SIGTERM has ended the parent: it can't remove this.
        shutil.rmtree(Path(sys.argv[1]).parent, ignore_errors=True)
        sys.exit(1)
