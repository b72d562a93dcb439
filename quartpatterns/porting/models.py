"""The models of SQLAlchemy in a project: what their objects have, by name.

A query returns objects of some model. The analysis does not follow of which one.
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from quartpatterns.porting.project import PythonFile, dotted_name
from quartpatterns.porting.rules import Rules

__all__ = ["ENTITY", "EXTENSION", "MODEL", "MODELS", "WAIT", "loads_lazily", "relationships"]

ENTITY = "sqlalchemy.Entity"
"""The type of an object of any model, and of a collection of some."""
EXTENSION = "flask_sqlalchemy.SQLAlchemy"
MODEL = "flask_sqlalchemy.Model"
MODELS = {MODEL, "flask_login.UserMixin"}
"""Classes whose subclasses are models: also those of users that are stored in another way."""
QUERY = "sqlalchemy.Query"
WAIT = "flask_sqlalchemy.wait_in_greenlet"


def loads_lazily(files: Iterable[PythonFile], rules: Rules) -> bool:
    """Return whether the extension becomes one that loads lazily, in greenlets."""
    rule = rules.names[EXTENSION]
    names = b"flask_sqlalchemy", rule.port.rpartition(".")[2].encode()
    return bool(rule.port) and any(name in file.text for file in files for name in names)


def relationships(files: Iterable[PythonFile]) -> dict[str, str]:
    """Return the types of the relationships of all models, by name.

    With ``lazy="dynamic"`` they are queries. Those of SQLAlchemy's own function are not awaited:
    only ``db.relationship()`` gives them the class of ``db.Query``.
    """
    found: dict[str, str] = {}

    def add(name: str, kind: str) -> None:
        if name and found.get(name) != QUERY:
            found[name] = kind

    for file in files:
        own = _names_of_sqlalchemy(file)
        for node in file.spans:
            if not isinstance(node, cst.Call):
                continue
            name = dotted_name(node.func)
            owner, _, function = name.rpartition(".")
            dynamic = function == "dynamic_loader" or _keyword(node, "lazy") == "dynamic"
            plain = name in own or owner.rpartition(".")[2] == "orm"
            kind = QUERY if dynamic and not plain else ENTITY
            if function == "backref" and node.args:
                add(_text(node.args[0].value), kind)
            elif function in ("relationship", "dynamic_loader"):
                add(_keyword(node, "backref"), ENTITY)
                for target in _targets(file.parents[node]):
                    if isinstance(target, cst.Name):
                        add(target.value, kind)
    return found


def _names_of_sqlalchemy(file: PythonFile) -> set[str]:
    """Return the names that a file imports from SQLAlchemy."""
    found: set[str] = set()
    for node in file.spans:
        if not isinstance(node, cst.ImportFrom) or isinstance(node.names, cst.ImportStar):
            continue
        if node.module is not None and not node.relative:
            if dotted_name(node.module).partition(".")[0] == "sqlalchemy":
                found.update(dotted_name(alias.name) for alias in node.names)
    return found


def _targets(node: cst.CSTNode) -> list[cst.BaseExpression]:
    if isinstance(node, cst.Assign):
        return [each.target for each in node.targets]
    return [node.target] if isinstance(node, cst.AnnAssign) else []


def _keyword(node: cst.Call, name: str) -> str:
    """Return a keyword argument that is a string."""
    for arg in node.args:
        if arg.keyword is not None and arg.keyword.value == name:
            return _text(arg.value)
    return ""


def _text(node: cst.BaseExpression) -> str:
    return str(node.evaluated_value) if isinstance(node, cst.SimpleString) else ""
