"""Run the tests of a project before and after the port, and name what the analysis has missed."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Container, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from quartpatterns._shared.blocking_calls import FILE_VARIABLE
from quartpatterns.porting.report import FileChange, Plan, PortFinding

__all__ = [
    "RunError",
    "TestsRun",
    "blocking_places",
    "copied",
    "missed_places",
    "run_before",
    "run_ported",
]

NEVER_AWAITED = re.compile(r"coroutine '([^']+)' was never awaited")
# Where Python has created an object, if it traces memory; the last line is the most recent call.
ALLOCATED = re.compile(r'(?m)^\s+File "([^"]+)", line(?:no)? (\d+)$')
TRACED_CALLS = "10"
# A line of a traceback, as pytest and Python write it: file.py:12: Error, File "file.py", line 12
PLACE = re.compile(r'(?m)^(?:\s*File ")?([^\s":][^":\n]*\.py)(?::|", line )(\d+)')
# What separates failures: in the output of pytest, and in that of unittest.
SEPARATOR = re.compile(r"(?m)^(?:_{3,} .* _{3,}|={70}|-{70})$")
PYTEST_ERROR = re.compile(r"(?m)^E\s+(\S.*)$")
PYTHON_ERROR = re.compile(r"(?m)^(\w[\w.]*(?:Error|Exception|Warning|Failed|Exit|Group)\b.*)$")
FAILED = re.compile(r"(?m)^(?:FAILED|ERROR) (\S+?\.py)(?:::(\S+))?(?: - (.*))?$")
# An application may ignore all warnings, or make them errors that pytest does not show.
SHOW_NEVER_AWAITED = "-W 'always:coroutine:RuntimeWarning'"
NOTE_BLOCKING = "-p quartpatterns._shared.blocking_calls"
PASSED = re.compile(r"(?m)(?:^Ran |\b)(\d+) (?:passed\b.* in |tests? in )")
NO_PLUGIN = "async def functions are not natively supported"
HIDDEN = re.compile(r"\b\d+ warnings? in ")
LAST_LINES = 15
IN_THREAD = "call it with 'await asyncio.to_thread(...)', or use a library that is awaited"


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
    def passed(self) -> int:
        """The number of tests that passed; 0 if the output is not that of pytest or unittest."""
        return sum(map(int, PASSED.findall(self.output)))

    @property
    def hides_warnings(self) -> bool:
        """Whether pytest counts warnings and does not show them."""
        return bool(HIDDEN.search(self.summary)) and "warnings summary" not in self.output

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

    If coroutines were never awaited, it runs again to find out where they are created.

    Returns:
        The outcome, and the places that fail or stop the event loop, and that the plan does not
        name.

    Raises:
        RunError: The command does not exist, takes longer, or has no libraries for Quart.
    """
    with copied(plan.folder, plan.changes) as copy:
        calls = copy.parent / "blocking-calls"
        outcome = _run(copy, command, timeout, **{FILE_VARIABLE: str(calls)})
        if NO_PLUGIN in outcome.output:
            raise RunError("--run: install pytest-asyncio where the tests run")
        if "No module named 'quartpatterns'" in outcome.output:
            raise RunError("--run: install quartpatterns where the tests run")
        failed = outcome.code != 0
        missed = missed_places(outcome.output, plan, copy, failed=failed)
        if NEVER_AWAITED.search(outcome.output):
            traced = _run(copy, command, timeout, PYTHONTRACEMALLOC=TRACED_CALLS)
            missed = missed_places(traced.output, plan, copy, failed=failed)
        text = calls.read_text(encoding="utf-8") if calls.is_file() else ""
        return outcome, missed + blocking_places(text, plan, copy)


