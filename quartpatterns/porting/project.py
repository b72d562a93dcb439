"""Read the Python files of a project."""

from __future__ import annotations

import ast
import io
import os
import re
import sys
import tokenize
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
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
    "is_source",
]

# Folders without code of the project. Folders of the second kind may also be packages.
NOT_SOURCE = frozenset({"__pycache__", "node_modules", "site-packages"})
MADE_BY_TOOLS = frozenset({"build", "dist", "docs_build", "env", "venv", "virtualenv"})
# Libraries that many packages have a module of the same name for. They import the library.
OFTEN_HIDDEN = frozenset({"celery"})
LARGEST_FILE = 2_000_000  # bytes; larger files are generated
READABLE = "let your user read it"
ENCODING = "store it in UTF-8"
# What Python 3 says about a statement of Python 2.
PYTHON_2 = re.compile(
    r"Missing parentheses in call to '(print|exec)'|multiple exception types must be parenthesized"
    r"|leading zeros in decimal integer literals"
)
PYTHON_2_LINE = re.compile(
    r"\s*(raise \w+, |print\b|exec |except [\w.]+, \w+:)|.*(`\w+`|<>|\bur['\"])"
)


class PortError(Exception):
    """The folder cannot be ported."""


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file that stays as it is."""

    path: str  # relative to the project
    line: int
    reason: str
    remedy: str


@dataclass(eq=False)
class PythonFile:
    """A Python file with its syntax tree.

    Attributes:
        path: Where it is.
        name: Its path relative to the project.
        module: The name that other files import it by.
        stored: Its content.
        text: Its content, encoded in UTF-8, to which all positions refer.
        encoding: The encoding in which it is stored.
        in_tests: Whether it is in a folder that the user has named as that of the tests.
    """

    path: Path
    name: str
    module: str
    stored: bytes
    text: bytes
    encoding: str
    tree: cst.Module
    in_tests: bool = False
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
            self.in_tests
            or name == "conftest.py"
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

    def is_label(self, node: cst.Name) -> bool:
        """Return whether a name is that of an attribute, or of a keyword argument."""
        parent = self.parents[node]
        return (isinstance(parent, cst.Attribute) and parent.attr is node) or (
            isinstance(parent, cst.Arg) and parent.keyword is node
        )

    @cached_property
    def imported_names(self) -> dict[str, str]:
        """The names that imports give to the file, and what they are: ``unittest.TestCase``."""
        found: dict[str, str] = {}
        for node in self.spans:
            if not isinstance(node, cst.Import | cst.ImportFrom):
                continue
            prefix = f"{absolute_module(node, self)}." if isinstance(node, cst.ImportFrom) else ""
            for alias in () if isinstance(node.names, cst.ImportStar) else node.names:
                bound = alias.asname.name if alias.asname else alias.name
                found.setdefault(dotted_name(bound), f"{prefix}{dotted_name(alias.name)}")
        return found

    def full_name(self, node: cst.CSTNode) -> str:
        """Return the name with the module from which the file imports it."""
        head, dot, rest = dotted_name(node).partition(".")
        return f"{self.imported_names.get(head, head)}{dot}{rest}"

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
        if not package or module.partition(".")[0] in OFTEN_HIDDEN:
            return None
        return self.modules.get(f"{package}.{module}")


def read_project(
    folder: Path, texts: Mapping[str, bytes] | None = None, tests: Iterable[Path] = ()
) -> SourceProject:
    """Read the Python files below *folder*.

    Arguments:
        folder: The folder of the project.
        texts: The content of files that an earlier stage has changed or created, by their names.
        tests: Folders or files with tests, besides those that have the usual names.

    Raises:
        PortError: *folder* is no folder, or has no Python files. Or one of *tests* does not exist,
            is outside of *folder*, or has no Python files.
    """
    if not folder.is_dir():
        raise PortError(f"{folder}: there is no such folder")
    places = {_place_of_tests(folder, given): given for given in tests}
    files: list[PythonFile] = []
    texts = texts or {}
    found, unreadable = _python_files(folder)
    names = {path.relative_to(folder).as_posix(): path for path in found}
    names |= {name: folder / name for name in texts if name.endswith(".py")}
    for name, path in sorted(names.items()):
        try:
            files.append(_read(path, name, _module_name(path, folder), texts.get(name)))
        except _UnreadableError as error:
            printable = name.encode(errors="surrogateescape").decode(errors="replace")
            unreadable.append(UnreadableFile(printable, error.line, str(error), error.remedy))
    if not files and not unreadable:
        raise PortError(f"{folder}: there are no Python files")
    for place, given in places.items():
        inside = [file for file in files if file.path.resolve().is_relative_to(place)]
        if not inside:
            raise PortError(f"--tests: {given}: there are no Python files")
        for file in inside:
            file.in_tests = True
    modules: dict[str, PythonFile] = {}
    for file in files:
        modules.setdefault(file.module, file)
    return SourceProject(folder, tuple(files), tuple(unreadable), modules)


def _place_of_tests(folder: Path, given: Path) -> Path:
    """Return where *given* is: relative to the current folder, or to that of the project."""
    root = folder.resolve()
    places = [path.resolve() for path in (given, folder / given) if path.exists()]
    if not places:
        raise PortError(f"--tests: {given}: there is no such folder")
    place = next((place for place in places if place.is_relative_to(root)), None)
    if place is None:
        raise PortError(
            f"--tests: {given} is not inside of {folder}: port a folder that contains the"
            f" application and its tests, {os.path.commonpath([root, *places])}"
        )
    if place == root:
        raise PortError(f"--tests: {given} is the whole project: name the folder of the tests")
    return place


def _python_files(folder: Path) -> tuple[list[Path], list[UnreadableFile]]:
    """Return the Python files below *folder*, and what cannot be read. Links are not followed."""
    files: list[Path] = []
    unreadable: list[UnreadableFile] = []

    def note(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise PortError(f"{folder}: {error.strerror}") from error
        name = Path(error.filename).relative_to(folder).as_posix()
        unreadable.append(UnreadableFile(name, 1, error.strerror or str(error), READABLE))

    for base, folders, names in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if is_source(Path(base, name)))
        for name in sorted(names):
            path = Path(base, name)
            if name.endswith(".py") and path.is_file() and not path.is_symlink():
                files.append(path)
            elif name.endswith(".ipynb") and path.is_file():
                reason = "notebooks are not ported"
                remedy = "if the application needs it, export it as a file of Python"
                unreadable.append(
                    UnreadableFile(path.relative_to(folder).as_posix(), 1, reason, remedy)
                )
    return files, unreadable


def is_source(folder: Path) -> bool:
    """Return whether a folder can have code of the project, and is no virtual environment."""
    name = folder.name
    if name.startswith(".") or name in NOT_SOURCE:
        return False
    if any(os.path.exists(folder / part) for part in ("pyvenv.cfg", "bin/activate")):
        return False
    return name not in MADE_BY_TOOLS or os.path.exists(folder / "__init__.py")


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
    def __init__(self, reason: str, remedy: str, line: int = 1) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.line = line


def _read(path: Path, name: str, module: str, data: bytes | None) -> PythonFile:
    if data is None:
        data = _stored(path, name)
    text, encoding = _decoded(data)
    tree, spans = _parsed(text)
    return PythonFile(
        path=path,
        name=name,
        module=module,
        stored=data,
        text=text.encode(),
        encoding=encoding,
        tree=tree,
        spans=spans,
        parents=_parents(tree),
    )


def _stored(path: Path, name: str) -> bytes:
    try:
        name.encode()
        if path.stat().st_size > LARGEST_FILE:
            raise _UnreadableError(
                f"it is larger than {LARGEST_FILE:,} bytes", "if it is not generated, split it"
            )
        return path.read_bytes()
    except UnicodeEncodeError as error:
        raise _UnreadableError("its name is not valid UTF-8", "give it another name") from error
    except OSError as error:
        raise _UnreadableError(error.strerror or str(error), READABLE) from error


def _decoded(data: bytes) -> tuple[str, str]:
    """Return the text and its encoding."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
        text.encode()
        is_stable = text.encode(encoding) == data
    except (SyntaxError, UnicodeError, LookupError) as error:
        raise _UnreadableError(f"the encoding is wrong: {error}", ENCODING) from error
    if not is_stable:
        raise _UnreadableError(f"{encoding} would store its text in other bytes", ENCODING)
    return text, encoding


