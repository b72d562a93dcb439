"""Creating a new project from the files in the folder ``skeleton``."""

from __future__ import annotations

import errno
import functools
import json
import keyword
import os
import re
import shlex
import sys
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from quartpatterns import __version__
from quartpatterns._shared.installed_from import installed_from, is_available
from quartpatterns._shared.suggestions import did_you_mean

__all__ = [
    "FEATURES",
    "REQUIRED",
    "SERVERS",
    "Project",
    "ProjectError",
    "ProjectNameError",
    "check_name",
    "new_project",
]

FEATURES = {
    "login": "users with passwords, who register and log in",
    "forms": "forms with validation and protection against CSRF",
    "uploads": "an upload of pictures",
    "flashing": "messages on the next page",
    "api": "a JSON API with documentation",
    "i18n": "pages in English and German",
    "sqlalchemy": "a database with models and migrations",
    "tasks": "background tasks and a worker",
    "caching": "a cache, in memory or in Redis",
}
REQUIRED = {
    "login": ("forms", "sqlalchemy"),
    "uploads": ("forms",),
    "flashing": ("forms",),
    "api": ("sqlalchemy",),
}
"""The features that another feature needs. They need no others."""
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "login": ("passwords",),
    "forms": ("wtforms",),
    "uploads": ("fileuploads",),
    "flashing": (),
    "api": ("ajax",),
    "sqlalchemy": ("migrations", "postgresql", "sqlalchemy"),
    "caching": ("redis",),
}
"""The extras of quartpatterns, where it is not one with the name of the feature."""
SERVERS = ("hypercorn", "uvicorn", "granian")
"""The servers that a project can have."""
_SKELETON = Path(__file__).parent / "skeleton"
_PLACEHOLDER = "yourapplication"
_LISTED_FILES = 10
_NAME = re.compile(r"[a-z](?:[a-z0-9_]*[a-z0-9])?")
_LONGEST_NAME = 30
"""Characters. With a longer name, some lines of the project would exceed 100 characters."""
_RESERVED = {"build", "dist", "docs", "migrations", "static", "templates", "test", "tests"}
_VARIABLE = re.compile(r"%\((\w+)\)s")
_MESSAGE_ID = re.compile(r'^msgid "(.*)"$', re.MULTILINE)
_SET_SECRET_KEY = (
    "export QUART_SECRET_KEY=$(python -c 'import secrets; print(secrets.token_hex())')"
)
_FIXTURES = {
    "": "app_client",
    "login": "login_as",
    "forms": "csrf_post",
    "flashing": "captured_flashes",
    "sqlalchemy": "rolled_back_database",
    "tasks": "eager_tasks",
}
"""The fixtures of the pytest plugin that the tests of a feature use."""
_WINDOWS_DEVICE = re.compile(r"con|prn|aux|nul|(?:com|lpt)\d")


class ProjectNameError(ValueError):
    """The name of a project is invalid. The message says why, and suggests a valid name.

    .. versionadded:: 0.1
    """


class ProjectError(Exception):
    """A project cannot be created. The message says why. Nothing was written.

    .. versionadded:: 0.1
    """


@dataclass(frozen=True, slots=True)
class Project:
    """A project that was created.

    Arguments:
        name: The name of the folder, the package and the distribution.
        folder: The folder.
        features: The optional features, with those that they need.
        added: The features that were added, and for each the features that need it.
        files: The files, relative to the folder.
        commands: The next shell commands to run.
        server: The server.
        source: Where quartpatterns was installed from, if it was not a package index. The
            commands install it from there.

    .. versionadded:: 0.1
    """

    name: str
    folder: Path
    features: tuple[str, ...]
    added: Mapping[str, tuple[str, ...]]
    files: tuple[str, ...]
    commands: tuple[str, ...]
    server: str = "hypercorn"
    source: str | None = None


