"""A new project, made of the files in the folder ``skeleton``."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from jinja2 import Environment, StrictUndefined

from quartpatterns import __version__
from quartpatterns.packaging.names import check_name

__all__ = ["FEATURES", "Project", "ProjectError", "new_project"]

FEATURES = {
    "caching": "a cache, in memory or in Redis",
    "sqlalchemy": "a database, with models and migrations",
    "tasks": "background tasks, run by a worker",
}
SKELETON = Path(__file__).parent / "skeleton"
PLACEHOLDER = "yourapplication"
LISTED = 10  # files that an error names before it counts the rest


class ProjectError(Exception):
    """A project can't be made; the message says why, and nothing was written."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project that was made.

    Arguments:
        name: Its name.
        folder: Where it is.
        features: What it has beyond the base.
        files: Its files, relative to the folder.
        commands: What to do next, in a shell.
    """

    name: str
    folder: Path
    features: tuple[str, ...]
    files: tuple[str, ...]
    commands: tuple[str, ...]


def new_project(name: str, parent: str | Path = ".", *, features: Sequence[str] = ()) -> Project:
    """Make the folder *name* in *parent*, with an application that is ready to be changed.

    It is made aside and renamed, so that it is there as a whole or not at all. What is there
    already is never touched.

    Arguments:
        name: Of the folder, the package and the distribution.
        parent: An existing folder.
        features: Of :data:`FEATURES`.

    Raises:
        ProjectNameError: The name can't be imported everywhere, or hides something.
        ProjectError: A feature is unknown, the folder is there and not empty, or it can't be
            written.
    """
    check_name(name)
    unknown = sorted(set(features) - FEATURES.keys())
    if unknown:
        raise ProjectError(f"there is no {unknown[0]!r} to add; there is {', '.join(FEATURES)}")
    chosen = tuple(feature for feature in FEATURES if feature in features)
    folder = Path(parent).absolute() / name
    files = dict(_rendered(name, chosen))
    try:
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as aside:
            _write(Path(aside, name), files)
            # Refused by the system where there is anything, so nothing can come in between.
            os.rename(Path(aside, name), folder)
    except OSError as error:
        raise _refusal(folder, files, error) from error
    return Project(name, folder, chosen, tuple(sorted(files)), _commands(name))


def _refusal(folder: Path, files: Iterable[str], error: OSError) -> ProjectError:
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        found = sorted(name for name in files if (folder / name).exists())
        found = found or sorted(path.name for path in folder.iterdir())
        more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
        return ProjectError(
            f"{folder} is not empty, and nothing in it is overwritten: it has"
            f" {', '.join(found[:LISTED])}{more}. Choose another name, or another folder for it"
        )
    if folder.exists() or folder.is_symlink():
        return ProjectError(f"{folder} is there already: move it away, or choose another name")
    return ProjectError(f"{folder} can't be made: {error.strerror or error}")


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _rendered(name: str, features: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The files of the project, by path."""
    environment = Environment(
        # Conditions are comments to Python and TOML, so that their tools read the skeleton as it
        # is. Neither mark is Jinja's own, as the project has templates, nor Mako's, as Alembic has.
        block_start_string="# {%",
        variable_start_string="@{",
        variable_end_string="}",
        comment_start_string="# {#",
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    values = _values(name, features)
    for layer in ("base", *features):
        for source in sorted((SKELETON / layer).rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                path = str(PurePosixPath(source.relative_to(SKELETON / layer)))
                text = source.read_text(encoding="utf-8").replace(PLACEHOLDER, name)
                yield path.replace(PLACEHOLDER, name), environment.from_string(text).render(values)
    # Beside pyproject.toml, which asks it for the version: a copy needs nothing installed.
    versions = Path(__file__).with_name("versions.py")
    yield "build_version.py", versions.read_text(encoding="utf-8")


def _values(name: str, features: Sequence[str]) -> dict[str, object]:
    major, minor = re.findall(r"\d+", __version__)[:2]
    return {
        "title": name.replace("_", " ").capitalize(),
        "extras": f"[{','.join(features)}]" if features else "",
        "oldest": __version__,
        "newest": f"{major}.{int(minor) + 1}",
        **{feature: feature in features for feature in FEATURES},
    }


def _commands(name: str) -> tuple[str, ...]:
    return (f"cd {name}", "pip install --editable '.[dev]'", "pytest", f"python -m {name}")
