"""A project is made as a whole or not at all, and is right at birth."""

from __future__ import annotations

import json
import keyword
import os
import re
import stat
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import httpx
import pytest
from hypercorn.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

import quartpatterns
from quartpatterns.packaging import (
    FEATURES,
    ProjectError,
    ProjectNameError,
    check_resources,
    new_project,
)
from quartpatterns.packaging.names import check_name
from tests.packaging.building import Environment, build, clean, run, served

CHOICES = [
    pytest.param(chosen, id="+".join(chosen) or "bare")
    for chosen in ((), *((name,) for name in FEATURES), tuple(FEATURES))
]


def new(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command as a person calls it."""
    command = [sys.executable, "-m", "quartpatterns", "new", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env=clean(env), timeout=60
    )


def files(folder: Path) -> dict[str, str]:
    """What is in *folder*."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What mypy finds out of Quart and SQLAlchemy, it finds out once."""
    return {"MYPY_CACHE_DIR": str(tmp_path_factory.mktemp("mypy"))}


@pytest.mark.wire
@pytest.mark.checks("DI-8")
@pytest.mark.parametrize("chosen", CHOICES)
def test_born_well(
    chosen: tuple[str, ...], environment: Environment, tmp_path: Path, mypy_cache: dict[str, str]
) -> None:
    """Its tests pass, and so do ruff and mypy, in an environment where it is installed."""
    made = new_project("demo", tmp_path, features=chosen)
    environment.install_alone("--editable", made.folder)
    for tool in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]):
        run(environment.python, "-m", *tool, cwd=made.folder, env=mypy_cache)
    said = run(environment.python, "-m", "pytest", "-q", cwd=made.folder).stdout
    assert re.search(r"\d+ passed", said)
    assert not re.search("skipped|warning", said)


@pytest.mark.checks("DI-8")
@pytest.mark.parametrize("name", ["x", "a2345678901234567890123456789z"])
def test_style_for_any_name(name: str, tmp_path: Path) -> None:
    """Lines are neither too long for a long name nor in need of joining for a short one."""
    made = new_project(name, tmp_path, features=[*FEATURES])
    for tool in (["check"], ["format", "--check"]):
        run(sys.executable, "-m", "ruff", *tool, ".", cwd=made.folder)


@pytest.mark.wire
@pytest.mark.checks("DI-8")
@pytest.mark.parametrize("installed", ["editable", "wheel"])
def test_served(installed: str, environment: Environment, tmp_path: Path) -> None:
    """Its second command serves: from the checkout, and as a wheel from an empty folder."""
    made = new_project("demo", tmp_path, features=["sqlalchemy"])
    editable = installed == "editable"
    wheel = None if editable else build(made.folder, "--wheel")
    environment.install_alone(*([wheel] if wheel else ["--editable", made.folder]))
    elsewhere = made.folder if editable else tmp_path / "elsewhere"
    command = ("-m", "demo", "--bind", "127.0.0.1:{port}")
    with served(environment, *command, folder=elsewhere) as url:
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            health = client.get("/health")
            added = client.post("/notes/", data={"text": "Milk"})
            assert "Milk" in client.get("/notes/").text
            assert "max-width" in client.get("/static/style.css").text
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert re.fullmatch(r"0\.1\.0\.dev\d{8}", health.json()["version"])
    assert added.status_code == 303
    if wheel:
        assert check_resources(wheel, source=made.folder / "demo") == []
        assert list(elsewhere.iterdir()) == []


@pytest.mark.checks("DI-8")
def test_shape(tmp_path: Path) -> None:
    """The page's shape, with Alembic where a database is asked for, and nothing left to fill."""
    bare = files(new_project("bare", tmp_path).folder)
    assert {
        "pyproject.toml",
        "hypercorn.toml",
        "README.md",
        "bare/__init__.py",
        "bare/asgi.py",
        "bare/blueprints/site.py",
        "bare/templates/index.html",
        "bare/static/style.css",
        "bare/py.typed",
        "tests/test_site.py",
    } < bare.keys()
    full = files(new_project("full", tmp_path, features=[*FEATURES]).folder)
    assert {"migrations/env.py", "full/cache.py", "full/models.py", "full/tasks.py"} < full.keys()
    for text in [*bare.values(), *full.values()]:
        assert not re.search(r"yourapplication|@\{|# \{%", text)


@pytest.mark.checks("DI-8")
def test_hypercorn_keys(tmp_path: Path) -> None:
    """Hypercorn takes a misspelt key in silence; none is misspelt."""
    made = new_project("demo", tmp_path)
    keys = tomllib.loads((made.folder / "hypercorn.toml").read_text())
    assert keys
    assert all(hasattr(Config, key) for key in keys)


@pytest.mark.checks("DI-3", "DI-8")
def test_dependencies(tmp_path: Path) -> None:
    """It asks for the quartpatterns it was made with, in its extras, and for quart as that does."""
    made = new_project("demo", tmp_path, features=["tasks", "sqlalchemy"])
    project = tomllib.loads((made.folder / "pyproject.toml").read_text())["project"]
    wanted = {one.name: one for one in map(Requirement, project["dependencies"])}
    ours = wanted["quartpatterns"]
    assert ours.extras == {"sqlalchemy", "tasks"}
    assert ours.specifier.contains(quartpatterns.__version__)
    assert not ours.specifier.contains("99")
    required = [Requirement(line) for line in metadata.requires("quartpatterns") or ()]
    (quart,) = (one for one in required if one.name == "quart" and not one.marker)
    assert wanted["quart"].specifier == quart.specifier