def new_project(
    name: str,
    parent: str | Path = ".",
    *,
    features: Sequence[str] = (),
    server: str = "hypercorn",
) -> Project:
    """Create the folder *name* in *parent* with a complete application.

    The project is written to a temporary folder and renamed. It is therefore created completely
    or not at all, and existing files are never overwritten.

    Arguments:
        name: The name of the folder, the package and the distribution.
        parent: An existing folder.
        features: Names in :data:`FEATURES`. The features that they need are added.
        server: A name in :data:`SERVERS`.

    Raises:
        ProjectNameError: The name is invalid for a module, or conflicts with another module.
        ProjectError: A feature or the server is unknown, the folder exists and is not empty, or it
            cannot be written.

    .. versionadded:: 0.1
    """
    check_name(name)
    if unknown := sorted(set(features) - FEATURES.keys()):
        known = ", ".join(FEATURES) + did_you_mean(unknown[0], FEATURES, before="; ")
        raise ProjectError(f"the feature {unknown[0]!r} is unknown. The features are {known}")
    if server not in SERVERS:
        known = ", ".join(SERVERS)
        raise ProjectError(f"the server {server!r} is unknown. The servers are {known}")
    added = {
        feature: tuple(one for one in FEATURES if one in features and feature in _required(one))
        for feature in FEATURES
        if feature not in features
    }
    added = {feature: needed_by for feature, needed_by in added.items() if needed_by}
    selected = tuple(feature for feature in FEATURES if feature in features or feature in added)
    folder = Path(parent).absolute() / name
    files = dict(_render_files(name, selected, server))
    try:
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as temporary:
            for path, text in files.items():
                file = Path(temporary, name, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8", newline="\n")
            # The system refuses to replace a folder that is not empty, so there is no race.
            os.rename(Path(temporary, name), folder)
    except OSError as error:
        raise ProjectError(_problem(folder, files, error)) from error
    source = installed_from()
    commands = [f"cd {name}", *_install_commands(source), "pytest"]
    if "forms" in selected:
        commands.append(_SET_SECRET_KEY)
    commands.append(f"python -m {name}")
    return Project(
        name, folder, selected, added, tuple(sorted(files)), tuple(commands), server, source
    )


def _install_commands(source: str | None) -> list[str]:
    """Return the commands that install a project in an environment of its own.

    The environment is the present one if quartpatterns cannot be installed again.
    """
    install = "pip install --editable '.[dev]'"
    create = ["python3 -m venv .venv", ". .venv/bin/activate"]
    if source is None:
        return [*create, install]
    if is_available(source):
        return [*create, f"{install} {shlex.quote(source)}"]
    return [f". {shlex.quote(sys.prefix)}/bin/activate", install]


def _required(feature: str) -> tuple[str, ...]:
    return REQUIRED.get(feature, ())


def _problem(folder: Path, files: Iterable[str], error: OSError) -> str:
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        existing = sorted(name for name in files if (folder / name).exists())
        existing = existing or sorted(path.name for path in folder.iterdir())
        listed = ", ".join(existing[:_LISTED_FILES])
        more = len(existing) - _LISTED_FILES
        listed += f" and {more} more" if more > 0 else ""
        return (
            f"{folder} is not empty. It contains {listed}. Nothing was overwritten. Choose another"
            " name or another folder"
        )
    if folder.exists() or folder.is_symlink():
        return f"{folder} exists already. Move it away, or choose another name"
    return f"{folder} cannot be created: {error.strerror or error}"


def _render_files(name: str, features: Sequence[str], server: str) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each file."""
    environment = Environment(
        # Conditions look like comments, so that tools for Python and TOML can read the skeleton.
        # The delimiters differ from those of Jinja, because the project contains templates, and
        # from those of Mako, which Alembic uses.
        block_start_string="# {%",
        variable_start_string="@{",
        variable_end_string="}",
        comment_start_string="# {#",
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    major, minor = re.findall(r"\d+", __version__)[:2]
    texts = _Texts(translated="i18n" in features)
    extras = sorted({extra for one in features for extra in EXTRAS.get(one, (one,))})
    # Quart brings Hypercorn.
    extras += [server] if server != "hypercorn" else []
    values = {
        "title": name.replace("_", " ").capitalize(),
        "extras": f"[{','.join(extras)}]" if extras else "",
        "oldest": __version__,
        "newest": f"{major}.{int(minor) + 1}",
        "secret": _SET_SECRET_KEY,
        "source": installed_from() is not None,
        "fixtures": ", ".join(
            f"`{name}`" for feature, name in _FIXTURES.items() if feature in ("", *features)
        ),
        # The prefix of the paths of pages, in routes and in tests.
        "pages": "/<lang_code>" if "i18n" in features else "",
        "english": "/en" if "i18n" in features else "",
        "t": texts.in_template,
        "p": texts.in_python,
        **{feature: feature in features for feature in FEATURES},
        **{known: known == server for known in SERVERS},
    }
    for path, source in _sources([*features, server]).items():
        text = source.read_text(encoding="utf-8").replace(_PLACEHOLDER, name)
        text = environment.from_string(text).render(values)
        # Catalogs come last. They contain the texts of the other files.
        text = texts.select(text) if path.endswith(".po") else text
        yield path.replace(_PLACEHOLDER, name), text
    # pyproject.toml gets the version from this copy, so that a build needs no installed package.
    versions = Path(__file__).with_name("versions.py")
    yield "build_version.py", versions.read_text(encoding="utf-8")


def _sources(parts: Sequence[str]) -> dict[str, Path]:
    """Return the files of the skeleton by their paths in the project, catalogs last.

    There is a folder for each feature and each server. One such as ``forms+sqlalchemy`` is for
    projects with both features. Its files replace those of the single features.
    """
    folders = (folder for folder in _SKELETON.iterdir() if folder.is_dir())
    layers = [
        folder
        for folder in sorted(folders, key=lambda folder: (folder.name.count("+"), folder.name))
        if folder.name == "base" or set(folder.name.split("+")) <= set(parts)
    ]
    found = {
        source.relative_to(layer).as_posix(): source
        for layer in layers
        for source in sorted(layer.rglob("*"))
        if source.is_file() and "__pycache__" not in source.parts
    }
    return dict(sorted(found.items(), key=lambda item: item[0].endswith(".po")))


class _Texts:
    """The texts for visitors, as they are written in the files of a project.

    With translations they are arguments of ``_``, the function of gettext. Variables are written
    as in gettext, ``%(name)s``, and their expressions are keyword arguments.
    """

    def __init__(self, *, translated: bool) -> None:
        self._translated = translated
        self._used: set[str] = set()

    def in_template(self, text: str, **variables: str) -> str:
        """Return the source of *text* in a template."""
        if self._translated:
            return f"{{{{ {self._call(text, variables)} }}}}"
        return _VARIABLE.sub(lambda found: f"{{{{ {variables[found[1]]} }}}}", text)

    def in_python(self, text: str, **variables: str) -> str:
        """Return the source of *text* in a module, or in an expression of a template."""
        if self._translated:
            return self._call(text, variables)
        formatted = _VARIABLE.sub(lambda found: f"{{{variables[found[1]]}}}", text)
        return f'f"{formatted}"' if variables else f'"{text}"'

    def _call(self, text: str, variables: Mapping[str, str]) -> str:
        self._used.add(text)
        arguments = [f"{name}={expression}" for name, expression in variables.items()]
        return f"_({', '.join([json.dumps(text, ensure_ascii=False), *arguments])})"

    def select(self, catalog: str) -> str:
        """Return *catalog* with the header and the texts that are used."""
        header, *entries = catalog.strip().split("\n\n")
        known = {_MESSAGE_ID.findall(entry)[0]: entry for entry in entries}
        if missing := self._used - known.keys():
            raise LookupError(f"the catalog of the skeleton has no translation of {min(missing)!r}")
        used = (entry for text, entry in known.items() if text in self._used)
        return "\n\n".join([header, *used]) + "\n"


def check_name(name: str) -> None:
    """Check that *name* is a valid name for a project.

    The name is that of a module: lower-case ASCII letters, digits and underscores, as PEP 8
    recommends. It must differ from keywords, from modules of the standard library and from
    installed packages.

    Raises:
        ProjectNameError: The name is invalid. The message contains a suggestion.
    """
    if reason := _invalid_name(name):
        raise ProjectNameError(f"{name!r} is not a valid name: {reason}. Try {_suggestion(name)!r}")


def _invalid_name(name: str) -> str:
    """Return why *name* is invalid, or an empty string."""
    if not name.isascii():
        return "the name of a module should be ASCII"
    if "-" in name:
        return "a module with a hyphen cannot be imported"
    if keyword.iskeyword(name):
        return "it is a keyword of Python"
    if not _NAME.fullmatch(name):
        return (
            "it must consist of lower-case letters, digits and underscores, start with a letter,"
            " and not end with an underscore"
        )
    if len(name) > _LONGEST_NAME:
        return f"it must have at most {_LONGEST_NAME} characters"
    if name in sys.stdlib_module_names:
        return "it would hide a module of the standard library"
    if name in _RESERVED or _WINDOWS_DEVICE.fullmatch(name):
        return "the name is reserved"
    if distributions := _installed_modules().get(name):
        return f"it would hide a module of the installed package {distributions[0]}"
    return ""


@functools.cache
def _installed_modules() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _suggestion(name: str) -> str:
    """Return a valid name that is similar to *name*."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9_]+", "_", plain).lstrip("0123456789_")
    plain = plain[: _LONGEST_NAME - 4].rstrip("_") or "my_app"
    return f"{plain}_app" if _invalid_name(plain) else plain
