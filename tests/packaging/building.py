"""Projects that are laid out, built and installed for real."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import quart
import uv

import quartpatterns
from quartpatterns.compare.processes import Process, accepts, free_port

__all__ = ["ROOT", "Environment", "Kind", "build", "lay_out", "run", "served"]

Kind = Literal["original", "port"]

PACKAGE = Path(quartpatterns.__file__).parent / "packaging"
EXAMPLE = PACKAGE / "example"
ROOT = PACKAGE.parents[1]
# Where this environment's packages are, and where quartpatterns itself is.
DEPENDENCIES = [str(Path(quart.__file__).parents[1]), str(ROOT)]
# What an environment variable of this run would change.
OURS = ("PYTHON", "QUART_", "RELEASE_BUILD", "SOURCE_DATE_EPOCH", "UV_PROJECT", "VIRTUAL_ENV")


def clean(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a program that knows nothing of this run."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return ours | {"GIT_CEILING_DIRECTORIES": str(ROOT.parent), **(env or {})}


def run(
    *command: str | Path, cwd: Path, code: int = 0, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program that ends with *code*."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, env=clean(env)
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def lay_out(kind: Kind, folder: Path) -> Path:
    """The project of *kind* in *folder*: its declarations, and its application as a package."""
    package = folder / "yourapplication"
    shutil.copytree(EXAMPLE / "declarations" / kind, folder, dirs_exist_ok=True)
    for name in ("templates", "static"):
        shutil.copytree(EXAMPLE / name, package / name)
    shutil.copy(EXAMPLE / "notice.txt", package)
    shutil.copy(EXAMPLE / f"{kind}.py", package / "__init__.py")
    shutil.copy(PACKAGE / "versions.py", folder / "build_version.py")
    return folder


def build(project: Path, *options: str, env: Mapping[str, str] | None = None) -> Path:
    """Build *project*, and return the newest thing built, a wheel where there is one."""
    run(sys.executable, "-m", "build", "--no-isolation", *options, cwd=project, env=env)
    built = sorted((project / "dist").iterdir(), key=lambda one: (one.suffix, one.stat().st_mtime))
    return built[-1]


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment without anything in it.

    Arguments:
        folder: Where it is.
    """

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Where its packages are."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    @classmethod
    def empty(cls, folder: Path) -> Environment:
        """One that is empty indeed."""
        venv.create(folder)
        return cls(folder)

    @classmethod
    def with_dependencies(cls, folder: Path) -> Environment:
        """One that is empty, but for a path to what this run has installed."""
        made = cls.empty(folder)
        (made.packages / "dependencies.pth").write_text("\n".join(DEPENDENCIES))
        return made

    def install(self, *what: str | Path, code: int = 0) -> str:
        """Install *what*, and return what was said."""
        command = [uv.find_uv_bin(), "pip", "install", "--python", str(self.python)]
        return run(*command, *what, cwd=self.folder, code=code).stderr

    def install_alone(self, *what: str | Path) -> str:
        """Install *what* without its dependencies, with the build tools of this run."""
        return self.install("--no-deps", "--no-build-isolation", *what)


@contextlib.contextmanager
def served(
    environment: Environment,
    *command: str,
    folder: Path,
    env: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """What a command of *environment* serves, started in the empty *folder*; yields its URL.

    In *command* ``{port}`` stands for a free port.
    """
    port = free_port()
    folder.mkdir(exist_ok=True)
    parts = [part.format(port=port) for part in command]
    log = folder.with_suffix(".log")
    with Process([environment.python, *parts], log=log, cwd=folder, env=clean(env)) as process:
        process.wait_until(lambda: accepts(port), timeout=60)
        yield f"http://127.0.0.1:{port}"
