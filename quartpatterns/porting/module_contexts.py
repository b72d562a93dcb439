"""Asynchronous ``with`` statements of modules: they become a function, which the module runs."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from quartpatterns.porting.project import PythonFile, dotted_name
from quartpatterns.porting.text_edits import Edits, indent_lines, indentation

__all__ = ["can_be_function", "write_function"]

NAME = "run_in_context"
# What a function can contain, between the module and the statement.
AROUND = (cst.Module, cst.IndentedBlock, cst.If, cst.Else, cst.Try, cst.ExceptHandler, cst.Finally)
# Statements that a function cannot contain, or that would leave it.
OUTSIDE = (
    cst.Break,
    cst.Continue,
    cst.Global,
    cst.Nonlocal,
    cst.AnnAssign,
    cst.ImportStar,
    cst.Del,
)


def can_be_function(node: cst.With, file: PythonFile) -> bool:
    """Return whether the module can run the statement in a function instead."""
    for ancestor in file.ancestors(node):
        if not isinstance(ancestor, AROUND):
            return False
    return not any(isinstance(each, OUTSIDE) for each in _inside(node))


def write_function(node: cst.With, edits: Edits, unit: str) -> None:
    """Write the statement into a function, and run that.

    Arguments:
        node: The statement.
        edits: The changes of the file.
        unit: How far to indent it.
    """
    file = edits.file
    newline = file.tree.default_newline
    indent = indentation(node, file)
    start, end = file.spans[node][0], _end(node, file)
    taken = {each.value for each in file.spans if isinstance(each, cst.Name)}
    name = next(name for name in _candidates() if name not in taken)
    head = f"async def {name}():{newline}{indent}{unit}"
    if bound := sorted(set(_bound(node))):
        head += f"global {', '.join(bound)}{newline}{indent}{unit}"
    edits.insert(start, head)
    indent_lines(edits, start, end, unit)
    edits.insert_last(end, f"{newline}{newline}{indent}asyncio.run({name}())")


def _end(node: cst.With, file: PythonFile) -> int:
    """Return where the last line of a statement ends, after its comment."""
    start, end = file.spans[node]
    end = start + len(file.text[start:end].rstrip())
    following = file.text.find(b"\n", end)
    line = file.text[end:] if following < 0 else file.text[end:following]
    return end + len(line.rstrip(b"\r"))


def _candidates() -> Iterator[str]:
    yield NAME
    number = 2
    while True:
        yield f"{NAME}_{number}"
        number += 1


def _inside(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield the nodes of a statement, without those of functions and classes in it."""
    pending = [*node.children]
    while pending:
        child = pending.pop()
        yield child
        if not isinstance(child, cst.FunctionDef | cst.Lambda | cst.ClassDef | cst.BaseComp):
            pending += child.children


def _bound(node: cst.CSTNode) -> Iterator[str]:
    """Yield the names that a statement binds."""
    for each in _inside(node):
        if isinstance(each, cst.FunctionDef | cst.ClassDef):
            yield each.name.value
        elif isinstance(each, cst.AssignTarget | cst.AugAssign | cst.For | cst.NamedExpr):
            yield from _names(each.target)
        elif isinstance(each, cst.AsName):
            yield from _names(each.name)
        elif isinstance(each, cst.ImportAlias) and each.asname is None:
            yield dotted_name(each.name).partition(".")[0]


def _names(target: cst.CSTNode) -> Iterator[str]:
    if isinstance(target, cst.Name):
        yield target.value
    elif isinstance(target, cst.Tuple | cst.List):
        for element in target.elements:
            yield from _names(element.value)
