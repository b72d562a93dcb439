"""The files around the package are true."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from hypercorn.config import Config
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def test_hypercorn_keys() -> None:
    """Hypercorn takes a misspelt key in silence; each of ours is one of its settings."""
    settings = tomllib.loads((ROOT / "hypercorn.toml").read_text())
    unknown = [key for key in settings if not hasattr(Config, key)]
    assert settings
    assert not unknown


@pytest.mark.parametrize(
    "extra", ["sqlalchemy", "tasks", "gallery", "originals", "compare", "bench"]
)
def test_extras(extra: str) -> None:
    """Every requirement of an extra is locked to one version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = (ROOT / "requirements.lock").read_text()
    names = {Requirement(line).name for line in project["optional-dependencies"][extra]}
    missing = [
        name for name in names - {"quartpatterns"} if not re.search(rf"(?m)^{name}[=\[]", locked)
    ]
    assert not missing


def test_lock_names_no_place() -> None:
    """The lock says what, not where from."""
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_wheel(tmp_path: Path) -> None:
    """A wheel has all that runs, and nothing of the tests."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    done = subprocess.run([*command, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    needed = {"py.typed", "hypercorn.toml", "alembic/env.py", "gallery/templates/gallery/base.html"}
    needed |= {"streaming/README.md", "gallery/static/gallery.css", "cli/serve.py"}
    assert {f"quartpatterns/{name}" for name in needed} <= names
    assert not [name for name in names if name.startswith("tests") or "__pycache__" in name]


def test_nothing_of_the_machine() -> None:
    """The repository names no folder of the machine it was written on, and no registry."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    files = [ROOT / name for name in listed.stdout.split()] if not listed.returncode else []
    words = [str(ROOT) + "/", "pypi" + ".org", "python" + "hosted"]
    found = [
        (file.name, word)
        for file in files
        if file.suffix in {".py", ".md", ".toml", ".lock", ".html", ".yaml"} and file.is_file()
        for word in words
        if word in file.read_text(errors="ignore")
    ]
    assert not found


# One idea that several patterns have, each for its own library.
SHARED_CLASS_NAMES = {"AppDatabase", "Database", "DatabaseUnavailable", "Settings"}


def test_class_names() -> None:
    """No two public classes of helpers and of the comparison share a name."""
    found: dict[str, list[str]] = {}
    for file in (ROOT / "quartpatterns").rglob("*.py"):
        if not {"example", "skeleton"} & set(file.relative_to(ROOT).parts):
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found.setdefault(node.name, []).append(str(file.relative_to(ROOT)))
    twice = {name: files for name, files in found.items() if len(files) > 1}
    assert twice.keys() == SHARED_CLASS_NAMES, twice
