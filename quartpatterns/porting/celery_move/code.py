"""The code of a project that uses Celery: what its expressions are, and how it changes."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from typing import Any

import libcst as cst

from quartpatterns.porting.analysis import OnTheLoop
from quartpatterns.porting.evaluation import Evaluator
from quartpatterns.porting.findings import finding
from quartpatterns.porting.parameters import positional_names
from quartpatterns.porting.project import (
    PythonFile,
    SourceProject,
    dotted_name,
    imported_modules,
)
from quartpatterns.porting.report import PortFinding
from quartpatterns.porting.rules import Rules
from quartpatterns.porting.text_edits import Edits, add_imports, end_of_line, move_names
from quartpatterns.porting.values import (
    ClassInfo,
    FunctionInfo,
    Instance,
    Method,
    Name,
    Scope,
    Values,
)

__all__ = [
    "BOUND",
    "CELERY",
    "TASKS",
    "CeleryCode",
    "import_name",
    "imports_celery",
    "keyword",
    "moves",
    "source",
    "uses_celery",
]

TASKS = "quartpatterns.tasks"
CELERY = "celery.Celery"
BOUND = "celery.BoundTask"


@lru_cache(1)
def moves() -> dict[str, dict[str, Any]]:
    """Return what Celery's names become: the file ``moves/celery.toml``."""
    file = resources.files("quartpatterns.porting") / "rules" / "moves" / "celery.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def imports_celery(node: cst.CSTNode) -> bool:
    """Return whether a statement imports Celery."""
    return any(module.partition(".")[0] == "celery" for module in imported_modules(node))


def uses_celery(file: PythonFile) -> bool:
    """Return whether a file imports Celery."""
    return b"celery" in file.text and any(map(imports_celery, file.spans))


