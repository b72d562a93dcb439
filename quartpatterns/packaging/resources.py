"""Checking that a package contains the templates, static files and data that it refers to."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from posixpath import dirname, join

from jinja2 import TemplateNotFound
from quart import Quart

from quartpatterns._shared.threads import run_sync
from quartpatterns.packaging.references import (
    Kind,
    Reference,
    ResourceFolder,
    find_in_python,
    find_in_template,
)

__all__ = ["MissingResource", "MissingResourcesError", "check_resources", "require_resources"]

_DEFAULT_FOLDERS: dict[Kind, str] = {"template": "templates", "static": "static"}
_SKIPPED = (".DS_Store", "__pycache__", "node_modules")
_REMEDY = """
Make them data of the package and build again. hatchling includes all files of the package, except
those in .gitignore or exclude. setuptools includes those in package-data or MANIFEST.in.
If a file may be missing, name it in ignore=[...]."""


@dataclass(frozen=True, slots=True, order=True)
class MissingResource:
    """A file that is missing.

    Arguments:
        path: The path where it should be, from the top of the wheel.
        kind: ``template``, ``static``, or ``data`` of the package.
        name: The name in the code.
        used_in: The file and line of the reference, such as ``demo/views.py:12``; empty if the
            file was only found in the source.

    .. versionadded:: 0.1
    """

    path: str
    kind: Kind
    name: str
    used_in: str = ""

    def __str__(self) -> str:
        return f"{self.path} ({f'used in {self.used_in}' if self.used_in else 'in the source'})"


class MissingResourcesError(FileNotFoundError):
    """An application refers to files that are missing. ``missing`` contains them.

    .. versionadded:: 0.1
    """

    def __init__(self, name: str, missing: Sequence[MissingResource]) -> None:
        self.missing = tuple(missing)
        listed = "".join(f"\n  {resource}" for resource in missing)
        super().__init__(f"files are missing that {name} refers to:{listed}{_REMEDY}")


def check_resources(
    package: str | Path, *, source: str | Path | None = None, ignore: Sequence[str] = ()
) -> list[MissingResource]:
    """Return the files that the code of a package refers to, but that the package lacks.

    The code is read, not imported or executed. References are literal names in
    ``render_template("...")``, ``url_for("static", filename="...")``, ``open_resource("...")``
    and similar calls, in Python files and templates. Computed names are ignored. So are templates
    or static files if their folder is computed, or is outside of the package. With *source*,
    these files are found as well.

    Arguments:
        package: A wheel, or the folder of a package. In a folder without ``__init__.py``, the
            modules directly in it are checked.
        source: The folder of the package from which the wheel was built. The wheel must contain
            all its templates and static files, even without a reference.
        ignore: Patterns of names that may be missing, such as ``security/*``.

    Raises:
        ValueError: *package* or *source* is neither a wheel nor a folder.

    .. versionadded:: 0.1
    """
    contents = _read(Path(package))
    missing = [*contents.missing()]
    if source is not None:
        missing += _read(Path(source)).left_out(contents.files)
    missing = [one for one in missing if not any(fnmatchcase(one.name, each) for each in ignore)]
    # List each file once, with its first reference. Files without a reference come last.
    missing.sort(key=lambda one: (not one.used_in, one.used_in), reverse=True)
    return sorted({one.path: one for one in missing}.values())


def require_resources(app: Quart, *, ignore: Sequence[str] = ()) -> None:
    """Prevent *app* from starting without the files that its package refers to.

    A wheel without its templates can be installed and started, and fails at the first request.
    With this function the application does not start, and the error names the missing files.

    Arguments:
        app: The application. Its package is checked when it starts. Templates that its loader
            finds in other packages are not missing.
        ignore: As for :func:`check_resources`.

    .. versionadded:: 0.1
    """

    def find_missing() -> list[MissingResource]:
        missing = check_resources(app.root_path, ignore=ignore)
        return [one for one in missing if one.kind != "template" or not _can_load(app, one.name)]

    @app.before_serving
    async def check() -> None:
        if missing := await run_sync(find_missing)():
            raise MissingResourcesError(app.name, missing)


def _can_load(app: Quart, template: str) -> bool:
    loader = app.jinja_env.loader
    try:
        return loader is not None and bool(loader.get_source(app.jinja_env, template))
    except TemplateNotFound:
        return False


@dataclass(frozen=True, slots=True)
class _Contents:
    """The files of a package, their references, and its folders of templates and static files.

    *unknown* contains the kinds that also have a folder whose files cannot be listed.
    """

    files: Mapping[str, Traversable]
    references: Sequence[Reference]
    folders: Mapping[Kind, Sequence[str]]
    unknown: frozenset[Kind]

    def missing(self) -> Iterator[MissingResource]:
        """Yield the references to files that do not exist."""
        for reference in self.references:
            if reference.kind in self.unknown:
                continue
            folders = self._search_path(reference)
            paths = [join(folder, name) for folder in folders for name in reference.names]
            if not any(path in self.files for path in paths):
                yield MissingResource(paths[0], reference.kind, reference.names[0], reference.place)

    def left_out(self, built: Mapping[str, Traversable]) -> Iterator[MissingResource]:
        """Yield the templates and static files that are not in *built*."""
        for kind, folders in self.folders.items():
            for path in self.files.keys() - built.keys():
                for folder in folders:
                    if path.startswith(f"{folder}/"):
                        yield MissingResource(path, kind, path.removeprefix(f"{folder}/"))

    def _search_path(self, reference: Reference) -> Sequence[str]:
        """Return the folders in which the file may be, the most likely first."""
        # The folders of a module outside of a package are at the top.
        parents = [str(path) for path in PurePosixPath(reference.place).parents][:-1] or [""]
        if reference.kind == "data":
            return parents
        folders = self.folders[reference.kind]
        own = [folder for folder in folders if dirname(folder) in parents]
        default = join(parents[-1], _DEFAULT_FOLDERS[reference.kind])
        return list(dict.fromkeys([*own, *folders, default]))


def _read(package: Path) -> _Contents:
    """Return the contents of a wheel or folder."""
    if package.is_dir():
        package = package.resolve()
        files = dict(_walk(package, f"{package.name}/"))
        if not (package / "__init__.py").is_file():
            # Modules below this folder, such as tests, are not part of the application.
            files = {
                path: file
                for path, file in files.items()
                if not path.endswith(".py") or path.count("/") == 1
            }
        return _contents(files, root=f"{package.name}/")
    if not zipfile.is_zipfile(package):
        raise ValueError(
            f"{package} is neither a wheel nor a folder. Name a file dist/*.whl, or a package"
        )
    with zipfile.ZipFile(package) as wheel:
        return _contents(dict(_walk(zipfile.Path(wheel))))


def _contents(files: Mapping[str, Traversable], *, root: str = "") -> _Contents:
    references: list[Reference] = []
    named: list[ResourceFolder] = []
    for path, file in files.items():
        if path.endswith(".py"):
            for found in find_in_python(path, file.read_bytes()):
                if isinstance(found, ResourceFolder):
                    named.append(found)
                else:
                    references.append(found)
    folders: dict[Kind, Sequence[str]] = {}
    for kind, default in _DEFAULT_FOLDERS.items():
        paths = {folder.path for folder in named if folder.kind == kind}
        for path in files:
            parts = path.split("/")[:-1]
            if default in parts:
                paths.add("/".join(parts[: parts.index(default) + 1]))
        folders[kind] = sorted(paths)
    for path, file in files.items():
        if path.startswith(tuple(f"{folder}/" for folder in folders["template"])):
            references += find_in_template(path, file.read_bytes().decode(errors="replace"))
    outside = (one for one in named if one.path[0] in "/." or not one.path.startswith(root))
    return _Contents(files, references, folders, frozenset(folder.kind for folder in outside))


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yield each file with its path, except those in hidden folders and virtual environments."""
    for entry in folder.iterdir():
        if entry.name in _SKIPPED:
            continue
        if entry.is_dir():
            hidden = entry.name.startswith(".") and entry.name != ".well-known"
            if not hidden and not entry.joinpath("pyvenv.cfg").is_file():
                yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry
