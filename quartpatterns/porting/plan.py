"""What the port of a project changes, and what it leaves to a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import libcst as cst

from quartpatterns.porting.analysis import Analysis
from quartpatterns.porting.edits import apply_analysis
from quartpatterns.porting.evaluation import analyse
from quartpatterns.porting.findings import find_problems
from quartpatterns.porting.modernise import modernise
from quartpatterns.porting.project import PortError, SourceProject, read_project
from quartpatterns.porting.pytest_options import pytest_options
from quartpatterns.porting.report import FileChange, MadeAsync, Plan, PortFinding
from quartpatterns.porting.rules import Rules, load_rules
from quartpatterns.porting.serving import asgi_file

__all__ = ["STAGES", "make_plan"]

STAGES = ("modernise", "serve", "async", "data")


def make_plan(folder: Path, stage: str = "async", rules: Iterable[Path] = ()) -> Plan:
    """Return what a stage changes in the project in *folder*. Nothing is written.

    Arguments:
        folder: The folder of the project.
        stage: ``modernise``, ``serve``, ``async`` or ``data``. Each of the others modernises the
            project as well, and ``data`` includes ``async``.
        rules: Files or folders with more rules.

    Raises:
        PortError: The folder has no Flask application.
        RuleError: A file of rules is not valid.
    """
    known = load_rules(rules, data=stage == "data")
    project = read_project(folder)
    before = {file.name: file.stored for file in project.files}
    _check_flask(project, known)
    texts: dict[str, bytes] = {}
    findings = [
        PortFinding(each.path, each.line, "skipped", "", each.reason, each.remedy)
        for each in project.unreadable
    ]
    changes, new = modernise(project, known)
    texts |= changes
    findings += new
    made: list[MadeAsync] = []
    if stage == "serve":
        texts |= asgi_file(read_project(folder, texts), known)
    elif stage in ("async", "data"):
        project = read_project(folder, texts)
        analysis = analyse(project, known)
        texts |= _async_texts(analysis, known)
        findings += find_problems(analysis, known)
        made = _made_async(analysis)
    files = [
        FileChange(name, before.get(name), text)
        for name, text in sorted(texts.items())
        if before.get(name) != text
    ]
    if stage in ("async", "data") and any(file.is_test for file in project.files):
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
    )


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


def _sorted(findings: Sequence[PortFinding]) -> list[PortFinding]:
    return sorted(dict.fromkeys(findings), key=lambda each: (each.file, each.line, each.why))
