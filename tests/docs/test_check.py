"""What the build checks: dead links, missing names, pages that are written."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from docs.extension import check, generated, references
from quartpatterns.catalog import PATTERNS

PAGE = """\
<!doctype html><title>x</title>
<link rel="stylesheet" href="site.css"><link rel="canonical" href="https://example.org/x">
<h2 id="one">One</h2><a name="two"></a>
<a href="#one">1</a> <a href="other.html#here">2</a> <a href="https://example.org/">3</a>
<a href="mailto:x@example.org">4</a> <a href="#top">5</a> <a href="#two">6</a>
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Pages without a problem."""
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "other.html").write_text('<p id="here">x</p>')
    (tmp_path / "site.css").write_text("a { background: url(data:image/png;base64,AA) }")
    return tmp_path


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ("", None),
        ('<a href="#three">', "there is no anchor #three"),
        ('<a href="other.html#one">', "there is no anchor other.html#one"),
        ('<a href="none.html">', "there is no none.html"),
        ('<a href="docs/cases.md">', "there is no docs/cases.md"),
        ('<img src="none.svg">', "there is no none.svg"),
        ('<script src="https://example.org/x.js">', "loads https://example.org/x.js"),
        ('<img src="//example.org/x.png">', "loads //example.org/x.png"),
        ('<link rel="preload" href="https://example.org/f">', "loads https://example.org/f"),
    ],
)
def test_problems(site: Path, html: str, problem: str | None) -> None:
    with (site / "index.html").open("a") as file:
        file.write(html)
    assert check.problems(site) == ([f"index.html: {problem}"] if problem else [])


def test_no_pages(tmp_path: Path) -> None:
    """A folder without pages was not built, or has another name."""
    assert check.problems(tmp_path / "html") == [f"{tmp_path}/html: there are no pages"]


@pytest.mark.parametrize(
    "css", ["@import 'https://example.org/a.css';", "p { src: url(https://example.org/a.css) }"]
)
def test_style_sheets(site: Path, css: str) -> None:
    """A font or style sheet of another host is found, too."""
    (site / "site.css").write_text(css)
    assert check.problems(site) == ["site.css: loads https://example.org/a.css"]


def test_exit_code(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints the problems, and ends with 1 if there is one."""
    monkeypatch.setattr(sys, "argv", ["check", str(site)])
    with pytest.raises(SystemExit, match="False"):
        check.main()
    (site / "other.html").unlink()
    with pytest.raises(SystemExit, match="True"):
        check.main()
    assert capsys.readouterr().out == "index.html: there is no other.html#here\n"


@pytest.mark.parametrize(
    ("name", "module", "found"),
    [
        ("Tasks", "quartpatterns.tasks", True),
        ("Tasks.init_app", "quartpatterns.tasks", True),
        ("Tasks.initapp", "quartpatterns.tasks", False),
        ("nothing", "quartpatterns.tasks", False),
        ("quartpatterns.tasks.nothing", "", False),
        ("current_job", "quartpatterns.tasks", True),
        ("NotFound", "quartpatterns.tasks", True),
        ("ValueError", "", True),
        ("asyncio.CancelledError", "", True),
        ("asyncio.CanceledError", "", False),
        ("quart.Blueprint.record_once", "", True),
    ],
)
def test_names(name: str, module: str, found: bool) -> None:
    """A docstring can name what its package sees, and what can be imported."""
    assert references.exists(name, module) is found


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("quartpatterns.sqlite3.extension.SQLite", "quartpatterns.sqlite3.SQLite"),
        (
            "quartpatterns.sqlite3.extension.SQLite.query_db",
            "quartpatterns.sqlite3.SQLite.query_db",
        ),
        ("quartpatterns.compare.case.Case", "quartpatterns.compare.Case"),
        ("quartpatterns.sqlite3.SQLite", None),
        ("quart.Quart", None),
    ],
)
def test_public_names(name: str, public: str | None) -> None:
    """The reference describes an object under its public name."""
    assert references.public_name(name) == public


def test_pages() -> None:
    """Each pattern has a page, a page of the reference, and its example."""
    pages = generated.pages()
    for pattern in PATTERNS:
        assert f"quartpatterns/{pattern.name}/README.md" in pages[f"patterns/{pattern.name}"]
        assert f"automodule:: quartpatterns.{pattern.name}\n" in pages[f"reference/{pattern.name}"]
        assert pages[f"examples/{pattern.name}"].count("literalinclude") >= 2
    assert "## port_core.py" in pages["examples/sqlalchemy"]


def test_pages_are_written_once(tmp_path: Path) -> None:
    """A page that stays the same is not written again, and old pages are removed."""
    generated.write(tmp_path)
    page, old = tmp_path / "patterns" / "tasks.md", tmp_path / "patterns" / "old.md"
    os.utime(page, (1, 1))
    old.write_text("# Old\n")
    generated.write(tmp_path)
    assert page.stat().st_mtime == 1
    assert not old.exists()
    page.write_text("# Changed\n")
    generated.write(tmp_path)
    assert "README.md" in page.read_text()


def test_links_of_patterns() -> None:
    """A README gets links to its reference, its example and Flask's page."""
    text = generated.add_links("# SQLite 3\n\nText.\n", "quartpatterns/sqlite3/README.md")
    assert text.startswith("# SQLite 3\n\n:::{div} pattern-links\n[Reference](__init__.py) ")
    assert "(https://flask.palletsprojects.com/en/stable/patterns/sqlite3/)\n:::\n" in text
    assert text.endswith("\n\nText.\n")
    assert generated.add_links("# X\n", "changes/README.md") == "# X\n"
