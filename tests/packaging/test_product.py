"""The wheel of quartpatterns itself."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest

from quartpatterns import catalog
from quartpatterns.packaging import check_resources
from tests.packaging.building import Environment, build, copy_checkout, run, served

NAMES = [pattern.name for pattern in catalog.PATTERNS]


@pytest.mark.checks("DI-10")
def test_contents(wheel: Path, checkout: Path) -> None:
    """The wheel contains all files of the package, and no tests."""
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    source = {
        str(path.relative_to(checkout))
        for path in (checkout / "quartpatterns").rglob("*")
        if path.is_file()
    }
    source |= {"quartpatterns/hypercorn.toml"}
    source |= {
        f"quartpatterns/{path.relative_to(checkout)}"
        for path in (checkout / "alembic").rglob("*")
        if path.is_file()
    }
    assert {name for name in inside if ".dist-info/" not in name} == source
    for name in ("py.typed", "packaging/skeleton/base/.gitignore", "alembic/script.py.mako"):
        assert f"quartpatterns/{name}" in source
    for name in NAMES:
        assert f"quartpatterns/{name}/README.md" in source
    assert not [name for name in inside if re.match(r"tests|docs|conftest", name)]


@pytest.mark.checks("DI-10")
def test_resources(wheel: Path, checkout: Path) -> None:
    """The wheel contains all templates and static files that the ports refer to."""
    # Another package contains jQuery.
    ignore = ["jquery.min.js"]
    assert check_resources(wheel, source=checkout / "quartpatterns", ignore=ignore) == []


@pytest.mark.slow
@pytest.mark.checks("DI-10")
def test_reproducible(wheel: Path, checkout: Path, tmp_path: Path) -> None:
    """Builds with other dates, folders and file modes, or from the sdist, have the same bytes."""
    again = copy_checkout(checkout, tmp_path / "again")
    for path in again.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (86_400, 86_400))
    second = build(again, "--wheel", env={"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "1"})
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "-o", tmp_path, cwd=again)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    third = build(tmp_path / sdist.name.removesuffix(".tar.gz"), "--wheel")
    hashes = {hashlib.sha256(one.read_bytes()).hexdigest() for one in (wheel, second, third)}
    assert len(hashes) == 1


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.timeout(600)
@pytest.mark.checks("DI-10")
def test_installed(wheel: Path, tmp_path: Path) -> None:
    """``quartpatterns serve`` serves all ports from an empty folder, and writes only there."""
    environment = Environment.empty(tmp_path / "environment")
    environment.install_locked(f"{wheel}[all]")
    folder = tmp_path / "empty"
    command = ("-m", "quartpatterns", "serve", "--bind", "127.0.0.1:{port}")
    with served(environment, *command, folder=folder) as url:
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            assert client.get("/").status_code == 200
            assert "text/css" in client.get("/gallery/static/gallery.css").headers["content-type"]
            answers = {name: client.get(f"/{name}/").status_code for name in NAMES}
    assert [path.name for path in folder.iterdir()] == ["instance"]
    optional = {name for name in NAMES if "mongodb" in catalog.get(name).services}
    assert {name: code for name, code in answers.items() if code != 200}.keys() <= optional
    where = run(
        environment.python, "-c", "import quartpatterns as q; print(q.__file__)", cwd=folder
    )
    assert where.stdout.startswith(str(environment.packages))
    assert not list(environment.packages.glob("tests"))


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.timeout(600)
@pytest.mark.checks("DI-8", "DI-10")
def test_new_project(wheel: Path, tmp_path: Path) -> None:
    """A project can be created, tested and served with only quartpatterns installed."""
    environment = Environment.empty(tmp_path / "environment")
    environment.install_locked(wheel)
    run(environment.python, "-c", "import quart_schema", cwd=tmp_path)
    new = ("-m", "quartpatterns", "new", "demo", "--with", "sqlalchemy", "--with", "tasks")
    data = json.loads(run(environment.python, *new, "--json", cwd=tmp_path).stdout)
    assert data["quartpatterns"] == str(wheel)
    demo = tmp_path / "demo"
    *commands, tests, start = data["next"]
    assert (tests, start) == ("pytest", "python -m demo")
    # As a user types them, with the Python of the environment that has quartpatterns.
    script = "\n".join(["set -e", *commands, tests])
    path = f"{environment.python.parent}:{os.environ['PATH']}"
    output = run("bash", "-c", script, cwd=tmp_path, env={"PATH": path}).stdout
    assert re.search(r"\d+ passed", output)
    environment = Environment(demo / ".venv")
    with served(environment, "-m", "demo", "--bind", "127.0.0.1:{port}", folder=demo) as url:
        assert httpx.get(f"{url}/notes/", trust_env=False).status_code == 200
