"""The error that names the extra of a missing library."""

from __future__ import annotations

import importlib.util
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["MissingExtraError", "missing_extra", "requires_extra"]


class MissingExtraError(ModuleNotFoundError):
    """A library of an optional feature is not installed; the message says how to install it.

    ``name`` is the library, as with every :exc:`ImportError`.
    """


def missing_extra(extra: str, library: str, *, needed_by: str | None = None) -> MissingExtraError:
    """Return the error for a library that is not installed.

    Arguments:
        extra: The extra of ``quartpatterns`` that installs it.
        library: The name to import.
        needed_by: What needs it; by default ``quartpatterns.<extra>``.
    """
    return MissingExtraError(
        f"{needed_by or f'quartpatterns.{extra}'} needs {library}:"
        f" pip install 'quartpatterns[{extra}]'",
        name=library,
    )


@contextmanager
def requires_extra(
    extra: str, *libraries: str, needed_by: str | None = None
) -> Generator[None, None, None]:
    """Name the extra if an import inside the context fails because a library is not installed.

    .. code-block:: python

        with requires_extra("sqlite3", "aiosqlite"):
            import aiosqlite

    Other errors pass unchanged: a library that is installed but broken, a missing submodule, a
    name that is not in *libraries*, and mistakes in modules of this package.

    Arguments:
        extra: The extra of ``quartpatterns`` that installs the libraries.
        libraries: The top-level names that the context imports, directly or indirectly.
        needed_by: What needs them; by default ``quartpatterns.<extra>``.

    Raises:
        MissingExtraError: One of *libraries* is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if isinstance(error, MissingExtraError):
            raise
        library = (error.name or "").partition(".")[0]
        if library not in libraries or importlib.util.find_spec(library) is not None:
            raise
        raise missing_extra(extra, library, needed_by=needed_by) from error
