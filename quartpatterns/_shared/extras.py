"""Errors about missing libraries, which name the extras that install them.

The metadata of this package says which extra installs which library.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec

__all__ = [
    "MissingExtraError",
    "distribution",
    "install_command",
    "missing_extra",
    "missing_libraries",
    "requirements",
    "requires_extra",
]

# Libraries whose distribution has another name, apart from hyphens.
_DISTRIBUTIONS = {
    "argon2": "argon2-cffi",
    "bson": "pymongo",
    "flask_uploads": "flask-reuploaded",
    "markdown_it": "markdown-it-py",
    "xstatic": "xstatic-jquery",
}
_NAME = re.compile(r"^[\w.-]+", re.ASCII)
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


class MissingExtraError(ModuleNotFoundError):
    """A library of an optional feature is not installed; the message says how to install it.

    ``name`` is the library, as with every :exc:`ImportError`.
    """


PLAIN_INSTALL = "pip install quartpatterns"


def install_command(*extras: str) -> str:
    """Return the command that installs *extras*."""
    return f"pip install 'quartpatterns[{','.join(sorted(extras))}]'" if extras else PLAIN_INSTALL


def missing_extra(extra: str, library: str, *, needed_by: str | None = None) -> MissingExtraError:
    """Return the error for a library that is not installed.

    Arguments:
        extra: The extra of ``quartpatterns`` that installs it.
        library: The name to import.
        needed_by: What needs it; by default ``quartpatterns.<extra>``.
    """
    needed_by = needed_by or f"quartpatterns.{extra}"
    return MissingExtraError(f"{needed_by} needs {library}: {install_command(extra)}", name=library)


@contextmanager
def requires_extra(extra: str, *, needed_by: str | None = None) -> Generator[None, None, None]:
    """Name the extra if an import inside the context fails because a library is not installed.

    .. code-block:: python

        with requires_extra("sqlite3"):
            import aiosqlite

    Other errors pass unchanged: a library that is installed but broken, a missing submodule, a
    library that the extra does not install, and mistakes in modules of this package.

    Arguments:
        extra: The extra of ``quartpatterns`` that installs the libraries.
        needed_by: What needs them; by default ``quartpatterns.<extra>``.

    Raises:
        MissingExtraError: A library of the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if isinstance(error, MissingExtraError):
            raise
        library = (error.name or "").partition(".")[0]
        if distribution(library) not in requirements().get(extra, {}) or find_spec(library):
            raise
        raise missing_extra(extra, library, needed_by=needed_by) from error


def distribution(library: str) -> str:
    """Return the name of the distribution that contains *library*."""
    top = library.partition(".")[0]
    return _DISTRIBUTIONS.get(top, _normalized(top))


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def requirements() -> Mapping[str, Mapping[str, bool]]:
    """Return the distributions that each extra requires.

    Each has a flag: whether it is required on every machine. The mapping is empty if the metadata
    of this package are missing, for example if it runs from a folder without being installed.
    """
    try:
        lines = metadata.requires("quartpatterns") or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, dict[str, bool]] = {}
    for line in lines:
        marker = line.partition(";")[2]
        everywhere = not _EXTRA.sub("", marker).strip()
        for extra in _EXTRA.findall(marker):
            names = found.setdefault(extra, {})
            name = _normalized(_NAME.findall(line)[0])
            names[name] = everywhere or names.get(name, False)
    return found


def missing_libraries(*extras: str) -> list[str]:
    """Return the distributions of *extras* that are not installed.

    Those that are only required on some machines are left out.
    """
    needed = {
        name
        for extra in extras
        for name, everywhere in requirements().get(extra, {}).items()
        if everywhere
    }
    return sorted(name for name in needed if not _is_installed(name))


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
