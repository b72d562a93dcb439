from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from quartpatterns.compare.tables import MarkerError, Table, replace_between_markers

TABLE = Table(
    "A title",
    ("", "one\nmore", "two"),
    (("a | b", "**1** (2)", "3"), ("c", "[4]", "<5>")),
    ("A note.", "Another <note>."),
)


def test_terminal() -> None:
    """Bold text has no asterisks, brackets are no markup, the notes follow."""
    console = Console(width=60, color_system=None)
    with console.capture() as capture:
        console.print(TABLE.render())
    text = capture.get()
    assert "A title" in text and "1 (2)" in text and "[4]" in text and "A note." in text
    assert "*" not in text


def test_markdown() -> None:
    """Cells of several lines and cells with bars stay cells."""
    assert TABLE.markdown() == (
        "**A title**\n\n"
        "|  | one<br>more | two |\n"
        "| --- | ---: | ---: |\n"
        "| a \\| b | **1** (2) | 3 |\n"
        "| c | [4] | &lt;5> |\n"
        "\n"
        "A note.\n"
        "\n"
        "Another &lt;note>.\n"
    )


def test_replace_between_markers(tmp_path: Path) -> None:
    """Only the place of that name is replaced, again and again."""
    file = tmp_path / "page.md"
    file.write_text(
        "before\n<!-- bench one -->\nold\n<!-- end of bench one -->\nafter\n"
        "<!-- bench two -->\n<!-- end of bench two -->\n"
    )
    for text in ("first", r"second \1"):
        replace_between_markers(file, "one", f"{text}\n")
    assert file.read_text() == (
        "before\n<!-- bench one -->\nsecond \\1\n<!-- end of bench one -->\nafter\n"
        "<!-- bench two -->\n<!-- end of bench two -->\n"
    )


def test_no_markers(tmp_path: Path) -> None:
    """The error shows the lines to add, and the file is unchanged."""
    file = tmp_path / "page.md"
    file.write_text("<!-- bench one -->\n")
    with pytest.raises(MarkerError, match="<!-- end of bench one -->"):
        replace_between_markers(file, "one", "text")
    assert file.read_text() == "<!-- bench one -->\n"


def test_narrow_terminal() -> None:
    """A long name is folded, so that the numbers stay."""
    name = "shop.old:create_app() | shop.new:create_app() and more"
    table = Table("", ("", *("heading",) * 4), ((name, *("**1.23** (4.56)",) * 4),))
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(table.render())
    assert capture.get().count("1.23 (4.56)") == 4
