"""Read the Python files of a project."""

from __future__ import annotations

import ast
import io
import os
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper

__all__ = [
    "SourceProject",
    "PortError",
    "PythonFile",
    "UnreadableFile",
    "absolute_module",
    "read_project",
    "dotted_name",
    "imported_modules",
    "is_extension",
]

# Folders without code of the project.
SKIPPED = frozenset(
    "__pycache__ build dist docs_build env node_modules site-packages venv virtualenv".split()
)
LARGEST_FILE = 2_000_000  # bytes; larger files are generated


class PortError(Exception):
    """The folder cannot be ported."""


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file that stays as it is."""

    path: str  # relative to the project
    line: int
    reason: str


@dataclass(eq=False)
class PythonFile:
    """A Python file with its syntax tree.

    Attributes:
        path: Where it is.
        name: Its path relative to the project.
        module: The name that other files import it by.
        text: Its content, encoded in UTF-8, to which all positions refer.
        encoding: The encoding in which it is stored.
    """

    path: Path
    name: str
    module: str
    text: bytes
    encoding: str
    tree: cst.Module
    spans: dict[cst.CSTNode, tuple[int, int]] = field(default_factory=dict[Any, Any])
    parents: dict[cst.CSTNode, cst.CSTNode] = field(default_factory=dict[Any, Any])

    @property
    def is_package(self) -> bool:
        """Whether it is the ``__init__.py`` of a package."""
        return self.path.name == "__init__.py"

    @property
    def is_test(self) -> bool:
        """Whether pytest or unittest would collect it, or it supports tests."""
        name = self.path.name
        return (
            name == "conftest.py"
            or name.startswith(("test_", "tests"))
            or name.endswith("_test.py")
            or any(part in ("test", "tests") for part in Path(self.name).parts[:-1])
        )

    def line(self, node: cst.CSTNode) -> int:
        """Return the number of the line on which *node* begins."""
        return self.text.count(b"\n", 0, self.spans[node][0]) + 1

    def source(self, node: cst.CSTNode) -> str:
        """Return the text of *node*."""
        start, end = self.spans[node]
        return self.text[start:end].decode()

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yield the parent of *node*, its parent, and so on."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent


@dataclass(frozen=True)
class SourceProject:
    """The files of a project.

    Attributes:
        folder: Its folder.
        files: The files that can be read.
        unreadable: Those that cannot.
        modules: The files by the name of their module.
    """

    folder: Path
    files: tuple[PythonFile, ...]
    unreadable: tuple[UnreadableFile, ...]
    modules: dict[str, PythonFile]

    def resolve(self, module: str, importer: PythonFile) -> PythonFile | None:
        """Return the file of *module*, preferring those next to the file that imports it."""
        return self.modules.get(module) or self._sibling(module, importer)

    def _sibling(self, module: str, importer: PythonFile) -> PythonFile | None:
        # A script imports the modules of its folder by their names alone.
        package = importer.module if importer.is_package else importer.module.rpartition(".")[0]
        return self.modules.get(f"{package}.{module}") if package else None


def read_project(folder: Path, texts: Mapping[str, bytes] | None = None) -> SourceProject:
    """Read the Python files below *folder*.

    Arguments:
        folder: The folder of the project.
        texts: The content of files that an earlier stage has changed or created, by their names.

    Raises:
        PortError: *folder* is no folder, or has no Python files.
    """
    if not folder.is_dir():
        raise PortError(f"{folder}: there is no such folder")
    files: list[PythonFile] = []
    unreadable: list[UnreadableFile] = []
    texts = texts or {}
    names = {path.relative_to(folder).as_posix(): path for path in python_files(folder)}
    names |= {name: folder / name for name in texts if name.endswith(".py")}
    for name, path in sorted(names.items()):
        try:
            files.append(_read(path, name, _module_name(path, folder), texts.get(name)))
        except _UnreadableError as error:
            unreadable.append(UnreadableFile(name, error.line, str(error)))
    if not files and not unreadable:
        raise PortError(f"{folder}: there are no Python files")
    modules: dict[str, PythonFile] = {}
    for file in files:
        modules.setdefault(file.module, file)
    return SourceProject(folder, tuple(files), tuple(unreadable), modules)


def python_files(folder: Path) -> Iterator[Path]:
    """Yield the Python files below *folder* in order of their names. Links are not followed."""
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name not in SKIPPED
            and not name.startswith(".")
            and not (Path(base, name) / "pyvenv.cfg").exists()
        )
        for name in sorted(names):
            path = Path(base, name)
            if name.endswith(".py") and path.is_file() and not path.is_symlink():
                yield path


def _module_name(path: Path, folder: Path) -> str:
    """Return the name by which *path* is imported: from the topmost folder with __init__.py on."""
    parts = [] if path.name == "__init__.py" else [path.stem]
    parent = path.parent
    while parent != folder and (parent / "__init__.py").exists():
        parts.insert(0, parent.name)
        parent = parent.parent
    if not parts:  # The project's folder itself is a package.
        return path.parent.name
    # A folder without __init__.py is a namespace package, unless it only groups code.
    relative = parent.relative_to(folder).parts
    grouping = not relative or relative[0] in ("src", "lib") or len(parts) > 1
    return ".".join(parts if grouping else [*relative, *parts])


class _UnreadableError(Exception):
    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.line = line


def _read(path: Path, name: str, module: str, data: bytes | None) -> PythonFile:
    try:
        if data is None and path.stat().st_size > LARGEST_FILE:
            raise _UnreadableError(f"larger than {LARGEST_FILE:,} bytes")
        data = path.read_bytes() if data is None else data
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except OSError as error:
        raise _UnreadableError(error.strerror or str(error)) from error
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise _UnreadableError(f"the encoding is wrong: {error}") from error
    try:
        # LibCST's parser ends the process if expressions are nested too deep. Python's does not.
        ast.parse(text)
        tree = cst.parse_module(text)
        spans = MetadataWrapper(tree, unsafe_skip_copy=True).resolve(ByteSpanPositionProvider)
    except SyntaxError as error:
        reason = f"it is not valid Python: {error.msg}"
        if _is_python_2(text):
            reason = "this is Python 2; convert it with 2to3 or python-modernize first"
        raise _UnreadableError(reason, error.lineno or 1) from error
    except cst.ParserSyntaxError as error:
        raise _UnreadableError("LibCST cannot parse this line", error.raw_line) from error
    except (MemoryError, RecursionError) as error:
        raise _UnreadableError("expressions are nested too deep") from error
    except ValueError as error:  # such as a null byte
        raise _UnreadableError(f"it is not valid Python: {error}") from error
    return PythonFile(
        path=path,
        name=name,
        module=module,
        text=text.encode(),
        encoding=encoding,
        tree=tree,
        spans={node: (span.start, span.start + span.length) for node, span in spans.items()},
        parents=_parents(tree),
    )


def _is_python_2(text: str) -> bool:
    """Return whether a statement is one of Python 2 alone."""
    lines = (line.strip() for line in text.splitlines())
    return any(
        line.startswith(('print "', "print '", "print '", "exec "))
        or (line.startswith("except ") and ", " in line and " as " not in line and "(" not in line)
        for line in lines
    )


def _parents(tree: cst.Module) -> dict[cst.CSTNode, cst.CSTNode]:
    parents: dict[cst.CSTNode, cst.CSTNode] = {}
    pending: list[cst.CSTNode] = [tree]
    while pending:
        node = pending.pop()
        for child in node.children:
            parents[child] = node
            pending.append(child)
    return parents


def absolute_module(node: cst.ImportFrom, file: PythonFile) -> str:
    """Return the full name of the module from which *node* imports."""
    module = dotted_name(node.module) if node.module else ""
    if not node.relative:
        return module
    parts = file.module.split(".")
    levels = len(node.relative) - (1 if file.is_package else 0)
    parts = parts[: len(parts) - levels] if levels else parts
    return ".".join([*parts, module] if module else parts)


def imported_modules(node: cst.CSTNode) -> list[str]:
    """Return the modules that an absolute import names; nothing for other nodes."""
    if isinstance(node, cst.ImportFrom) and node.module is not None and not node.relative:
        return [dotted_name(node.module)]
    if isinstance(node, cst.Import):
        return [dotted_name(alias.name) for alias in node.names]
    return []


def is_extension(package: str, importer: PythonFile, project: SourceProject) -> bool:
    """Return whether *package* is an extension for Flask by its name, and not of the project."""
    return package.startswith("flask_") and project.resolve(package, importer) is None


def dotted_name(node: cst.CSTNode) -> str:
    """Return ``a.b.c`` for a name or attributes of a name, and "" for other expressions."""
    if isinstance(node, cst.Attribute):
        return f"{dotted_name(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""
