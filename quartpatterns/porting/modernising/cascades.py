"""Add objects to the session that SQLAlchemy 1 added because of a relationship.

``Post(author=user)`` added the post to the session of *user*, through the relationship's other
side. SQLAlchemy 2 does not, and the post is lost without an error.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import libcst as cst

from quartpatterns.porting.project import PythonFile, SourceProject, dotted_name
from quartpatterns.porting.text_edits import Edits, end_of_line

__all__ = ["add_to_sessions", "requirements"]

REQUIREMENTS = ("requirements*.txt", "requirements/*.txt", "Pipfile", "pyproject.toml", "setup.*")
OLD = re.compile(r"(?im)^\W*(flask[-_]sqlalchemy\W+[012]|sqlalchemy\W+[01])\.")
SESSION = re.compile(r"\b([\w.]*session)\.(?:add|add_all|commit|delete)\(")


def add_to_sessions(project: SourceProject, edits: Mapping[PythonFile, Edits]) -> None:
    """Add what is created with a relationship, if the project requires an old SQLAlchemy."""
    if not any(map(_is_old, requirements(project.folder))):
        return
    relationships = _relationships(project)
    for file in project.files:
        for node in file.spans:
            if isinstance(node, cst.Assign) and _uses(node, relationships):
                target = node.targets[0].target
                assert isinstance(target, cst.Name)
                function = next(
                    (each for each in file.ancestors(node) if isinstance(each, cst.FunctionDef)),
                    file.tree,
                )
                text = file.source(function) if function in file.spans else file.text.decode()
                session = SESSION.search(text)
                added = re.search(rf"\.add(_all)?\([^)]*\b{target.value}\b", text)
                line = file.parents[node]
                if session and not added and isinstance(line, cst.SimpleStatementLine):
                    start = file.spans[line][0]
                    indent = file.text[file.text.rfind(b"\n", 0, start) + 1 : start].decode()
                    statement = f"{session[1]}.add({target.value})"
                    newline = file.tree.default_newline
                    edits[file].insert(end_of_line(node, file), f"{newline}{indent}{statement}")


def requirements(folder: Path) -> Iterator[Path]:
    """Yield the files with the requirements of a project."""
    for pattern in REQUIREMENTS:
        yield from sorted(folder.glob(pattern))


def _is_old(path: Path) -> bool:
    return OLD.search(path.read_text(encoding="utf-8", errors="replace")) is not None


def _relationships(project: SourceProject) -> dict[str, set[str]]:
    """Return the attributes with another side, by the names of the classes of models."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in project.files:
        for node in file.spans:
            if not isinstance(node, cst.Call):
                continue
            if dotted_name(node.func).rpartition(".")[2] != "relationship":
                continue
            keywords = {arg.keyword.value: arg.value for arg in node.args if arg.keyword}
            other = keywords.get("backref")
            if isinstance(other, cst.Call) and other.args:
                other = other.args[0].value
            parent = file.parents[node]
            owner = next((e for e in file.ancestors(node) if isinstance(e, cst.ClassDef)), None)
            if "backref" in keywords or "back_populates" in keywords:
                if owner is not None and isinstance(parent, cst.Assign):
                    found[owner.name.value].add(file.source(parent.targets[0].target))
            if isinstance(other, cst.SimpleString) and node.args:
                model = node.args[0].value
                name = model.evaluated_value if isinstance(model, cst.SimpleString) else ""
                found[str(name or dotted_name(model))].add(str(other.evaluated_value))
    return found


def _uses(node: cst.Assign, relationships: Mapping[str, set[str]]) -> bool:
    """Return whether a name gets a new object with an attribute that is a relationship."""
    if len(node.targets) != 1 or not isinstance(node.targets[0].target, cst.Name):
        return False
    if not isinstance(node.value, cst.Call):
        return False
    attributes = relationships.get(dotted_name(node.value.func).rpartition(".")[2], set())
    return any(arg.keyword and arg.keyword.value in attributes for arg in node.value.args)
