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
        console.print(TABLE)
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


def printed(table: Table, width: int) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_long_name() -> None:
    """A long name is folded, so that the numbers stay."""
    name = "shop.old:create_app() | shop.new:create_app() and more"
    table = Table("", ("", *("heading",) * 4), ((name, *("**1.23** (4.56)",) * 4),))
    assert printed(table, 100).count("1.23 (4.56)") == 4


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_narrow_terminal(width: int) -> None:
    """No number is broken or cut, whatever the width; no line is longer than the terminal."""
    header = ("", "requests/s", *("p99, ms", "of limit", "gunicorn-gthread more") * 3)
    rows = tuple(
        (
            f"Flask, gunicorn-gthread, {row} threads",
            "**1,792** (1,770–1,820)",
            *(f"{row},234.5",) * 9,
        )
        for row in (16, 200)
    )
    text = printed(Table("", header, rows, ("A note.",)), width)
    assert max(map(len, text.splitlines())) <= width
    for number, count in {"1,792": 2, "(1,770–1,820)": 2, "16,234.5": 9, "200,234.5": 9}.items():
        assert text.split().count(number) == count
    assert text.count("p99,") == 3 and text.count("A note.") == 1


def test_widths() -> None:
    """The columns are in one table if there is room, at least in narrow columns."""
    table = Table("", ("", "one", "two"), (("a name", "**1** (22)", "3 (44)"),))
    assert "1 (22)   3 (44)" in printed(table, 60)
    narrow = printed(table, 20)
    assert "one    two" in narrow and "(22)   (44)" in narrow
    assert "one    two" not in printed(table, 18)