@contextlib.contextmanager
def copied(folder: Path, changes: Iterable[FileChange] = ()) -> Generator[Path]:
    """Yield a copy of a project, with *changes*. It is removed at the end.

    Virtual environments and the like are links in it.

    Arguments:
        folder: The folder of the project.
        changes: The files that are different in the copy.

    Raises:
        RunError: The project cannot be copied.
    """
    folder = folder.resolve()
    parent = Path(tempfile.mkdtemp(prefix="port-")).resolve()
    copy = parent / folder.name

    def link(base: str, names: list[str]) -> set[str]:
        target = copy / Path(base).relative_to(folder)
        return {name for name in names if _is_left_out(Path(base, name), target / name)}

    try:
        try:
            shutil.copytree(folder, copy, symlinks=True, ignore=link, dirs_exist_ok=True)
        except shutil.Error as error:
            [(source, _, reason), *_] = error.args[0]
            raise RunError(f"--run: {source} cannot be copied: {reason}") from error
        except OSError as error:
            raise RunError(f"--run: {folder} cannot be copied: {error}") from error
        for change in changes:
            path = copy / change.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # It may be a link to the original.
            path.write_bytes(change.after)
        yield copy
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def _is_left_out(path: Path, target: Path) -> bool:
    """Return whether *path* is not copied; at *target* there may be a link to it instead."""
    if path.name in (".git", "__pycache__"):
        return True
    if path.name == "node_modules" or os.path.exists(path / "pyvenv.cfg"):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path, target_is_directory=True)
        return True
    mode = path.lstat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))


