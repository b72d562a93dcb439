"""Await ``request.form`` once in a function, and not at each of its uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import libcst as cst

from quartpatterns.porting.project import PythonFile
from quartpatterns.porting.values import FunctionInfo

__all__ = ["Hoisted", "hoisted"]

BLOCKS = (cst.IndentedBlock, cst.Module)


@dataclass(frozen=True, slots=True)
class Hoisted:
    """A value that is awaited once.

    Attributes:
        name: The variable that gets it.
        statement: The statement before which it is awaited.
        uses: The expressions that the variable replaces.
    """

    name: str
    statement: cst.CSTNode
    uses: tuple[cst.CSTNode, ...]


def hoisted(file: PythonFile, info: FunctionInfo, uses: Iterable[cst.CSTNode]) -> list[Hoisted]:
    """Return what to await once in a function.

    Only attributes of the request: it is the same object in all of the function. The first use must
    be one that is always reached, so that a branch without a use awaits nothing.

    Arguments:
        file: The file.
        info: The function.
        uses: The expressions in the function that are awaited.
    """
    same: dict[str, list[cst.CSTNode]] = {}
    for node in uses:
        if not isinstance(node, cst.Attribute) or not isinstance(node.value, cst.Name):
            continue
        if node.value.value in info.scope.names or _owner(node, file) is not info.node:
            continue
        same.setdefault(file.source(node), []).append(node)
    found: list[Hoisted] = []
    for nodes in same.values():
        if len(nodes) > 1 and (one := _hoist(file, info, nodes)):
            found.append(one)
    return found


def _hoist(file: PythonFile, info: FunctionInfo, nodes: list[cst.CSTNode]) -> Hoisted | None:
    nodes = sorted(nodes, key=lambda node: file.spans[node][0])
    paths = [_path(node, file, info.node) for node in nodes]
    common = None
    for steps in zip(*paths, strict=False):
        if len({block for block, _ in steps}) > 1:
            break
        common = [statement for _, statement in steps]
        if len(set(common)) > 1:
            break
    if common is None:
        return None
    statement = common[0]
    if not _is_always_reached(nodes[0], statement, file):
        return None
    node = nodes[0]
    assert isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name)
    attribute = node.attr.value
    used = _names(info.node)
    for name in (attribute, f"{node.value.value}_{attribute}"):
        if name not in used:
            return Hoisted(name, statement, tuple(nodes))
    return None


def _owner(node: cst.CSTNode, file: PythonFile) -> cst.CSTNode | None:
    """Return the function whose body evaluates *node*; None in a lambda or a class."""
    for ancestor in file.ancestors(node):
        if isinstance(ancestor, cst.FunctionDef):
            return ancestor
        if isinstance(ancestor, cst.Lambda | cst.ClassDef):
            return None
    return None


def _path(
    node: cst.CSTNode, file: PythonFile, function: cst.FunctionDef
) -> list[tuple[cst.CSTNode, cst.CSTNode]]:
    """Return the blocks around *node* with its statement in each, from the function's body on."""
    path: list[tuple[cst.CSTNode, cst.CSTNode]] = []
    previous = node
    for ancestor in file.ancestors(node):
        if isinstance(ancestor, BLOCKS):
            path.append((ancestor, previous))
        if ancestor is function:
            break
        previous = ancestor
    return path[::-1]


def _is_always_reached(node: cst.CSTNode, statement: cst.CSTNode, file: PythonFile) -> bool:
    if isinstance(statement, cst.SimpleStatementLine):
        return True
    if isinstance(statement, cst.If):
        return any(each is statement.test for each in (node, *file.ancestors(node)))
    return False


def _names(function: cst.FunctionDef) -> set[str]:
    """Return all names in a function that are no attributes."""
    found: set[str] = set()
    pending: list[cst.CSTNode] = [function]
    while pending:
        node = pending.pop()
        if isinstance(node, cst.Name):
            found.add(node.value)
        elif isinstance(node, cst.Attribute):
            pending.append(node.value)
            continue
        elif isinstance(node, cst.Arg) and node.keyword is not None:
            pending.append(node.value)
            continue
        pending += node.children
    return found
