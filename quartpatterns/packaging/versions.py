"""The version of a build: a release where it is one, else the day's development version.

This module needs nothing but Python, so that a project can have a copy of it beside its
``pyproject.toml`` and ask it for the version when it is built.
"""

from __future__ import annotations

import datetime
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["VersionError", "dev_version"]

# What may stand before .devN, see https://packaging.python.org/specifications/version-specifiers
RELEASE = re.compile(r"(?:\d+!)?\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?")
SWITCH = "RELEASE_BUILD"


class VersionError(ValueError):
    """No version can be told; the message says what to do."""


def dev_version(
    version: str, folder: str | Path = ".", *, environ: Mapping[str, str] | None = None
) -> str:
    """*version* for a release, and ``version.devYYYYMMDD`` for any other build.

    It is a release where Git has the commit tagged ``1.0`` or ``v1.0`` and nothing is changed
    since, or where ``RELEASE_BUILD=1`` is set. Else it is a development version, which sorts
    before the release. Its day is that of the commit, so that one commit has one version; today
    where something is changed or there is no Git, or the day of ``SOURCE_DATE_EPOCH``. All days
    are those of UTC.

    Arguments:
        version: The release that the code is on its way to, such as ``1.0`` or ``1.0rc1``.
        folder: The project's; build tools start in it.
        environ: The environment; that of the process where none is given.

    Raises:
        VersionError: *version* is none that can be followed by ``.dev``, a variable can't be
            read, or Git doesn't answer.
    """
    environ = os.environ if environ is None else environ
    if not RELEASE.fullmatch(version):
        raise VersionError(f"{version!r} is no release: give it like 1.0 or 1.0rc1")
    if _asked(environ):
        return version
    folder = Path(folder).absolute()
    commit = _commit(folder)
    if commit and not _changed(folder):
        if {version, f"v{version}"} & set(_git(folder, "tag", "--points-at", "HEAD").split()):
            return version
        return _dev(version, commit)
    return _dev(version, _today(environ))


def _dev(version: str, day: datetime.datetime) -> str:
    return f"{version}.dev{day:%Y%m%d}"


def _day(seconds: str) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)


def _asked(environ: Mapping[str, str]) -> bool:
    value = environ.get(SWITCH, "")
    if value not in ("", "0", "1"):
        raise VersionError(f"{SWITCH} is {value!r}: set it to 1 for a release")
    return value == "1"


def _today(environ: Mapping[str, str]) -> datetime.datetime:
    value = environ.get("SOURCE_DATE_EPOCH")
    if not value:
        return datetime.datetime.now(datetime.UTC)
    try:
        return _day(value)
    except (ValueError, OverflowError, OSError) as error:
        raise VersionError(f"SOURCE_DATE_EPOCH is {value!r}: set it to seconds") from error


def _commit(folder: Path) -> datetime.datetime | None:
    """When the commit that is checked out was made; ``None`` where there is none."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None
    if not _git(folder, "rev-list", "--max-count=1", "--all"):
        return None
    seconds = _git(folder, "show", "--no-patch", "--no-show-signature", "--format=%ct", "HEAD")
    return _day(seconds)


def _changed(folder: Path) -> bool:
    return bool(_git(folder, "status", "--porcelain", "--", "."))


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        # Not a development version in silence: this may be the build of a tagged release.
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[0]
        raise VersionError(
            f"{folder} is in a Git repository, and Git doesn't answer ({said}): put it right, or"
            f" set {SWITCH}=1 for a release"
        ) from error
    return done.stdout.strip()