@pytest.mark.checks("DI-9")
def test_command(tmp_path: Path) -> None:
    """It says where and what to do next; for programs, as JSON."""
    done = new("demo", "--with", "sqlalchemy, tasks,", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "demo") in done.stdout
    for command in ("cd demo", "pip install --editable '.[dev]'", "pytest", "python -m demo"):
        assert f"  {command}\n" in done.stdout
    done = new("shop", "--json", "--in", str(tmp_path / "demo"), cwd=tmp_path)
    data = json.loads(done.stdout)
    assert data["name"] == "shop" and data["with"] == [] and len(data["next"]) == 4
    assert set(data["files"]) == files(Path(data["folder"])).keys()
    assert Path(data["folder"]) == tmp_path / "demo" / "shop"


@pytest.mark.checks("DI-9")
def test_help(tmp_path: Path) -> None:
    said = new("--help", cwd=tmp_path).stdout
    assert all(feature in said for feature in FEATURES)
    assert "--with sqlalchemy,tasks" in said and "Exit code" in said


@pytest.mark.checks("DI-9")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["my-shop"], "a dash is a minus in an import. Try 'my_shop'", id="dash"),
        pytest.param(["class"], "a word of Python's own. Try 'class_app'", id="keyword"),
        pytest.param(["calendar"], "Python's library. Try 'calendar_app'", id="library"),
        pytest.param(["Grüße"], "ASCII names everywhere. Try 'grusse'", id="not ASCII"),
        pytest.param(["магазин"], "Try 'my_app'", id="no ASCII at all"),
        pytest.param(["Shop"], "lower-case letters, digits and underscores", id="capital"),
        pytest.param(["2shops"], "Try 'shops'", id="digit"),
        pytest.param(["shop_"], "Try 'shop'", id="underscore"),
        pytest.param(["../shop"], "Try 'shop'", id="path"),
        pytest.param([""], "Try 'my_app'", id="empty"),
        pytest.param(["quart"], "what Quart has installed here", id="installed"),
        pytest.param(["tests"], "another meaning. Try 'tests_app'", id="folder"),
        pytest.param(["con"], "another meaning. Try 'con_app'", id="device"),
        pytest.param(["a" * 31], "30 characters at most", id="long"),
        pytest.param(["x\ny"], "Try 'x_y'", id="line"),
        pytest.param(["shop", "--with", "sqlalchmy"], "no 'sqlalchmy' to add; there is", id="with"),
        pytest.param(["shop", "--in", "nowhere"], "'nowhere' does not exist", id="in"),
        pytest.param([], "Missing argument 'NAME'", id="nothing"),
    ],
)
def test_bad_call(arguments: list[str], message: str, tmp_path: Path) -> None:
    """A wrong call says what to call instead, exit code 2, and leaves nothing."""
    done = new(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.checks("DI-9")
@settings(deadline=None)
@given(st.text(max_size=40))
def test_suggestions(name: str) -> None:
    """What is suggested for any text is a name that is accepted."""
    try:
        check_name(name)
    except ProjectNameError as error:
        (suggestion,) = re.findall(r"Try '(\w+)'$", str(error))
        check_name(suggestion)
    else:
        assert name.isidentifier() and name.islower() and not keyword.iskeyword(name)


@pytest.mark.checks("DI-9")
def test_never_overwritten(tmp_path: Path) -> None:
    """What is there stays, is listed, and nothing is added to it."""
    folder = tmp_path / "demo"
    (folder / "demo").mkdir(parents=True)
    (folder / "README.md").write_text("mine")
    (folder / "demo" / "__init__.py").write_text("mine, too")
    (folder / "notes.txt").write_text("not in the way")
    before = files(tmp_path)
    done = new("demo", cwd=tmp_path)
    assert done.returncode == 2
    assert "it has README.md, demo/__init__.py. Choose another name" in done.stderr
    assert files(tmp_path) == before
    (folder / "README.md").unlink()
    (folder / "demo" / "__init__.py").unlink()
    assert "it has demo, notes.txt. Choose" in new("demo", cwd=tmp_path).stderr


@pytest.mark.checks("DI-9")
def test_a_second_time(tmp_path: Path) -> None:
    new_project("demo", tmp_path)
    with pytest.raises(ProjectError, match=r"\.gitignore, README\.md, .* and \d+ more\. Choose"):
        new_project("demo", tmp_path)


@pytest.mark.checks("DI-9")
def test_empty_folder(tmp_path: Path) -> None:
    """An empty folder is filled, with the modes that other files get."""
    (tmp_path / "demo").mkdir()
    before = os.umask(0o027)
    try:
        made = new_project("demo", tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o750
    assert stat.S_IMODE((made.folder / "demo/__init__.py").stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.checks("DI-9")
@pytest.mark.parametrize("kind", ["file", "link"])
def test_no_folder(kind: str, tmp_path: Path) -> None:
    """A file and a link of that name are left alone, too."""
    path = tmp_path / "demo"
    path.write_text("mine") if kind == "file" else path.symlink_to("nowhere")
    with pytest.raises(ProjectError, match="demo is there already: move it away"):
        new_project("demo", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.checks("DI-9")
@pytest.mark.skipif(sys.platform != "linux", reason="a folder in which nobody can write")
def test_not_writable() -> None:
    with pytest.raises(ProjectError, match="/proc/demo can't be made: "):
        new_project("demo", "/proc")


@pytest.mark.checks("DI-9")
def test_full_disk(tmp_path: Path) -> None:
    """A disk that is full in the middle leaves nothing."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500));"
        "from quartpatterns.cli import main; main(['new', 'demo'])"
    )
    done = run(sys.executable, "-B", "-c", code, cwd=tmp_path, code=2)
    assert "demo can't be made: File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []
