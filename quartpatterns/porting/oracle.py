"""Run the tests of a project before and after the port, and name what the analysis has missed."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from quartpatterns.porting.project import SKIPPED
from quartpatterns.porting.report import FileChange, Plan, PortFinding

__all__ = ["RunError", "TestsRun", "copied", "run_before", "run_ported"]

NEVER_AWAITED = re.compile(r"coroutine '([^']+)' was never awaited")
# A line of a traceback, as pytest and Python write it: file.py:12: Error, File "file.py", line 12
PLACE = re.compile(r'(?m)^(?:\s*File ")?([^\s":][^":\n]*\.py)(?::|", line )(\d+)')
ERROR = re.compile(r"(?m)^E\s+(\w*(?:Error|Exception|Warning)\b.*)$")
LAST_LINES = 15


class RunError(Exception):
    """The command of ``--run`` cannot be run, or fails before the port."""


@dataclass(frozen=True, slots=True)
class TestsRun:
    """The result of the command.

    Attributes:
        code: Its exit code.
        output: What it printed.
        summary: The last line that is not empty.
    """

    code: int
    output: str

    @property
    def summary(self) -> str:
        """The last line that is not empty."""
        lines = [line for line in self.output.splitlines() if line.strip()]
        return lines[-1].strip("= ") if lines else "no output"

    @property
    def end(self) -> str:
        """The last lines."""
        return "\n".join(self.output.rstrip().splitlines()[-LAST_LINES:])


def run_before(folder: Path, command: str, timeout: float) -> TestsRun:
    """Run *command* in a copy of the project.

    Arguments:
        folder: The folder of the project.
        command: The command, such as ``pytest -q``.
        timeout: Seconds after which it is stopped.

    Raises:
        RunError: The command does not exist, or takes longer.
    """
    with copied(folder) as copy:
        return _run(copy, command, timeout)


def run_ported(plan: Plan, command: str, timeout: float) -> tuple[TestsRun, list[PortFinding]]:
    """Run *command* in a copy of the project with the changes of *plan*.

    Returns:
        The outcome, and the places that fail and that the plan does not name.
    """
    with copied(plan.folder, plan.changes) as copy:
        outcome = _run(copy, command, timeout)
        return outcome, [*_missed(outcome, plan, copy)]


@contextlib.contextmanager
def copied(folder: Path, changes: Iterable[FileChange] = ()) -> Generator[Path, None, None]:
    """Yield a copy of a project, with *changes*. It is removed at the end.

    Arguments:
        folder: The folder of the project.
        changes: The files that are different in the copy.
    """
    parent = Path(tempfile.mkdtemp(prefix="port-"))
    try:
        copy = parent / folder.resolve().name
        ignored = shutil.ignore_patterns(".git", "*.pyc", *SKIPPED)
        shutil.copytree(folder, copy, symlinks=True, ignore=ignored)
        for change in changes:
            path = copy / change.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(change.after)
        yield copy
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def _run(folder: Path, command: str, timeout: float) -> TestsRun:
    words = shlex.split(command)
    if not words:
        raise RunError("--run: there is no command")
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except OSError as error:
        raise RunError(f"--run: {words[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise RunError(
            f"--run: {command} took longer than {timeout:g} s: raise --timeout"
        ) from error
    return TestsRun(done.returncode, done.stdout)


def _missed(outcome: TestsRun, plan: Plan, folder: Path) -> Iterator[PortFinding]:
    """Yield places in the output that no finding names."""
    named = {(each.file, each.line) for each in plan.findings}
    for name in dict.fromkeys(NEVER_AWAITED.findall(outcome.output)):
        short = name.rpartition(".")[2]
        made = next((each for each in plan.made_async if each.name.endswith(short)), None)
        yield PortFinding(
            made.file if made else "",
            made.line if made else 0,
            "missed",
            f"{name}()",
            "a test calls this coroutine function, and nothing awaits it",
            "find the call, and add await",
        )
    if outcome.code == 0:
        return
    seen: set[tuple[str, int]] = set()
    for part in re.split(r"(?m)^_{3,} .* _{3,}$", outcome.output):
        places = [
            (name, int(line))
            for path, line in PLACE.findall(part)
            if (name := _inside(path, folder)) is not None
        ]
        error = ERROR.search(part)
        if places and error and not any(place in named for place in places):
            file, line = places[-1]
            if (file, line) not in seen:
                seen.add((file, line))
                yield PortFinding(file, line, "missed", "", error[1].strip(), "read the traceback")


def _inside(path: str, folder: Path) -> str | None:
    """Return *path* relative to the project, or None if it is outside."""
    full = folder / path
    try:
        name = full.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return None
    return name if full.exists() else None
