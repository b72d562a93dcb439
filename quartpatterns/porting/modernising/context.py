"""The files of a project that is modernised, with their changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import libcst as cst

from quartpatterns.porting.findings import finding
from quartpatterns.porting.project import (
    PythonFile,
    SourceProject,
    dotted_name,
    imported_modules,
)
from quartpatterns.porting.report import PortFinding
from quartpatterns.porting.rules import Rules
from quartpatterns.porting.text_edits import Edits, first_statement

__all__ = ["OldFile", "OldProject"]


@dataclass(eq=False)
class OldFile:
    """A file with its changes.

    Attributes:
        file: The file.
        edits: Its changes.
        findings: Its places for a person.
        names: The names that it imports, and the full names that they stand for.
        outdated: The packages of which it uses names that have successors.
    """

    file: PythonFile
    edits: Edits
    findings: list[PortFinding] = field(default_factory=list[PortFinding])
    names: dict[str, str] = field(default_factory=dict[str, str])
    outdated: set[str] = field(default_factory=set[str])

    def report(self, node: cst.CSTNode, why: str, remedy: str, kind: str = "breaks") -> None:
        """Note a place for a person."""
        self.findings.append(finding(kind, self.file, node, why, remedy))

    def full_name(self, node: cst.CSTNode) -> str:
        """Return the full name that an expression stands for, or ""."""
        if isinstance(node, cst.Name):
            return self.names.get(node.value, "")
        if isinstance(node, cst.Attribute):
            owner = self.full_name(node.value)
            return f"{owner}.{node.attr.value}" if owner else ""
        return ""

    def add_import(self, statement: str) -> None:
        """Import before the first statement that is no docstring, unless it is there."""
        present = {
            self.file.source(node)
            for line in self.file.tree.body
            if isinstance(line, cst.SimpleStatementLine)
            for node in line.body
            if isinstance(node, cst.Import | cst.ImportFrom)
        }
        present |= {f"import {name}" for name in self._plain_imports()}
        if statement not in present:
            position = first_statement(self.file)
            self.edits.insert_once(position, f"{statement}{self.file.tree.default_newline}")

    def _plain_imports(self) -> Iterator[str]:
        for line in self.file.tree.body:
            for node in line.body if isinstance(line, cst.SimpleStatementLine) else ():
                for alias in node.names if isinstance(node, cst.Import) else ():
                    if alias.asname is None:
                        yield dotted_name(alias.name)


@dataclass(eq=False)
class OldProject:
    """A project with the changes of its files.

    Attributes:
        project: The project.
        rules: The rules.
        files: Its files.
        packages: The packages that it imports, by the names that they have now.
    """

    project: SourceProject
    rules: Rules
    files: list[OldFile]
    packages: set[str]

    @classmethod
    def of(cls, project: SourceProject, rules: Rules) -> OldProject:
        """Return *project* without changes."""
        files = [OldFile(file, Edits(file)) for file in project.files]
        old = cls(project, rules, files, set())
        for file in project.files:
            for node in file.spans:
                for module in imported_modules(node):
                    old.packages.add(old.new_module(module).partition(".")[0])
        return old

    def new_module(self, module: str) -> str:
        """Return the name that a module has now."""
        if module.startswith("flask.ext."):
            module = f"flask_{module.removeprefix('flask.ext.')}"
        for old, new in self.rules.renamed.items():
            if module == old or module.startswith(f"{old}."):
                return new + module[len(old) :]
        return module