def _run(folder: Path, command: str, timeout: float, **environment: str) -> TestsRun:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RunError(f"--run: {command}: {error}") from error
    if not words:
        raise RunError("--run: there is no command")
    try:
        process = subprocess.Popen(
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(folder, environment),
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        hint = "; for commands of a shell, write: sh -c '...'" if "=" in words[0] else ""
        raise RunError(f"--run: {words[0]}: {error.strerror}{hint}") from error
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise RunError(
            f"--run: {command} took longer than {timeout:g} s: raise --timeout"
        ) from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also what the tests have started
        process.communicate()
    return TestsRun(process.returncode, output)


def _environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return variables with which the copy is imported, also if the project is installed."""
    paths = [str(path) for path in (folder / "src", folder) if path.is_dir()]
    options = os.environ.get("PYTEST_ADDOPTS", "")
    plugin = NOTE_BLOCKING if FILE_VARIABLE in more else ""
    return (
        os.environ
        | more
        | {
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])]),
            "PYTEST_ADDOPTS": " ".join(filter(None, [options, SHOW_NEVER_AWAITED, plugin])),
        }
    )


def missed_places(
    output: str, plan: Plan, folder: Path, *, failed: bool = True
) -> list[PortFinding]:
    """Return the places in the output of tests that no finding of the plan names.

    Arguments:
        output: What the tests have printed.
        plan: The plan.
        folder: The project after the port.
        failed: Whether a test has failed.
    """
    lines = _OriginalLines(plan, folder)
    found = [*_never_awaited(output, plan, lines)]
    if failed:
        found += _failures(output, plan, lines)
    return list(dict.fromkeys(found))


class _OriginalLines:
    """Finds the lines of the project as it was before the port."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._folder = folder.resolve()
        self._changes = {change.file: change for change in plan.changes}
        self._numbers: dict[str, list[int]] = {}
        self._statements: dict[str, list[range]] = {}

    def place(self, path: str, line: str) -> tuple[str, int] | None:
        """Return the file and the line, or None if the path is outside of the project."""
        full = self._folder / path
        if not full.is_file() or not full.resolve().is_relative_to(self._folder):
            return None
        name = full.resolve().relative_to(self._folder).as_posix()
        if name in self._changes and name not in self._numbers:
            self._numbers[name] = self._changes[name].original_lines()
        numbers = self._numbers.get(name, [])
        number = int(line)
        return name, numbers[number - 1] if 0 < number <= len(numbers) else number

    def is_named(self, place: tuple[str, int], named: Container[tuple[str, int]]) -> bool:
        """Return whether *named* has a line of the statement that is in *place*."""
        file, line = place
        return any((file, each) in named for each in self._statement(file, line))

    def _statement(self, file: str, line: int) -> range:
        """Return the lines of the innermost statement; of a block its first lines only."""
        if file not in self._statements:
            self._statements[file] = _statements(self._before(file))
        around = [each for each in self._statements[file] if line in each]
        return max(around, key=lambda each: each.start, default=range(line, line + 1))

    def text(self, file: str, line: int) -> str:
        """Return a line without the white space around it."""
        lines = self._before(file).split(b"\n")
        return lines[line - 1].decode(errors="replace").strip() if line <= len(lines) else ""

    def _before(self, file: str) -> bytes:
        change = self._changes.get(file)
        return change.before or b"" if change else (self._folder / file).read_bytes()


def _statements(source: bytes) -> list[range]:
    """Return the lines of each statement; of a statement with a block those before the block."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    found: list[range] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body: list[ast.stmt] = getattr(node, "body", [])
            end = body[0].lineno if body else (node.end_lineno or node.lineno) + 1
            found.append(range(node.lineno, max(end, node.lineno + 1)))
    return found


def _never_awaited(output: str, plan: Plan, lines: _OriginalLines) -> Iterator[PortFinding]:
    named = {(each.file, each.line) for each in plan.findings}
    why = "a test calls this coroutine function, and nothing awaits it"
    remedy = "find the call, and add await"
    matches = [*NEVER_AWAITED.finditer(output)]
    ends = [match.start() for match in matches[1:]] + [len(output)] * bool(matches)
    known: set[str] = set()
    unknown: list[PortFinding] = []
    for match, end in zip(matches, ends, strict=True):
        name = match[1].rpartition(".")[2]
        allocated = [
            place
            for path, line in ALLOCATED.findall(output, match.end(), end)
            if (place := lines.place(path, line)) is not None
        ]
        calls = [place for place in allocated if f"def {name}(" not in lines.text(*place)]
        if calls:
            known.add(match[1])
        if calls and not lines.is_named(calls[-1], named):
            yield PortFinding(*calls[-1], "missed", lines.text(*calls[-1]), why, "add await")
        elif not calls:
            made = next((m for m in plan.made_async if m.name.rpartition(".")[2] == name), None)
            place = (made.file, made.line) if made else ("", 0)
            unknown.append(PortFinding(*place, "missed", f"{match[1]}()", why, remedy))
    yield from (each for each in unknown if each.code.removesuffix("()") not in known)


def _failures(output: str, plan: Plan, lines: _OriginalLines) -> Iterator[PortFinding]:
    named = {(each.file, each.line) for each in plan.findings}
    has_places = False
    for part in SEPARATOR.split(output):
        places = [
            place
            for path, line in PLACE.findall(part)
            if (place := lines.place(path, line)) is not None
        ]
        error = _error(part)
        if places and error:
            has_places = True
            if not any(lines.is_named(place, named) for place in places):
                code = lines.text(*places[-1])
                yield PortFinding(*places[-1], "missed", code, error, "read the traceback")
    if not has_places:  # The command hides tracebacks.
        for file, test, error in FAILED.findall(output):
            why = error or f"{test} fails"
            yield PortFinding(file, 1, "missed", test, why, "run it with --tb=short")


def blocking_places(text: str, plan: Plan, folder: Path) -> list[PortFinding]:
    """Return the lines that stop the event loop, and that no finding of the plan names.

    Arguments:
        text: What :mod:`quartpatterns._shared.blocking_calls` has written.
        plan: The plan.
        folder: The project after the port.
    """
    lines = _OriginalLines(plan, folder)
    named = {(each.file, each.line) for each in plan.findings}
    found: dict[tuple[str, int], PortFinding] = {}
    for entry in map(json.loads, text.splitlines()):
        places = [lines.place(path, str(line)) for path, line in entry.get("lines", ())]
        known = [place for place in places if place is not None]
        # What a test itself does stops no request.
        if not known or any(file in plan.tests for file, _ in known):
            continue
        if not lines.is_named(known[0], named):
            why = f"{entry['function']}() stops the event loop here, when the tests run"
            found.setdefault(
                known[0], PortFinding(*known[0], "blocks", lines.text(*known[0]), why, IN_THREAD)
            )
    return list(found.values())


def _error(part: str) -> str:
    """Return the line of a traceback that says what happened."""
    if found := PYTEST_ERROR.search(part):
        return found[1].strip()
    errors: list[str] = PYTHON_ERROR.findall(part)
    return errors[-1].strip() if errors else ""
