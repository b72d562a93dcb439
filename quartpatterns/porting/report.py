"""The report of a port: as text, JSON and HTML."""

from __future__ import annotations

import difflib
import html
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from quartpatterns.porting.requirements import new_requirements

__all__ = ["FileChange", "FoundApplication", "MadeAsync", "Plan", "PortFinding"]
__all__ += ["as_html", "as_json", "as_text"]

KINDS = {
    "breaks": "These places do not work until you change them.",
    "blocks": "These places work, and stop all other requests while they wait.",
    "differs": "These places may behave in another way. Look at each.",
    "skipped": "These files were not read, and stay as they are.",
    "missed": "Tests fail here, and nothing above says why. Please report it.",
}


@dataclass(frozen=True, slots=True)
class PortFinding:
    """A place that a person has to look at.

    Attributes:
        file: The file, relative to the project; empty if it is not known.
        line: The line.
        kind: ``breaks``, ``blocks``, ``differs``, ``skipped`` or ``missed``.
        code: The first line of the code.
        why: What is wrong with it.
        remedy: What to write instead.
    """

    file: str
    line: int
    kind: str
    code: str
    why: str
    remedy: str

    @property
    def place(self) -> str:
        """The file and the line, with a colon; empty if they are not known."""
        return f"{self.file}:{self.line}: " if self.file else ""


@dataclass(frozen=True, slots=True)
class MadeAsync:
    """A function that becomes asynchronous, and why."""

    file: str
    line: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class FoundApplication:
    """An application, or a function that creates it.

    Attributes:
        name: ``module:app`` or ``module:create_app()``.
        folder: The folder from which the module is imported, relative to the project.
    """

    name: str
    folder: str


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that changes; *before* is None for a new file."""

    file: str
    before: bytes | None
    after: bytes

    def patch(self) -> bytes:
        """Return a unified diff in the encoding of the file, as ``git apply`` reads it."""
        old, new = (
            re.findall(rb"[^\n]*\n|[^\n]+", text) for text in (self.before or b"", self.after)
        )
        source = "/dev/null" if self.before is None else f"a/{self.file}"
        lines = difflib.diff_bytes(
            difflib.unified_diff, old, new, source.encode(), f"b/{self.file}".encode()
        )
        no_newline = b"\n\\ No newline at end of file\n"
        return b"".join(line if line.endswith(b"\n") else line + no_newline for line in lines)

    def original_lines(self) -> list[int]:
        """Return the number that each line had before; a new line has that of the line after it."""
        before, after = (self.before or b"").split(b"\n"), self.after.split(b"\n")
        numbers: list[int] = []
        matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
        for _, start, end, new_start, new_end in matcher.get_opcodes():
            new = new_end - new_start - (end - start)
            numbers += [
                max(start, min(start + number - max(new, 0), end - 1)) + 1
                for number in range(new_end - new_start)
            ]
        return numbers

    def diff(self) -> str:
        """Return a unified diff."""
        return self.patch().decode(errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a stage changes in a project.

    Attributes:
        folder: The folder of the project.
        stage: The stage.
        files: The number of Python files.
        changes: The files that change.
        findings: What a person has to look at.
        made_async: The functions that become asynchronous.
        applications: The applications before the port, without those of tests.
        modernised: The files that change in the stage ``modernise``. They are Flask's.
        tests: The names of the files that are tests.
    """

    folder: Path
    stage: str
    files: int
    changes: tuple[FileChange, ...]
    findings: tuple[PortFinding, ...]
    made_async: tuple[MadeAsync, ...]
    applications: tuple[FoundApplication, ...] = ()
    modernised: tuple[FileChange, ...] = ()
    tests: frozenset[str] = frozenset()

    def with_findings(self, findings: Iterable[PortFinding]) -> Plan:
        """Return the plan with more findings."""
        return replace(self, findings=(*self.findings, *findings))

    @property
    def requirements(self) -> list[str]:
        """What the changed files need to be installed, as in ``requirements.txt``."""
        return new_requirements(self.changes)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return not self.changes and not any(each.kind == "breaks" for each in self.findings)


def as_text(plan: Plan) -> Iterator[str]:
    """Yield the lines of the report."""
    new = sum(change.before is None for change in plan.changes)
    yield (
        f"{plan.stage}: {plan.files} Python files, {len(plan.changes) - new} change, {new} new,"
        f" {len(plan.made_async)} functions become asynchronous"
    )
    if plan.requirements:
        yield f"to install: {' '.join(plan.requirements)}"
    for kind, explanation in KINDS.items():
        found = [each for each in plan.findings if each.kind == kind]
        if not found:
            continue
        yield ""
        yield f"{kind} ({len(found)}): {explanation}"
        reasons: dict[tuple[str, str], list[PortFinding]] = {}
        for each in found:
            reasons.setdefault((each.why, each.remedy), []).append(each)
        for (why, remedy), places in reasons.items():
            yield from (f"  {each.place}{each.code}" for each in places)
            yield f"      {why}"
            yield f"      Remedy: {remedy}"
    if plan.made_async:
        yield ""
        yield f"asynchronous now ({len(plan.made_async)}):"
        for made in plan.made_async:
            yield f"  {made.file}:{made.line}: {made.name}: {made.reason}"


def as_json(plan: Plan) -> str:
    """Return the report as JSON."""
    data = {
        "stage": plan.stage,
        "files": plan.files,
        "done": plan.is_done,
        "counts": dict(Counter(each.kind for each in plan.findings)),
        "changes": [
            {"file": change.file, "new": change.before is None, "diff": change.diff()}
            for change in plan.changes
        ],
        "requirements": plan.requirements,
        "findings": [asdict(each) for each in plan.findings],
        "made_async": [asdict(each) for each in plan.made_async],
    }
    return json.dumps(data, indent=2)


def as_html(plan: Plan) -> str:
    """Return the report as one HTML page."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>Port of {html.escape(plan.folder.resolve().name)}</title>",
        f"<style>{STYLE}</style>",
        f"<h1>Port of {html.escape(plan.folder.resolve().name)}</h1>",
        f"<p>{html.escape(next(as_text(plan)))}</p>",
    ]
    if plan.requirements:
        parts.append(f"<p>To install: {html.escape(' '.join(plan.requirements))}</p>")
    for kind, explanation in KINDS.items():
        found = [each for each in plan.findings if each.kind == kind]
        if found:
            parts += [f"<h2>{kind} ({len(found)})</h2>", f"<p>{explanation}</p>"]
            parts.append(
                _table(
                    ("place", "code", "why", "what to write"),
                    [(e.place.rstrip(": "), e.code, e.why, e.remedy) for e in found],
                )
            )
    if plan.made_async:
        rows = [(f"{e.file}:{e.line}", e.name, e.reason) for e in plan.made_async]
        parts += ["<h2>asynchronous now</h2>", _table(("place", "function", "because of"), rows)]
    for change in plan.changes:
        parts.append(
            f"<details><summary>{html.escape(change.file)}</summary>"
            f'<pre tabindex="0">{html.escape(change.diff())}</pre></details>'
        )
    return "\n".join(parts) + "\n"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="scroll" tabindex="0"><table><tr>{head}</tr>{body}</table></div>'


STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 0 auto; padding: 1rem; }
table { border-collapse: collapse; }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top; border-top: 1px solid; }
pre, .scroll { overflow-x: auto; }
"""
