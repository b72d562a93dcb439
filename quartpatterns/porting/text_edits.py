"""Changes of the text of one file. Everything else stays to the byte."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

import libcst as cst

from quartpatterns.porting.project import PythonFile, dotted_name

__all__ = [
    "Edits",
    "add_imports",
    "end_of_line",
    "first_statement",
    "indent_lines",
    "indentation",
    "move_names",
    "remove_items",
    "separator",
]


@dataclass
class Edits:
    """Changes of one file. Positions are those of the original text."""

    file: PythonFile
    _insertions: dict[int, list[tuple[int, str]]] = field(
        default_factory=dict[int, list[tuple[int, str]]]
    )
    _replacements: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])

    def wrap(self, node: cst.CSTNode, before: str, after: str = "") -> None:
        """Put text around *node*. An outer node may begin or end where an inner one does."""
        start, end = self.file.spans[node]
        length = end - start
        self._insertions.setdefault(start, []).append((-length, before))
        if after:
            self._insertions.setdefault(end, []).append((length - 2**40, after))

    def insert(self, position: int, text: str) -> None:
        """Insert *text*."""
        self._insertions.setdefault(position, []).append((-(2**41), text))

    def insert_last(self, position: int, text: str) -> None:
        """Insert *text* after all other insertions there."""
        self._insertions.setdefault(position, []).append((2**41, text))

    def insert_once(self, position: int, text: str) -> None:
        """Insert *text* unless it is inserted there."""
        if (-(2**41), text) not in self._insertions.get(position, ()):
            self.insert(position, text)

    def forget(self, start: int) -> None:
        """Do not replace what begins at *start*."""
        for span in [span for span in self._replacements if span[0] == start]:
            del self._replacements[span]

    def replace(self, node: cst.CSTNode, text: str) -> None:
        """Replace the text of *node*."""
        self._replacements[self.file.spans[node]] = text

    def replace_span(self, start: int, end: int, text: str) -> None:
        """Replace the text between two positions."""
        self._replacements[start, end] = text

    def result(self) -> bytes:
        """Return the changed text, in UTF-8."""
        text = self.file.text
        points = sorted({*self._insertions, *(start for start, _ in self._replacements)})
        starts = {start: (end, new) for (start, end), new in self._replacements.items()}
        parts: list[bytes] = []
        done = 0
        for point in points:
            if point < done:
                continue  # What is around it is replaced.
            parts.append(text[done:point])
            done = point
            for _, inserted in sorted(self._insertions.get(point, ()), key=lambda each: each[0]):
                parts.append(inserted.encode())
            if point in starts:
                end, new = starts[point]
                parts.append(new.encode())
                done = end
        parts.append(text[done:])
        return b"".join(parts)

    @property
    def changes(self) -> int:
        """The number of changes."""
        return sum(map(len, self._insertions.values())) + len(self._replacements)


def add_imports(edits: Edits, statements: Iterable[str], modules: Container[str]) -> None:
    """Insert statements after the last import at the top of the module.

    Arguments:
        edits: The changes of the file.
        statements: The statements that import.
        modules: Modules after whose import they can be, if there are more below.
    """
    file = edits.file
    present = {
        file.source(small)
        for line in file.tree.body
        if isinstance(line, cst.SimpleStatementLine)
        for small in line.body
    }
    statements = [statement for statement in statements if statement not in present]
    last: cst.CSTNode | None = None
    for statement in file.tree.body:
        if isinstance(statement, cst.SimpleStatementLine):
            first = statement.body[0]
            if isinstance(first, cst.Import | cst.ImportFrom):
                last = statement
                if _imports(first, modules):
                    break
                continue
        if last is not None:
            break
    newline = file.tree.default_newline
    if last is None:
        position = first_statement(file)
        edits.insert(position, "".join(f"{statement}{newline}" for statement in sorted(statements)))
        return
    position = end_of_line(last, file)
    edits.insert(position, "".join(f"{newline}{statement}" for statement in sorted(statements)))


def _imports(node: cst.Import | cst.ImportFrom, modules: Container[str]) -> bool:
    if isinstance(node, cst.ImportFrom):
        return node.module is not None and dotted_name(node.module) in modules
    return any(dotted_name(alias.name) in modules for alias in node.names)


def move_names(
    edits: Edits,
    node: cst.ImportFrom,
    moved: Sequence[cst.ImportAlias],
    statements: Iterable[str],
) -> None:
    """Remove names from an import, and add other statements after it."""
    assert not isinstance(node.names, cst.ImportStar)
    file = edits.file
    between_statements = separator(node, file)
    new = dict.fromkeys(statements)
    if len(moved) == len(node.names):
        edits.replace(node, between_statements.join(new) or "pass")
        return
    remove_items(edits, node.names, moved)
    position = file.spans[node][1] if between_statements == "; " else end_of_line(node, file)
    edits.insert(position, "".join(between_statements + statement for statement in new))


def remove_items(
    edits: Edits, items: Sequence[cst.CSTNode], removed: Sequence[cst.CSTNode]
) -> None:
    """Remove some of several items, such as names or arguments, and the commas after them."""
    spans = [edits.file.spans[item] for item in items]
    for index, item in enumerate(items):
        if item not in removed:
            continue
        if index + 1 < len(spans):
            edits.replace_span(spans[index][0], spans[index + 1][0], "")
            continue
        # Also those directly before it, and the comma after the last one that stays.
        kept = [i for i in range(index) if items[i] not in removed]
        first = kept[-1] + 1 if kept else 0
        for between in range(first, index):
            edits.forget(spans[between][0])
        start = spans[kept[-1]][1] if kept else spans[0][0]
        end = spans[index][1]
        if not kept and isinstance(getattr(item, "comma", None), cst.Comma):
            end = edits.file.text.index(b",", end) + 1
        edits.replace_span(start, end, "")


def indentation(node: cst.CSTNode, file: PythonFile) -> str:
    """Return what is before a statement on its line."""
    start = file.spans[node][0]
    return file.text[file.text.rfind(b"\n", 0, start) + 1 : start].decode()


def indent_lines(edits: Edits, start: int, end: int, unit: str) -> None:
    """Indent the lines that begin between two positions, except those inside of strings."""
    file = edits.file
    strings = [
        span
        for node, span in file.spans.items()
        if isinstance(node, cst.SimpleString | cst.FormattedString)
        and b"\n" in file.text[span[0] : span[1]]
    ]
    position = file.text.find(b"\n", start) + 1
    while 0 < position < end:
        following = file.text.find(b"\n", position) + 1 or len(file.text)
        inside = any(begin < position < stop for begin, stop in strings)
        if file.text[position:following].strip() and not inside:
            edits.insert(position, unit)
        position = following


def separator(node: cst.CSTNode, file: PythonFile) -> str:
    """Return what separates a simple statement from another one that follows it."""
    line = file.parents[node]
    if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1:
        start = file.spans[line][0]
        indent = file.text[file.text.rfind(b"\n", 0, start) + 1 : start].decode()
        return file.tree.default_newline + indent
    return "; "


def end_of_line(node: cst.CSTNode, file: PythonFile) -> int:
    """Return where the line of a statement ends, after its comment."""
    end = file.spans[node][1]
    following = file.text.find(b"\n", end)
    line = file.text[end:] if following < 0 else file.text[end:following]
    return end + len(line.rstrip(b"\r"))


def first_statement(file: PythonFile) -> int:
    """Return where an import can be added: after the docstring and ``__future__``."""
    for statement in file.tree.body:
        node: cst.CSTNode = statement
        if isinstance(statement, cst.SimpleStatementLine):
            first = statement.body[0]
            is_future = isinstance(first, cst.ImportFrom) and (
                first.module is not None and dotted_name(first.module) == "__future__"
            )
            if is_future or (
                isinstance(first, cst.Expr)
                and isinstance(first.value, cst.SimpleString | cst.ConcatenatedString)
            ):
                continue
        elif isinstance(statement, cst.FunctionDef | cst.ClassDef) and statement.decorators:
            node = statement.decorators[0]
        return file.spans[node][0]
    return len(file.text)
