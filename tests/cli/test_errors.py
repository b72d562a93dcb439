"""Errors about missing libraries name the extras that are enough."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from quartpatterns._shared.extras import missing_extra
from quartpatterns.cli.errors import UsageProblem, command_extras, explain, report_user_errors

# Each library in the list is missing, for imports and for the metadata.
WITHOUT = """
import sys
from importlib import metadata

MISSING = sys.argv.pop(1).split(",")
for name in MISSING:
    sys.modules[name] = None
real = metadata.distribution
def distribution(name):
    if name in MISSING:
        raise metadata.PackageNotFoundError(name)
    return real(name)
metadata.distribution = distribution
from quartpatterns.cli import main
main()
"""


def without(libraries: str, *arguments: str, cwd: Path | None = None) -> str:
    """Run the command without *libraries*; return the only line that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, libraries, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=cwd,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    [line] = (done.stdout + done.stderr).splitlines()
    return line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "library", "extras"),
    [
        ("serve", "alembic", "gallery"),
        ("serve", "rich", "gallery"),
        ("parity", "rich", "gallery"),
        ("parity sqlite3", "rich", "ajax,compare,originals,sqlite3"),
        ("parity --flask a --quart b", "rich", "compare"),
        ("bench", "rich", "gallery"),
        ("bench tasks --in-process", "rich", "compare,originals,tasks"),
        ("bench --flask=a --quart=b", "rich", "compare"),
        ("deploy status", "rich", "deployment"),
        ("deploy status", "asyncssh", "deployment"),
        ("tasks list", "rich", "tasks"),
        ("worker a:b", "redis", "tasks"),
    ],
)
def test_commands(command: str, library: str, extras: str, tmp_path: Path) -> None:
    """A missing library is one line with all extras that the command needs, and exit code 2."""
    line = without(library, *command.split(), cwd=tmp_path)
    assert line == f"Error: {library} is not installed: pip install 'quartpatterns[{extras}]'"
    assert not list(tmp_path.iterdir())


def test_several_libraries(tmp_path: Path) -> None:
    """`serve` starts nothing if libraries of the gallery are missing."""
    line = without("alembic,arq,markdown-it-py", "serve", cwd=tmp_path)
    expected = "alembic and 2 others are not installed: pip install 'quartpatterns[gallery]'"
    assert line == f"Error: {expected}"
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "library", "extras"),
    [
        ("sqlite3", "aiosqlite", "ajax,compare,originals,sqlite3"),
        ("sqlite3", "pydantic", "ajax,compare,originals,sqlite3"),
        ("sqlalchemy", "greenlet", "ajax,compare,migrations,originals"),
        ("sqlalchemy", "flask_sqlalchemy", "ajax,compare,migrations,originals"),
        ("requestchecksum", "http_sf", "compare,originals,requestchecksum"),
        ("wtforms", "wtforms", "compare,originals,wtforms"),
        ("wtforms", "flask_wtf", "compare,originals,wtforms"),
        ("fileuploads", "filetype", "compare,fileuploads,originals"),
        ("mongodb", "beanie", "compare,mongodb,originals"),
        ("ajax", "pydantic", "ajax,compare,originals"),
        ("tasks", "celery", "compare,originals,tasks"),
        ("caching", "flask_caching", "compare,originals"),
    ],
)
def test_parity(pattern: str, library: str, extras: str) -> None:
    """A pattern whose library is missing is not run: exit code 2, and the extras."""
    line = without(library, "parity", pattern)
    said = f"{library} is not installed: pip install 'quartpatterns[{extras}]'"
    assert line == f"{pattern}: not run: {said}"


def test_explain() -> None:
    """The extras of the place come first, then the error of the helper, then any extra."""
    missing = ModuleNotFoundError("No module named 'aiosqlite'", name="aiosqlite")
    assert explain(missing, "gallery") == (
        "aiosqlite is not installed: pip install 'quartpatterns[gallery]'"
    )
    own = missing_extra("sqlite3", "aiosqlite")
    assert explain(own, "compare") == str(own)
    assert explain(missing, "compare") == (
        "aiosqlite is not installed: pip install 'quartpatterns[sqlite3]'"
    )
    assert explain(ModuleNotFoundError("No module named 'shop'", name="shop"), "gallery") is None
    assert explain(ModuleNotFoundError("no name"), "gallery") is None
    # Tools are in the extra dev, which is no remedy for a user.
    assert explain(ModuleNotFoundError("No module named 'sphinx'", name="sphinx")) is None


def test_other_errors() -> None:
    """Mistakes in the program stay errors."""
    with pytest.raises(ZeroDivisionError), report_user_errors("serve"):
        raise ZeroDivisionError
    with pytest.raises(UsageProblem, match="gallery"), report_user_errors("serve"):
        raise ModuleNotFoundError("No module named 'arq'", name="arq")
    assert command_extras([]) == ()