class CeleryCode:
    """The files of a project, the values of their expressions, and the changes.

    Attributes:
        project: The project.
        tasks: The functions that are tasks, and their decorators.
        edits: The changes of each file.
        findings: What is left to a person.
    """

    def __init__(self, project: SourceProject, rules: Rules) -> None:
        self.project = project
        self.rules = rules
        self.edits = {file: Edits(file) for file in project.files}
        self.findings: list[PortFinding] = []
        self._covered: dict[PythonFile, list[tuple[int, int]]] = defaultdict(list)
        self._wanted: dict[PythonFile, set[str]] = defaultdict(set)
        self.bound: set[cst.CSTNode] = set()  # attributes of the argument self
        self._lines: dict[PythonFile, list[str]] = defaultdict(list)
        self._removed: dict[PythonFile, set[cst.CSTNode]] = defaultdict(set)
        self.evaluator = Evaluator(project, rules, OnTheLoop(), all_views=True)
        self.evaluator.run()
        self.tasks: dict[FunctionInfo, cst.Decorator] = {}
        for info in self.evaluator.result.functions.values():
            if (decorator := self._task_decorator(info)) is not None:
                self.tasks[info] = decorator
                if keyword(decorator.decorator, "bind") is not None:
                    if names := positional_names(info.node.params):
                        self.evaluator.flow.add((info.scope, names[0]), {Instance(BOUND)})
        self.evaluator.flow.run()  # what reads the argument of a bound task

    def is_shared(self, decorator: cst.Decorator, file: PythonFile) -> bool:
        """Return whether the decorator of a task belongs to no Celery application."""
        node = decorator.decorator
        function = node.func if isinstance(node, cst.Call) else node
        return any(
            (rule := self.rules.names.get(name)) is not None and rule.kind == "task"
            for name in self.names(function, file)
        )

    def _task_decorator(self, info: FunctionInfo) -> cst.Decorator | None:
        for decorator in info.node.decorators:
            node = decorator.decorator
            function = node.func if isinstance(node, cst.Call) else node
            for value in self.values(function, info.file):
                if value == Method(CELERY, "task") or (
                    isinstance(value, Name)
                    and (rule := self.rules.names.get(value.name)) is not None
                    and rule.kind == "task"
                ):
                    return decorator
        return None

    # What expressions are

    def scope(self, node: cst.CSTNode, file: PythonFile) -> Scope:
        """Return the scope of an expression."""
        for ancestor in file.ancestors(node):
            if ancestor in self.evaluator.scopes:
                return self.evaluator.scopes[ancestor]
        return self.evaluator.scopes[file.tree]

    def values(self, node: cst.BaseExpression, file: PythonFile) -> Values:
        """Return what an expression can be."""
        return self.evaluator.evaluate(node, self.scope(node, file))

    def types(self, node: cst.BaseExpression, file: PythonFile) -> set[str]:
        """Return the types of the rules that an expression can have."""
        found: set[str] = set()
        for value in self.values(node, file):
            if isinstance(value, Instance):
                if isinstance(value.type, str):
                    found.add(value.type)
                else:
                    found |= self.evaluator.result.external_bases(value.type)
        return found

    def names(self, node: cst.BaseExpression, file: PythonFile) -> set[str]:
        """Return the full names of what is imported that an expression can be."""
        return {value.name for value in self.values(node, file) if isinstance(value, Name)}

    @property
    def creations(self) -> list[tuple[cst.Call, PythonFile]]:
        """The calls that create a Celery application, without those of tests."""
        return [
            (node, file)
            for node, file in self.nodes(cst.Call, tests=False)
            if CELERY in self.names(node.func, file)
        ]

    def classes(self) -> Iterator[tuple[ClassInfo, set[str]]]:
        """Yield the classes of the project, with those of libraries that they inherit from."""
        for info in self.evaluator.result.classes.values():
            yield info, self.evaluator.result.external_bases(info)

    def nodes(self, kind: type[Any], *, tests: bool = True) -> Iterator[tuple[Any, PythonFile]]:
        """Yield the nodes of a kind that stay, with their files."""
        for file in self.project.files:
            if not tests and file.is_test:
                continue
            for node in file.spans:
                if isinstance(node, kind) and not self.is_covered(node, file):
                    yield node, file

    def statement(self, node: cst.CSTNode, file: PythonFile) -> cst.SimpleStatementLine | None:
        """Return the line that *node* is in, if it has one statement only."""
        for ancestor in file.ancestors(node):
            if isinstance(ancestor, cst.SimpleStatementLine):
                return ancestor if len(ancestor.body) == 1 else None
            if isinstance(ancestor, cst.BaseCompoundStatement):
                return None
        return None

    # How they change

    def is_covered(self, node: cst.CSTNode, file: PythonFile) -> bool:
        """Return whether the text of *node* is replaced or removed."""
        start, end = file.spans[node]
        return any(first <= start and end <= last for first, last in self._covered[file])

    def replace(self, node: cst.CSTNode, file: PythonFile, text: str) -> None:
        """Replace the text of *node*."""
        self.replace_span(*file.spans[node], file, text)

    def replace_span(self, start: int, end: int, file: PythonFile, text: str) -> None:
        """Replace the text between two positions."""
        self.edits[file].replace_span(start, end, text)
        self._covered[file].append((start, end))

    def remove(self, statement: cst.CSTNode, file: PythonFile, *lines: str) -> None:
        """Remove a statement, or write other lines in its place."""
        start, end = file.spans[statement]
        first = file.text.rfind(b"\n", 0, start) + 1
        indent = file.text[first:start].decode()
        if lines:
            text = f"{file.tree.default_newline}{indent}".join(lines)
            self.replace_span(start, end, file, text)
            return
        self._removed[file].add(statement)
        block = file.parents[statement]
        others = [each for each in block.children if isinstance(each, cst.BaseStatement)]
        others += [each for each in block.children if isinstance(each, cst.BaseCompoundStatement)]
        if all(each in self._removed[file] for each in others) and block is not file.tree:
            self.replace_span(start, end, file, "pass")
            return
        if isinstance(statement, cst.SimpleStatementLine):
            end = end_of_line(statement, file)
        following = file.text.find(b"\n", end)
        end = len(file.text) if following < 0 else following + 1
        before = file.text[:first].replace(b"\r\n", b"\n")
        # At the beginning of a block or file, no empty line stays; elsewhere the larger number.
        empty = len(before) - len(before.rstrip(b"\n")) - 1
        empty = len(file.text) if not before or before.endswith(b":\n") else empty
        while empty > 0 and (following := file.text.find(b"\n", end)) >= 0:
            if file.text[end:following].strip():
                break
            end = following + 1
            empty -= 1
        self.replace_span(first, end, file, "")

    def insert_line(self, position: int, file: PythonFile, text: str) -> None:
        """Insert text at the beginning of a line."""
        self.edits[file].insert(position, text)

    def want(self, file: PythonFile, statement: str) -> None:
        """Import something in *file*: ``from module import name``."""
        self._wanted[file].add(statement)

    def add_line(self, file: PythonFile, line: str) -> None:
        """Add a line after the imports of *file*."""
        self._lines[file].append(line)

    def report(self, kind: str, file: PythonFile, node: cst.CSTNode, why: str, remedy: str) -> None:
        """Note a place that is left to a person."""
        self.findings.append(finding(kind, file, node, why, remedy))

    def rename(self, node: cst.BaseExpression, file: PythonFile, full: str) -> None:
        """Write the name of something that is imported as the last part of *full*."""
        module, _, name = full.rpartition(".")
        text = file.source(node)
        bound = text if isinstance(node, cst.Name) else ""
        taken = any(
            isinstance(each, cst.Name) and each.value == name and not file.is_label(each)
            for each in file.spans
        )
        if bound == name or not taken:
            self.want(file, f"from {module} import {name}")
            self.replace(node, file, name)
        else:
            other = f"Celery{name}" if not bound else bound
            self.want(file, f"from {module} import {name} as {other}")
            self.replace(node, file, other)

    def texts(self) -> dict[str, bytes]:
        """Return the new text of each file that changes."""
        texts: dict[str, bytes] = {}
        for file in self.project.files:
            self._imports(file)
            edits = self.edits[file]
            if edits.changes:
                text = edits.result().decode()
                cst.parse_module(text)  # An error here is a fault of this package.
                texts[file.name] = text.encode(file.encoding)
        return texts

    def _imports(self, file: PythonFile) -> None:
        """Import what the file uses now, and nothing more of Celery than it still uses."""
        wanted = _combined(self._wanted[file])
        for node in [*file.spans]:
            if isinstance(node, cst.ImportFrom) and not isinstance(node.names, cst.ImportStar):
                if (
                    imported_modules(node)[:1]
                    and dotted_name(node.module or node).split(".")[0] == "celery"
                ):
                    unused = [each for each in node.names if self._is_unused(each, file)]
                    if unused:
                        top = file.parents[file.parents[node]] is file.tree
                        statements = wanted if top else []
                        wanted = [] if top else wanted
                        self._move(node, unused, statements, file)
            elif isinstance(node, cst.Import):
                names = [dotted_name(alias.name) for alias in node.names]
                unused = [
                    alias
                    for alias, name in zip(node.names, names, strict=True)
                    if name.partition(".")[0] == "celery" and self._is_unused(alias, file)
                ]
                if unused and len(unused) == len(node.names):
                    self.edits[file].replace(node, wanted.pop(0) if wanted else "pass")
        if wanted:
            add_imports(self.edits[file], wanted, self.rules.modules)
        if self._lines[file]:
            newline = file.tree.default_newline
            lines = "".join(f"{newline}{line}" for line in self._lines[file])
            self.edits[file].insert(_end_of_imports(file), f"{newline}{lines}")

    def _move(
        self,
        node: cst.ImportFrom,
        unused: list[cst.ImportAlias],
        statements: list[str],
        file: PythonFile,
    ) -> None:
        line = file.parents[node]
        assert not isinstance(node.names, cst.ImportStar)
        if not statements and len(unused) == len(node.names):
            if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1:
                self.remove(line, file)
                return
        move_names(self.edits[file], node, unused, statements)

    def _is_unused(self, alias: cst.ImportAlias, file: PythonFile) -> bool:
        """Return whether nothing that stays uses what an import binds."""
        bound = dotted_name(alias.asname.name if alias.asname else alias.name).partition(".")[0]
        for node in file.spans:
            if isinstance(node, cst.Name) and node.value == bound:
                if any(
                    isinstance(each, cst.Import | cst.ImportFrom) for each in file.ancestors(node)
                ):
                    continue
                if not file.is_label(node) and not self.is_covered(node, file):
                    return False
        return True


