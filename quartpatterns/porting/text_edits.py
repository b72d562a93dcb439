"""Changes of the text of one file. Everything else stays to the byte."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import libcst as cst

from quartpatterns.porting.project import PythonFile

__all__ = ["Edits", "move_names"]


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
            parts.append(text[done:point])
            done = max(done, point)
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


def move_names(
    edits: Edits,
    node: cst.ImportFrom,
    moved: Sequence[cst.ImportAlias],
    statements: Iterable[str],
) -> None:
    """Remove names from an import, and add other statements after it."""
    assert not isinstance(node.names, cst.ImportStar)
    file = edits.file
    line = file.parents[node]
    start = file.spans[line][0]
    indent = file.text[file.text.rfind(b"\n", 0, start) + 1 : start].decode()
    newline = file.tree.default_newline + (indent if not indent.strip() else "")
    new = dict.fromkeys(statements)
    if len(moved) == len(node.names):
        edits.replace(node, newline.join(new) or "pass")
        return
    spans = [file.spans[alias] for alias in node.names]
    for index, alias in enumerate(node.names):
        if alias not in moved:
            continue
        if index + 1 < len(spans):
            edits.replace_span(spans[index][0], spans[index + 1][0], "")
        else:
            # Also those directly before it, and the comma after the last one that stays.
            previous = max(i for i in range(index) if node.names[i] not in moved)
            for between in range(previous + 1, index):
                edits.forget(spans[between][0])
            edits.replace_span(spans[previous][1], spans[index][1], "")
    edits.insert(file.spans[line][1], "".join(newline + statement for statement in new))
