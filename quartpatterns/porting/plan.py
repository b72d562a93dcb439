"""What the port of a project changes, and what it leaves to a person."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import TypeVar

import libcst as cst

from quartpatterns.porting.analysis import Analysis
from quartpatterns.porting.celery_move import move_celery
from quartpatterns.porting.edits import apply_analysis
from quartpatterns.porting.evaluation import analyse
from quartpatterns.porting.findings import find_problems
from quartpatterns.porting.greenlet_serving import find_databases, find_greenlet_problems
from quartpatterns.porting.modernise import modernise
from quartpatterns.porting.project import PortError, SourceProject, read_project
from quartpatterns.porting.pytest_options import pytest_options
from quartpatterns.porting.report import FileChange, MadeAsync, Plan, PortFinding
from quartpatterns.porting.rules import Rules, load_rules
from quartpatterns.porting.serving import asgi_file, find_applications

NO_DATABASE = (
    "--greenlets is for projects with SQLAlchemy: in greenlets, everything else that waits stops"
    " all requests, so leave it out"
)

__all__ = ["MOVES", "STAGES", "make_plan"]

MOVES = ("async", "data")
"""The stages whose result runs on Quart."""

STAGES = ("modernise", "serve", *MOVES)
"""How far the port can go."""


def make_plan(
    folder: Path,
    stage: str = "async",
    rules: Iterable[Path] = (),
    *,
    tests: Sequence[Path] = (),
    only: Sequence[str] = (),
    greenlets: bool = False,
) -> Plan:
    """Return what a stage changes in the project in *folder*. Nothing is written.

    Arguments:
        folder: The folder of the project.
        stage: ``modernise``, ``serve``, ``async`` or ``data``. Each of the others modernises the
            project as well, and ``data`` includes ``async``.
        rules: Files or folders with more rules.
        tests: Folders or files with tests, besides those that have the usual names.
        only: Modules and routes. Views of others become asynchronous only if they have to.
        greenlets: Whether ``serve`` runs Flask in greenlets on the event loop, not in threads.

    Raises:
        PortError: The folder has no Flask application, or one of *tests* or *only* is not in it,
            or *only* or *greenlets* is for another stage or another project.
        RuleError: A file of rules is not valid.
    """
    if only and stage not in MOVES:
        raise PortError(f"--only is for the stages {' and '.join(MOVES)}, not for {stage}")
    if greenlets and stage != "serve":
        raise PortError(f"--greenlets is for the stage serve, not for {stage}")
    known = load_rules(rules, data=stage == "data")
    project = read_project(folder, tests=tests)
    before = {file.name: file.stored for file in project.files}
    _check_flask(project, known)
    applications = find_applications(project)
    texts: dict[str, bytes] = {}
    findings = [
        PortFinding(each.path, each.line, "skipped", "", each.reason, each.remedy)
        for each in project.unreadable
    ]
    changes, new = modernise(project, known)
    templates = [name for name in changes if not name.endswith(".py")]
    before |= {name: (folder / name).read_bytes() for name in templates}
    modernised = _changes(changes, before)
    texts |= changes
    findings += new
    made: list[MadeAsync] = []
    known_before = len(findings)
    if stage == "serve":
        project = read_project(folder, texts, tests)
        databases = find_databases(project) if greenlets else None
        if databases is not None:
            if not databases:
                raise PortError(NO_DATABASE)
            findings += find_greenlet_problems(analyse(project, known), databases)
        texts |= asgi_file(project, databases)
    elif stage in MOVES:
        project = read_project(folder, texts, tests)
        lines: dict[tuple[str, int], int] = {}
        if stage == "data":
            move = move_celery(project, known)
            if move.texts:
                lines = {
                    (file.name, new): old
                    for file in project.files
                    for new, old in _lines(file.text, move.texts.get(file.name, file.text))
                }
                texts |= move.texts
                project = read_project(folder, texts, tests)
            findings += move.findings
            made += move.made_async
        analysis = analyse(project, known, only)
        texts |= _async_texts(analysis, known)

        def in_project(place: Placed) -> Placed:
            return _with_lines(place, lambda number: lines.get((place.file, number), number))

        findings += map(in_project, find_problems(analysis, known))
        made += map(in_project, _made_async(analysis))
    findings[known_before:] = _in_original(findings[known_before:], modernised)
    made = _in_original(made, modernised)
    files = _changes(texts, before)
    if stage in MOVES and any(file.is_test for file in project.files):
        after = (texts.get(name, text) for name, text in before.items())
        options = pytest_options(folder, greenlets=any(b"LazySQLAlchemy" in text for text in after))
        files += [options] if options else []
    return Plan(
        folder=folder,
        stage=stage,
        files=len(project.files),
        changes=tuple(files),
        findings=tuple(_sorted(findings)),
        made_async=tuple(made),
        applications=tuple(applications),
        modernised=tuple(modernised),
        tests=frozenset(file.name for file in project.files if file.is_test),
    )


def _changes(texts: Mapping[str, bytes], before: Mapping[str, bytes]) -> list[FileChange]:
    return [
        FileChange(name, before.get(name), text)
        for name, text in sorted(texts.items())
        if before.get(name) != text
    ]


def _lines(before: bytes, after: bytes) -> Iterator[tuple[int, int]]:
    """Yield the numbers of lines after a change that are others, with those before it."""
    if before == after:
        return
    matcher = SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    for _, start, end, new_start, new_end in matcher.get_opcodes():
        for number in range(new_end - new_start):
            yield new_start + number + 1, min(start + number, max(start, end - 1)) + 1


def _with_lines(place: Placed, number_of: Callable[[int], int]) -> Placed:
    """Return *place* with other numbers of lines: its own, and those in its text."""

    def renumbered(text: str) -> str:
        return re.sub(r"(?<= on line )\d+$", lambda match: str(number_of(int(match[0]))), text)

    line = number_of(place.line)
    if isinstance(place, MadeAsync):
        return replace(place, line=line, reason=renumbered(place.reason))
    return replace(place, line=line, why=renumbered(place.why))


def _check_flask(project: SourceProject, rules: Rules) -> None:
    names = ("flask", *rules.modules.values())
    for file in project.files:
        if any(name.encode() in file.text for name in names):
            return
    if project.unreadable:
        first = project.unreadable[0]
        raise PortError(f"{first.path}:{first.line}: {first.reason}; {first.remedy}")
    raise PortError(f"{project.folder}: no file imports Flask")


def _async_texts(analysis: Analysis, rules: Rules) -> dict[str, bytes]:
    texts: dict[str, bytes] = {}
    for file, edits in apply_analysis(analysis, rules).items():
        text = edits.result()
        cst.parse_module(text.decode())  # An error here is a fault of this package.
        texts[file.name] = text.decode().encode(file.encoding)
    return texts


def _made_async(analysis: Analysis) -> list[MadeAsync]:
    made = [
        MadeAsync(info.file.name, info.file.line(info.node), info.name, info.reason)
        for info in analysis.functions.values()
        if info.is_new
    ]
    return sorted(made, key=lambda each: (each.file, each.line))


Placed = TypeVar("Placed", PortFinding, MadeAsync)


def _in_original(places: Iterable[Placed], modernised: Sequence[FileChange]) -> list[Placed]:
    """Return *places* with the lines that they had before the stage ``modernise``."""
    lines = {change.file: change.original_lines() for change in modernised if change.before}

    def in_original(place: Placed) -> Placed:
        numbers = lines.get(place.file)
        return place if numbers is None else _with_lines(place, lambda each: numbers[each - 1])

    return [in_original(each) for each in places]


def _sorted(findings: Sequence[PortFinding]) -> list[PortFinding]:
    return sorted(dict.fromkeys(findings), key=lambda each: (each.file, each.line, each.why))