def _parsed(text: str) -> tuple[cst.Module, dict[cst.CSTNode, tuple[int, int]]]:
    """Return the syntax tree, and where its nodes begin and end."""
    try:
        # LibCST's parser ends the process if expressions are nested too deep. Python's does not.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the code, such as invalid escape sequences
            ast.parse(text)
        tree = cst.parse_module(text)
        spans = MetadataWrapper(tree, unsafe_skip_copy=True).resolve(ByteSpanPositionProvider)
    except SyntaxError as error:
        line = error.lineno or 1
        if PYTHON_2.match(error.msg) or PYTHON_2_LINE.match(error.text or ""):
            remedy = "convert it with 2to3 or python-modernize first"
            raise _UnreadableError("this is Python 2", remedy, line) from error
        version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        reason = f"it is not valid {version}: {error.msg}"
        raise _UnreadableError(reason, "correct the syntax", line) from error
    except cst.ParserSyntaxError as error:
        reason, remedy = "LibCST cannot parse this line", "write it in another way"
        raise _UnreadableError(reason, remedy, error.raw_line) from error
    except (MemoryError, RecursionError) as error:
        raise _UnreadableError("expressions are nested too deep", "split them") from error
    except ValueError as error:  # such as a null byte
        raise _UnreadableError(f"it is not valid Python: {error}", "correct the syntax") from error
    return tree, {node: (span.start, span.start + span.length) for node, span in spans.items()}


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
