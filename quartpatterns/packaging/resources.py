"""Templates, static files and other data that code refers to, and that a build has left out."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from posixpath import join

from jinja2 import TemplateNotFound
from quart import Quart
from quart.utils import run_sync

from quartpatterns.packaging.references import Folder, Kind, Reference, in_python, in_template

__all__ = ["MissingResource", "MissingResourcesError", "check_resources", "require_resources"]

USUAL: dict[Kind, str] = {"template": "templates", "static": "static"}
SKIPPED = (".DS_Store", "__pycache__", "node_modules")
REMEDY = """
Make them data of the package and build again: hatchling takes all that is in it, unless
.gitignore or an exclude keeps it out; setuptools takes what package-data or MANIFEST.in names.
What may be missing is named by ignore=[...]."""


@dataclass(frozen=True, slots=True, order=True)
class MissingResource:
    """A file that is not there.

    Arguments:
        path: Where it should be, from the top of the wheel.
        kind: ``template``, ``static``, or ``data`` of the package.
        name: What the code calls it.
        used_in: Where it is referred to, as ``demo/views.py:12``; empty where only the source
            has it.
    """

    path: str
    kind: Kind
    name: str
    used_in: str = ""

    def __str__(self) -> str:
        return f"{self.path} ({f'used in {self.used_in}' if self.used_in else 'in the source'})"


class MissingResourcesError(FileNotFoundError):
    """An application was installed without files that it refers to; ``missing`` has them."""

    def __init__(self, name: str, missing: Sequence[MissingResource]) -> None:
        self.missing = tuple(missing)
        listed = "".join(f"\n  {one}" for one in missing)
        super().__init__(f"{name} was installed without files that it refers to:{listed}{REMEDY}")


def check_resources(
    where: str | Path, *, source: str | Path | None = None, ignore: Sequence[str] = ()
) -> list[MissingResource]:
    """The files that the code in *where* refers to, and that are not in it.

    Nothing is imported or executed: what is looked for is text in ``render_template("...")``,
    ``url_for("static", filename="...")``, ``open_resource("...")`` and their like, in Python
    files and in templates. A name that is computed can't be followed, nor can any of a kind for
    which a folder is computed or outside of the package; *source* finds those files, too.

    Arguments:
        where: A wheel, or the folder of a package; of a folder that is none, the modules in it.
        source: The folder of the package that the wheel was built from. Each file in its template
            and static folders is then to be in the wheel, whoever refers to it.
        ignore: Names that may be missing, such as ``security/*`` for templates of an extension.

    Raises:
        ValueError: *where* is neither, or *source* is no folder.
    """
    there = _read(Path(where))
    missing = [*there.missing()]
    if source is not None:
        missing += _read(Path(source)).left_out(there.files)
    kept = [one for one in missing if not any(fnmatchcase(one.name, each) for each in ignore)]
    # A file once, with the first place that refers to it.
    return sorted({one.path: one for one in sorted(kept, key=_by_use, reverse=True)}.values())


def _by_use(one: MissingResource) -> tuple[bool, str]:
    return not one.used_in, one.used_in


def require_resources(app: Quart, *, ignore: Sequence[str] = ()) -> None:
    """Let *app* start only with the files that its package refers to.

    A wheel without its templates installs and starts, and is a 500 at the first page. With this
    it does not start, and says which files to declare.

    Arguments:
        app: The application; the package that it is made in is looked at. Templates that it
            finds elsewhere, in an extension, are there.
        ignore: As for :func:`check_resources`.
    """

    def missing() -> list[MissingResource]:
        found = check_resources(app.root_path, ignore=ignore)
        return [one for one in found if one.kind != "template" or not _loads(app, one.name)]

    @app.before_serving
    async def require() -> None:
        if found := await run_sync(missing)():
            raise MissingResourcesError(app.name, found)


def _loads(app: Quart, name: str) -> bool:
    loader = app.jinja_env.loader
    try:
        return loader is not None and bool(loader.get_source(app.jinja_env, name))
    except TemplateNotFound:
        return False


@dataclass(frozen=True, slots=True)
class _Package:
    """The files of a package, what they refer to, and the folders that is looked up in.

    *unseen* are the kinds for which there are folders elsewhere, that can't be looked into.
    """

    files: Mapping[str, Traversable]
    references: Sequence[Reference]
    folders: Mapping[Kind, Sequence[str]]
    unseen: frozenset[Kind]

    def missing(self) -> Iterator[MissingResource]:
        """The references that lead nowhere, but for those that may lead out of the package."""
        for one in self.references:
            if one.kind in self.unseen:
                continue
            folders = self._folders(one)
            if not any(join(each, name) in self.files for each in folders for name in one.names):
                path = join(folders[0], one.names[0])
                yield MissingResource(path, one.kind, one.names[0], one.place)

    def left_out(self, built: Mapping[str, Traversable]) -> Iterator[MissingResource]:
        """The templates and static files that are not among those that were *built*."""
        for kind, folders in self.folders.items():
            for path in self.files.keys() - built.keys():
                for folder in folders:
                    if path.startswith(f"{folder}/"):
                        yield MissingResource(path, kind, path.removeprefix(f"{folder}/"))

    def _folders(self, one: Reference) -> Sequence[str]:
        """Where *one* may be, the likeliest place first."""
        # A module that is in no package has its folders at the top.
        above = [str(each) for each in PurePosixPath(one.place).parents][:-1] or [""]
        if one.kind == "data":
            return above
        beside = [folder for folder in self.folders[one.kind] if _parent(folder) in above]
        usual = join(above[-1], USUAL[one.kind])
        return list(dict.fromkeys([*beside, *self.folders[one.kind], usual]))


def _read(where: Path) -> _Package:
    """What is in *where*.

    Raises:
        ValueError: It is no wheel and no folder.
    """
    if where.is_dir():
        where = where.resolve()
        files = dict(_walk(where, f"{where.name}/"))
        if not (where / "__init__.py").is_file():
            # Modules beside each other; what is below is no part of them, such as their tests.
            files = {
                path: file
                for path, file in files.items()
                if not path.endswith(".py") or path.count("/") == 1
            }
        return _package(files, inside=f"{where.name}/")
    if not zipfile.is_zipfile(where):
        raise ValueError(f"{where} is no wheel and no folder: name dist/....whl, or a package")
    with zipfile.ZipFile(where) as wheel:
        return _package(dict(_walk(zipfile.Path(wheel))))


def _package(files: Mapping[str, Traversable], *, inside: str = "") -> _Package:
    found = [
        one
        for path, file in files.items()
        if path.endswith(".py")
        for one in in_python(path, file.read_bytes())
    ]
    folders: dict[Kind, list[str]] = {
        kind: sorted(set(_of_kind(kind, files, found))) for kind in USUAL
    }
    references = [one for one in found if isinstance(one, Reference)]
    for path, file in files.items():
        if path.startswith(tuple(f"{folder}/" for folder in folders["template"])):
            references += in_template(path, file.read_bytes().decode(errors="replace"))
    named = [one for one in found if isinstance(one, Folder)]
    elsewhere = (one for one in named if one.path[0] in "/." or not one.path.startswith(inside))
    return _Package(files, references, folders, frozenset(one.kind for one in elsewhere))


def _of_kind(
    kind: Kind, files: Mapping[str, Traversable], found: Sequence[Reference | Folder]
) -> Iterator[str]:
    """The folders of *kind*: those that the code names, and those that have the usual name."""
    yield from (one.path for one in found if isinstance(one, Folder) and one.kind == kind)
    for path in files:
        parts = path.split("/")[:-1]
        if USUAL[kind] in parts:
            yield "/".join(parts[: parts.index(USUAL[kind]) + 1])


def _parent(folder: str) -> str:
    return folder.rpartition("/")[0]


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for one in folder.iterdir():
        if one.name in SKIPPED:
            continue
        if one.is_dir():
            # Such as .venv and .git, where the application is a module of the project's folder.
            hidden = one.name.startswith(".") and one.name != ".well-known"
            if not hidden and not one.joinpath("pyvenv.cfg").is_file():
                yield from _walk(one, f"{prefix}{one.name}/")
        else:
            yield f"{prefix}{one.name}", one
