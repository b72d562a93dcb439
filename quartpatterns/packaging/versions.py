"""The version of a build: a release, or a development version with the date.

This module needs only the standard library. A project can have a copy of it beside its
``pyproject.toml``, which gets the version from it.
"""

from __future__ import annotations

import datetime
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["VersionError", "dev_version"]

# Versions to which .devN can be added, according to
# https://packaging.python.org/specifications/version-specifiers
_RELEASE = re.compile(r"(?:\d+!)?\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?")


class VersionError(ValueError):
    """The version is invalid or unknown. The message says what to do.

    .. versionadded:: 0.1
    """


def dev_version(
    version: str, folder: str | Path = ".", *, environ: Mapping[str, str] | None = None
) -> str:
    """Return *version* for a release, and ``version.devYYYYMMDD`` for any other build.

    A build is a release if the commit has the Git tag ``1.0`` or ``v1.0`` and no file was changed
    since, or if ``RELEASE_BUILD=1`` is set. A development version sorts before the release.

    The date is that of the commit, so that a commit always has the same version. If a file was
    changed or there is no Git repository, it is the date of ``SOURCE_DATE_EPOCH``, or today. All
    dates are in UTC.

    Arguments:
        version: The next release, such as ``1.0`` or ``1.0rc1``.
        folder: The folder of the project; build tools run in it.
        environ: The environment variables; by default those of the process.

    Raises:
        VersionError: *version* or an environment variable is invalid, or Git fails.

    .. versionadded:: 0.1
    """
    environ = os.environ if environ is None else environ
    if not _RELEASE.fullmatch(version):
        raise VersionError(f"{version!r} is not the version of a release, such as 1.0 or 1.0rc1")
    requested = environ.get("RELEASE_BUILD", "")
    if requested not in ("", "0", "1"):
        raise VersionError(f"RELEASE_BUILD is {requested!r}. Set it to 1 for a release")
    if requested == "1":
        return version
    folder = Path(folder).absolute()
    date = _commit_date(folder)
    if date is None or _git(folder, "status", "--porcelain", "--", "."):
        date = _today(environ)
    elif {version, f"v{version}"} & set(_git(folder, "tag", "--points-at", "HEAD").split()):
        return version
    return f"{version}.dev{date:%Y%m%d}"


def _today(environ: Mapping[str, str]) -> datetime.datetime:
    seconds = environ.get("SOURCE_DATE_EPOCH")
    if not seconds:
        return datetime.datetime.now(datetime.UTC)
    try:
        return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    except (ValueError, OverflowError, OSError) as error:
        message = f"SOURCE_DATE_EPOCH is {seconds!r}. Set it to seconds since 1970"
        raise VersionError(message) from error


def _commit_date(folder: Path) -> datetime.datetime | None:
    """Return the date of the current commit, or None without a repository or a commit."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None
    if not _git(folder, "rev-list", "--max-count=1", "--all"):
        return None
    seconds = _git(folder, "show", "--no-patch", "--no-show-signature", "--format=%ct", "HEAD")
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        # This could be the build of a tagged release, so it must not become a development version.
        output = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[0]
        raise VersionError(
            f"{folder} is in a Git repository, but Git fails ({output}). Correct this, or set"
            " RELEASE_BUILD=1 for a release"
        ) from error
    return result.stdout.strip()
