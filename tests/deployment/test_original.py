"""The fabfile, the WSGI file and the configuration file of Flask's page, on real SSH servers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import flask
import pytest

from quartpatterns.deployment.example import original
from tests.conftest import unavailable
from tests.deployment.hosts import Host, Hosts, run_hosts

EXAMPLE = Path(original.__file__).parent
# A build backend without dependencies, so that pip needs no package index.
BACKEND = """
import os, tarfile, zipfile

NAME = "yourapplication-{version}"
FILES = ("pyproject.toml", "backend.py", "yourapplication/__init__.py",
         "yourapplication/default_config.py")

def build_sdist(folder, settings=None):
    with tarfile.open(os.path.join(folder, NAME + ".tar.gz"), "w:gz") as archive:
        for file in FILES:
            archive.add(file, NAME + "/" + file)
    return NAME + ".tar.gz"

def build_wheel(folder, settings=None, metadata=None):
    info = NAME + ".dist-info"
    wheel = NAME + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, wheel), "w") as archive:
        for file in FILES[2:]:
            archive.write(file)
        archive.writestr("environment.pth", {packages!r})
        archive.writestr(info + "/METADATA",
                         "Metadata-Version: 2.1\\nName: yourapplication\\nVersion: {version}\\n")
        archive.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\n"
                         "Root-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "/RECORD", "")
    return wheel
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "yourapplication"
dynamic = ["version"]
"""
# The section "The WSGI File" has these three lines.
APPLICATION = """
from {library} import {name}

app = {name}(__name__)
app.config.from_object("yourapplication.default_config")
app.config.from_envvar("YOURAPPLICATION_CONFIG")

VERSION = "{version}"
"""


def write_project(root: Path, host: Host, version: str) -> None:
    """Write the project *yourapplication*, and the files for *host*."""
    package = root / "yourapplication"
    package.mkdir(parents=True, exist_ok=True)
    packages = str(Path(flask.__file__).parents[1])
    (root / "backend.py").write_text(BACKEND.format(version=version, packages=packages))
    (root / "pyproject.toml").write_text(PYPROJECT)
    text = APPLICATION.format(library="flask", name="Flask", version=version)
    (package / "__init__.py").write_text(text)
    (package / "default_config.py").write_text((EXAMPLE / "default_config.py").read_text())
    (root / "application.cfg").write_text(f"GREETING = 'Hello from {host.name}'\n")
    wsgi = (EXAMPLE / "yourapplication.wsgi").read_text()
    (root / "yourapplication.wsgi").write_text(wsgi.replace("/var/www", f"{host.folder}/www"))


async def run(*command: str, **env: str) -> str:
    """Run *command*, and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **env},
        cwd=EXAMPLE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def fab(root: Path, hosts: Hosts, *tasks: str, number: int | None = None) -> str:
    """Run ``fab`` with *tasks*: on one host with ``-H``, or on those of the fabfile."""
    if find_spec("fabric") is None:
        unavailable("Fabric is not installed")
    names = [f"appuser@127.0.0.1:{host.port}" for host in hosts.all]
    # All hosts are this machine, so each has its own folder in place of /var/www.
    env = {
        "FAB_ROOT": str(root),
        "FAB_HOSTS": ",".join(names),
        "FAB_FOLDER": "www/yourapplication",
        "FAB_PYTHON": sys.executable,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    options = ["--identity", str(hosts.identity), "--search-root", str(EXAMPLE)]
    chosen = [] if number is None else ["-H", names[number]]
    return await run(sys.executable, "-m", "fabric", *options, *chosen, *tasks, **env)


async def start(host: Host) -> str:
    """Import the WSGI file on *host* as mod_wsgi does, and return a setting and the version."""
    code = (
        "import runpy; app = runpy.run_path('www/yourapplication.wsgi')['application'];"
        "import yourapplication;"
        "print(app.config['GREETING'], app.config['ITEMS_PER_PAGE'], yourapplication.VERSION)"
    )
    process = await asyncio.create_subprocess_exec(
        str(host.folder / "www/yourapplication/env/bin/python"),
        "-c",
        code,
        stdout=subprocess.PIPE,
        cwd=host.folder,
        env=host.env,
    )
    return (await process.communicate())[0].decode().strip()


@pytest.mark.checks("FA-1", "FA-2")
async def test_fabfile() -> None:
    """It has the three tasks of the page."""
    if find_spec("fabric") is None:
        unavailable("Fabric is not installed")
    listed = await run(sys.executable, "-m", "fabric", "--search-root", str(EXAMPLE), "--list")
    assert listed.split()[2:] == ["bootstrap", "deploy", "pack"]


@pytest.mark.slow
@pytest.mark.checks("FA-1", "FA-2", "FA-3", "FA-4")
async def test_deployment(tmp_path: Path, hosts_folder: Path) -> None:
    """New hosts are set up one by one, and each ``fab pack deploy`` installs a version on all."""
    root = tmp_path / "project"
    async with run_hosts(hosts_folder, 2) as hosts:
        for number, host in enumerate(hosts.all):
            (host.folder / "www").mkdir()
            await asyncio.to_thread(write_project, root, host, "1.0")
            await fab(root, hosts, "bootstrap", number=number)
            assert [command.split()[0] for command in host.commands] == ["mkdir", sys.executable]
        # The archives are in /tmp of this machine, so no other test may have their names.
        for version in (f"1.{os.getpid()}.0", f"1.{os.getpid()}.1"):
            await asyncio.to_thread(write_project, root, hosts[1], version)
            touched = [(host.folder / "www/yourapplication.wsgi") for host in hosts.all]
            for path in touched:
                os.utime(path, (1, 1))
            await fab(root, hosts, "pack", "deploy")
            for host, path in zip(hosts.all, touched, strict=True):
                assert path.stat().st_mtime > 1
                # The file of the host overrides a default; the WSGI file is not changed.
                assert await start(host) == f"Hello from {host.name} 10 {version}"
                assert not os.path.exists(f"/tmp/yourapplication-{version}.tar.gz")  # noqa: ASYNC240
                words = [command.split()[0].rpartition("/")[2] for command in host.commands]
                assert words[-3:] == ["pip", "rm", "touch"]


@pytest.mark.checks("FA-3")
@pytest.mark.parametrize(
    ("file", "library", "name"),
    [("yourapplication.wsgi", "flask", "Flask"), ("asgi.py", "quart", "Quart")],
)
async def test_server_file(tmp_path: Path, file: str, library: str, name: str) -> None:
    """The file for the server names the configuration before it imports the application."""
    package = tmp_path / "yourapplication"
    package.mkdir()
    text = APPLICATION.format(library=library, name=name, version="1.0")
    (package / "__init__.py").write_text(text)
    (package / "default_config.py").write_text((EXAMPLE / "default_config.py").read_text())
    (package / "application.cfg").write_text("GREETING = 'Hello from the file'\n")
    text = (EXAMPLE / file).read_text().replace("/var/www", str(tmp_path))
    (tmp_path / file).write_text(text)
    code = f"import runpy; found = runpy.run_path({str(tmp_path / file)!r})"
    code += "; app = found.get('app') or found['application']; print(type(app).__name__)"
    code += "; print(app.config['GREETING'], app.config['ITEMS_PER_PAGE'])"
    output = await run(sys.executable, "-c", code, PYTHONPATH=str(tmp_path))
    assert output.split("\n")[:2] == [name, "Hello from the file 10"]