def _end_of_imports(file: PythonFile) -> int:
    """Return where the imports at the top of a module end."""
    last = 0
    for statement in file.tree.body:
        first = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
        if isinstance(first, cst.Import | cst.ImportFrom):
            last = end_of_line(statement, file)
        elif last:
            break
    return last


def import_name(module: PythonFile, importer: PythonFile) -> str:
    """Return the name by which a file imports another one.

    Files that are run as scripts import their neighbours by their names alone.
    """
    folder = module.path.parent
    if folder != importer.path.parent:
        return module.module
    imported = {name for node in importer.spans for name in imported_modules(node)}
    alone = any((folder / f"{name}.py").exists() for name in imported if name != "celery")
    return module.path.stem if alone or not (folder / "__init__.py").exists() else module.module


def source(node: cst.CSTNode, file: PythonFile) -> str:
    """Return the text of an expression, with the parentheses around it."""
    return file.tree.code_for_node(node).strip()


def keyword(node: cst.BaseExpression, name: str) -> cst.BaseExpression | None:
    """Return a keyword argument of a call."""
    for arg in node.args if isinstance(node, cst.Call) else ():
        if arg.keyword is not None and arg.keyword.value == name:
            return arg.value
    return None


def _combined(statements: set[str]) -> list[str]:
    """Return ``from module import a, b`` for statements with one name each."""
    names: dict[str, list[str]] = defaultdict(list)
    others: list[str] = []
    for statement in sorted(statements):
        module, separator, name = statement.partition(" import ")
        if separator:
            names[module].append(name)
        else:
            others.append(statement)
    return [*others, *(f"{module} import {', '.join(each)}" for module, each in names.items())]
