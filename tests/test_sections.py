"""The table of the sections of Flask's pages."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from quartpatterns.catalog import PATTERNS, Page, Pattern
from tests import sections_table
from tests.sections_table import MissingReferenceError, locate, problems, sections

PORT = """
    class Form:
        name = "name"

    def create_app():
        app = 1
        if app:
            def register():
                app.add_url_rule("/")
"""


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_sections(pattern: Pattern) -> None:
    """Each section of Flask's pages is in port and original, and has a case or a test."""
    assert problems(pattern) == []


def test_page() -> None:
    """``docs/sections.md`` is current: write it anew with ``python -m tests.sections_table``."""
    assert sections_table.PAGE.read_text() == sections_table.page()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder ``example`` of a pattern of its own."""
    monkeypatch.setattr(sections_table, "ROOT", tmp_path)

    def cases(pattern: Pattern) -> set[str]:
        return {"a registration"}

    monkeypatch.setattr(sections_table, "cases", cases)
    folder = tmp_path / "quartpatterns" / "forms" / "example"
    (folder / "templates").mkdir(parents=True)
    (folder / "port.py").write_text(dedent(PORT))
    (folder / "original.py").write_text("def create_app():\n    pass\n")
    (folder / "templates" / "form.html").write_text("<html>\n{% block body %}\n")
    (tmp_path / "test_forms.py").write_text("class TestForms:\n    def test_one(self): ...\n")
    return folder


FORMS = Pattern("forms", "", "pages", "", (Page("wtforms", ("The Forms",)),))


def write(folder: Path, *lines: str) -> None:
    """Write the file of one section."""
    (folder / "sections.toml").write_text(
        "\n".join(['page = "wtforms"', "[[section]]", 'title = "The Forms"', *lines])
    )


@pytest.mark.parametrize(
    ("reference", "place"),
    [
        ("create_app", ("port.py", 5)),
        ("create_app.register", ("port.py", 8)),
        ("create_app#add_url_rule(", ("port.py", 9)),
        ("Form.name", ("port.py", 3)),
        ("original.py:create_app", ("original.py", 1)),
        ("templates/form.html", ("templates/form.html", 1)),
        ("templates/form.html#block body", ("templates/form.html", 2)),
        ("/test_forms.py#def test_one", ("../../../test_forms.py", 2)),
    ],
)
def test_references(folder: Path, reference: str, place: tuple[str, int]) -> None:
    path, line = locate(FORMS, "port", reference)
    assert (path.resolve(), line) == ((folder / place[0]).resolve(), place[1])


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("create_app.log_in", "there is no log_in in"),
        ("Form.register", "there is no register in"),
        ("create_app#Form", "'Form' is not in it"),
        ("views.py:index", "there is no file quartpatterns/forms/example/views.py"),
        ("templates/other.html", "there is no file"),
        ("templates/form.html#block title", "'block title' is not in it"),
    ],
)
def test_missing_references(folder: Path, reference: str, message: str) -> None:
    with pytest.raises(MissingReferenceError, match=message):
        locate(FORMS, "port", reference)


@pytest.mark.parametrize(
    "lines",
    [
        ['port = "Form"', 'original = "create_app"', 'case = "a registration"'],
        ['port = ["Form", "create_app"]', 'original = "create_app"', 'case = ["a registration"]'],
        ['port = "Form"', 'original = "create_app"', 'test = "test_forms.py::TestForms::test_one"'],
        ['port = "Form"', 'history = "the library is gone"', 'case = "a registration"'],
        ["links = true"],
    ],
)
def test_complete(folder: Path, lines: list[str]) -> None:
    write(folder, *lines)
    assert problems(FORMS) == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['original = "create_app"', 'case = "a registration"'], "is not in the port"),
        (['port = "Form"', 'case = "a registration"'], "is not in the original"),
        (['port = "Form"', 'original = "create_app"'], "has neither a case nor a test"),
        (
            ['port = "Form"', 'original = "create_app"', 'case = "a login"'],
            "case = 'a login': no such case",
        ),
        (
            ['port = "Form"', 'original = "create_app"', 'test = "test_forms.py::test_two"'],
            "test = 'test_forms.py::test_two': there is no test_two in test_forms.py",
        ),
        (
            ['port = "Form"', 'original = "Form"', 'case = "a registration"'],
            "original = 'Form': there is no Form in quartpatterns/forms/example/original.py",
        ),
        (['port = "Form"', "links = true"], "has only links, and is shown nevertheless"),
    ],
)
def test_incomplete(folder: Path, lines: list[str], message: str) -> None:
    write(folder, *lines)
    assert problems(FORMS) == [f"wtforms, The Forms: {message}"]


def test_other_sections(folder: Path) -> None:
    """The file has each section of the page once, and no other."""
    file = folder / "sections.toml"
    file.write_text('page = "wtforms"\n' + '[[section]]\ntitle = "Other"\nlinks = true\n' * 2)
    assert problems(FORMS) == [
        "wtforms, The Forms: is missing",
        "wtforms, Other: no such section",
        "wtforms, Other: no such section",
        "wtforms, Other: is there twice",
    ]
    file.write_text('[[page]]\nname = "x"\n[[page.section]]\ntitle = "The Forms"\nlinks = true\n')
    assert list(sections(FORMS)) == ["x"]
    assert problems(FORMS) == ["x: no such page", "wtforms, The Forms: is missing"]
