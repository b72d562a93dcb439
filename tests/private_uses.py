"""Finds the private names of other packages that this package uses.

Most are found in syntax trees. What a class overrides, or takes from a base class of another
package as ``self._name``, is found by looking at the imported classes.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["private_uses"]


def private_uses(folder: Path) -> dict[str, set[str]]:
    """Return the private names used in *folder* but not defined in it, each with its files.

    A name counts as private if it starts with one underscore. Attributes of any object, names that
    are imported, modules that are imported, and names given to ``getattr`` and its relatives count.
    A name that *folder* defines itself is taken for its own, whatever object it is read from,
    unless a base class from another package has it as well.
    """
    trees = {
        file: ast.parse(file.read_text())
        for file in sorted(folder.rglob("*.py"))
        if not {"example", "skeleton"} & set(file.relative_to(folder).parts)
    }
    own = {name for tree in trees.values() for name in _defined(tree)}
    uses: dict[str, set[str]] = {}
    for file, tree in trees.items():
        for name in _used(tree):
            if name not in own:
                uses.setdefault(name, set()).add(str(file.relative_to(folder)))
        if any(isinstance(node, ast.ClassDef) for node in tree.body):
            for name in _inherited(file, folder.parent):
                uses.setdefault(name, set()).add(str(file.relative_to(folder)))
    return uses


def _inherited(file: Path, package: Path) -> Iterator[str]:
    """Yield the private names that classes of *file* share with base classes of other packages."""
    parts = file.relative_to(package.parent).with_suffix("").parts
    module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
    for cls in vars(module).values():
        if not inspect.isclass(cls) or cls.__module__ != module.__name__:
            continue
        try:
            mentioned = set(re.findall(r"\b_\w+", inspect.getsource(cls)))
        except (OSError, TypeError):
            continue  # Made by a function, so that it has no source of its own.
        for base in inspect.getmro(cls)[1:-1]:
            if base.__module__.partition(".")[0] in {package.name, "abc", "typing"}:
                continue
            yield from filter(_is_private, mentioned & {*vars(base), *_assigned(base)})


@cache  # Many classes have the same bases, and finding a source takes long.
def _assigned(cls: type) -> set[str]:
    """Return the attributes of ``self`` that the source of *cls* names."""
    try:
        return set(re.findall(r"\bself\.(\w+)", inspect.getsource(cls)))
    except (OSError, TypeError):
        return set()


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and len(name) > 1


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name):
                        yield part.id
                    elif isinstance(part, ast.Attribute) and _is_self(part.value):
                        yield part.attr


def _used(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if not module.startswith("quartpatterns") and not node.level:
                parts = [*module.split("."), *(alias.name for alias in node.names)]
                yield from filter(_is_private, parts)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in {"getattr", "setattr", "hasattr", "delattr"}:
                for argument in node.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        if _is_private(argument.value):
                            yield argument.value


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}
