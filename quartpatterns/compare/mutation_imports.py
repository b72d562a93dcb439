"""Import modules and load templates with a change, in this process and in those that it starts.

The files are not touched. An import hook compiles the changed text of a module, and Jinja compiles
the changed text of a template.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.machinery
import json
import os
import sys
import sysconfig
import tokenize
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

VARIABLE = "QUARTPATTERNS_MUTANT"
"""The environment variable with the change, as JSON, for the processes that a mutant starts."""

SITE = Path(__file__).with_name("mutation_site")
"""The folder with the ``sitecustomize.py`` of those processes."""

_RECORD = "__quartpatterns_statement__"
Rewrite = Callable[[str, str], CodeType | None]


class _Finder(MetaPathFinder):
    """Finds modules as the other finders do, and lets *rewrite* compile them."""

    def __init__(self, rewrite: Rewrite, names: dict[str, Any]) -> None:
        self.rewrite = rewrite
        self.names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.origin and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
                    spec.loader = _Loader(fullname, spec.origin, self)
                return spec
        return None


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, finder: _Finder) -> None:
        super().__init__(fullname, path)
        self._finder = finder

    def get_code(self, fullname: str) -> CodeType | None:
        code = self._finder.rewrite(fullname, os.path.realpath(self.path))
        return super().get_code(fullname) if code is None else code

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._finder.names)
        super().exec_module(module)


def read_source(file: str) -> str:
    """Return the text of a Python file in the encoding that it declares."""
    with tokenize.open(file) as opened:
        return opened.read()


def install_change(file: str, start: int, end: int, replacement: str) -> None:
    """Change *file* for everything that this process imports and renders from now on."""
    if not file.endswith(".py"):
        _install_template_change(file, start, end, replacement)
        return

    def rewrite(name: str, path: str) -> CodeType | None:
        if path != file:
            return None
        text = read_source(path)
        changed = text[:start] + replacement + text[end:]
        code: CodeType = compile(changed, path, "exec", dont_inherit=True)
        return code

    sys.meta_path.insert(0, _Finder(rewrite, {}))


@contextlib.contextmanager
def without_changes() -> Iterator[None]:
    """Import modules as they are, in this block."""
    finders = [finder for finder in sys.meta_path if isinstance(finder, _Finder)]
    for finder in finders:
        sys.meta_path.remove(finder)
    try:
        yield
    finally:
        sys.meta_path[:0] = finders


def install_from_environment() -> None:
    """Do what :data:`VARIABLE` says; ``sitecustomize.py`` calls it."""
    if change := os.environ.get(VARIABLE):
        install_change(*json.loads(change))


def change_environment(file: str, start: int, end: int, replacement: str) -> None:
    """Change *file* for the Python processes that this process starts from now on."""
    os.environ[VARIABLE] = json.dumps([file, start, end, replacement])
    folders = [str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(folders)


def _of_flask(environment: Any) -> bool:
    """Return whether Flask made *environment*: then it renders pages of the original."""
    return any(base.__module__.startswith("flask.") for base in type(environment).__mro__)


def _patch_compile(on_compile: Callable[[Any, str, str], str]) -> None:
    """Call *on_compile* with environment, text and path before each template is compiled.

    All loaders of Jinja end in this method. The process belongs to one mutant, and ends with it.
    """
    import jinja2

    compile_template = jinja2.Environment.compile

    def compile_changed(
        self: jinja2.Environment,
        source: Any,
        name: str | None = None,
        filename: str | None = None,
        *arguments: Any,
        **options: Any,
    ) -> Any:
        if isinstance(source, str) and filename and not _of_flask(self):
            source = on_compile(self, source, os.path.realpath(filename))
        return compile_template(self, source, name, filename, *arguments, **options)

    jinja2.Environment.compile = compile_changed  # type: ignore[method-assign]


def _install_template_change(file: str, start: int, end: int, replacement: str) -> None:
    def changed(environment: Any, source: str, path: str) -> str:
        return source[:start] + replacement + source[end:] if path == file else source

    _patch_compile(changed)


def record(
    roots: tuple[Path, ...],
    templates: tuple[Path, ...],
    on_template: Callable[[str, str, Any], None],
) -> dict[str, set[int]]:
    """Record what is imported and rendered from now on.

    Arguments:
        roots: The folders whose modules are recorded.
        templates: The folders whose templates are recorded.
        on_template: Is called with path, text and environment of each template.

    Returns:
        By path, the first lines of the statements that have run so far. It is filled later.
    """
    statements: dict[str, set[int]] = {}

    def rewrite(name: str, path: str) -> CodeType | None:
        if not is_own(path, roots):
            return None
        statements.setdefault(path, set())
        tree = _Recorder(path).visit(ast.parse(read_source(path)))
        code: CodeType = compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)
        return code

    def ran(path: str, line: int) -> None:
        statements[path].add(line)

    def template(environment: Any, source: str, path: str) -> str:
        if is_own(path, templates):
            on_template(path, source, environment)
        return source

    sys.meta_path.insert(0, _Finder(rewrite, {_RECORD: ran}))
    _patch_compile(template)
    return statements


@functools.cache
def is_own(path: str | None, roots: tuple[Path, ...]) -> bool:
    """Return whether the file *path* is below *roots*, and not an installed library."""
    if path is None:
        return False
    file = Path(os.path.realpath(path))
    return any(file.is_relative_to(root) for root in roots) and not any(
        file.is_relative_to(folder) for folder in _installed()
    )


@functools.cache
def _installed() -> set[str]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return {os.path.realpath(path) for name in names if (path := sysconfig.get_path(name))}


class _Recorder(ast.NodeTransformer):
    """Puts a call before each statement that records its line."""

    def __init__(self, path: str) -> None:
        self.path = path

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for field in ("body", "orelse", "finalbody"):
            body = getattr(node, field, None)
            if isinstance(body, list):
                setattr(node, field, [each for statement in body for each in self._pair(statement)])
        return node

    def _pair(self, statement: ast.stmt) -> list[ast.stmt]:
        match statement:
            case ast.Expr(value=ast.Constant()) | ast.ImportFrom(module="__future__"):
                return [statement]
        arguments: list[ast.expr] = [ast.Constant(self.path), ast.Constant(statement.lineno)]
        call = ast.Call(ast.Name(_RECORD, ast.Load()), arguments, [])
        return [ast.copy_location(ast.Expr(call), statement), statement]
