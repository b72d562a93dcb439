"""How much code an application of the helpers takes: ``python -m tests.tutorial.measure``."""

from __future__ import annotations

import ast
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.tutorial.photoboard import STEPS, assemble

__all__ = ["Size", "measure"]

PACKAGE = "quartpatterns"


@dataclass(frozen=True)
class Size:
    """The size of the package of an application."""

    lines: int
    """Lines of Python, without blank lines, comments and docstrings."""
    statements: int
    """Import statements from this package."""
    names: int
    """Different names that are imported from it."""
    calls: int
    """Calls in ``create_app`` that set up something."""
    objects: int
    """Objects of this package that modules create."""


def measure(folder: Path) -> Size:
    """Return the size of the package in *folder*."""
    trees = {file: ast.parse(file.read_text()) for file in sorted(folder.rglob("*.py"))}
    imports = [
        node
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE
    ]
    names = {alias.asname or alias.name for node in imports for alias in node.names}
    objects = [
        node
        for tree in trees.values()
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id in names
        and node.value.func.id[0].isupper()
    ]
    return Size(
        lines=sum(map(_code_lines, trees.values())),
        statements=len(imports),
        names=len({(node.module, alias.name) for node in imports for alias in node.names}),
        calls=_set_up_calls(trees[folder / "__init__.py"]),
        objects=len(objects),
    )


def _code_lines(tree: ast.Module) -> int:
    lines: set[int] = set()
    for node in ast.walk(tree):
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.stmt) and not is_docstring:
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
                end = body[0].lineno - 1
            first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
            lines |= set(range(first, max(end, node.lineno) + 1))
    return len(lines)


def _set_up_calls(tree: ast.Module) -> int:
    (factory,) = (
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "create_app"
    )
    return sum(
        isinstance(node, ast.Expr | ast.Assign)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in ast.walk(factory)
    )


def main() -> None:
    """Print the size after each step."""
    sys.stdout.write("step  lines  import statements  names  set-up calls  extension objects\n")
    with tempfile.TemporaryDirectory() as name:
        for number in range(1, len(STEPS) + 1):
            folder = assemble(number, Path(name) / str(number)) / "photoboard"
            size = measure(folder)
            sys.stdout.write(
                f"{number:>4}  {size.lines:>5}  {size.statements:>17}  {size.names:>5}"
                f"  {size.calls:>12}  {size.objects:>17}\n"
            )


if __name__ == "__main__":
    main()
