"""Fixtures of pytest that call ``request.addfinalizer()``.

pytest calls a finalizer without await, and outside of the context variables that an asynchronous
fixture has set, such as the application context. Such a fixture becomes a generator: what is after
``yield`` is awaited, in the context of the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from quartpatterns.porting.project import PythonFile
from quartpatterns.porting.text_edits import Edits, end_of_line, indentation

__all__ = ["move_finalizers", "movable_fixture"]


def movable_fixture(call: cst.CSTNode, file: PythonFile) -> cst.FunctionDef | None:
    """Return the function whose finalizer can be written after a ``yield``, or None.

    The call has to be a statement of the function, which returns at its end or not at all.
    """
    expression = file.parents[call]
    line = file.parents[expression]
    alone = isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1
    if not isinstance(expression, cst.Expr) or not alone:
        return None
    function = file.parents[file.parents[line]]
    if not isinstance(function, cst.FunctionDef) or not isinstance(call, cst.Call):
        return None
    if len(call.args) != 1 or call.args[0].keyword or call.args[0].star:
        return None
    last = function.body.body[-1]
    leaves = [*_leaves(function.body)]
    if not isinstance(last, cst.SimpleStatementLine) or len(last.body) > 1:
        return None
    return function if leaves in ([], [last.body[0]]) else None


def move_finalizers(
    function: cst.FunctionDef, calls: list[tuple[cst.Call, bool]], edits: Edits
) -> None:
    """Write finalizers after ``yield``, the last one first.

    Arguments:
        function: The fixture.
        calls: The calls of ``addfinalizer()``, and whether to await their argument.
        edits: The changes of the file.
    """
    file = edits.file
    last = function.body.body[-1]
    assert isinstance(last, cst.SimpleStatementLine)
    indent = indentation(last, file)
    newline = file.tree.default_newline
    lines = ["yield"]
    statement = last.body[0]
    if isinstance(statement, cst.Return) and statement.value is not None:
        lines = [f"yield {file.source(statement.value)}"]
    for call, awaited in reversed(calls):
        value = call.args[0].value
        text = file.source(value)
        text = text if isinstance(value, cst.Name | cst.Attribute) else f"({text})"
        lines.append(f"{'await ' if awaited else ''}{text}()")
    new = f"{newline}{indent}".join(lines)
    for call, _ in calls:
        if file.parents[file.parents[call]] is last:
            edits.replace_span(*file.spans[statement], new)
            continue
        start = file.spans[file.parents[call]][0]
        start = file.text.rfind(b"\n", 0, start) + 1
        end = end_of_line(file.parents[call], file)
        end = file.text.find(b"\n", end) + 1
        edits.replace_span(start, end, "")
    if isinstance(statement, cst.Return):
        edits.replace_span(*file.spans[statement], new)
    elif all(file.parents[file.parents[call]] is not last for call, _ in calls):
        edits.insert(end_of_line(statement, file), f"{newline}{indent}{new}")


def _leaves(body: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield what returns or yields in a function, and not in those inside of it."""
    pending = [body]
    while pending:
        node = pending.pop()
        if isinstance(node, cst.Return | cst.Yield):
            yield node
        if not isinstance(node, cst.FunctionDef | cst.Lambda | cst.ClassDef):
            pending += node.children
