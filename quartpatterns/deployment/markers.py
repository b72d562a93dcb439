"""Environment markers of requirements, evaluated for the hosts instead of for this machine.

pip evaluates a marker such as ``python_full_version < "3.11.3"`` for the Python that runs it. The
Python of a host can have another patch version, and another platform.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from email.parser import HeaderParser
from pathlib import Path
from typing import cast

from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from quartpatterns.deployment.errors import PackError

__all__ = ["applied_markers", "marker_environments", "missing_requirements", "required_names"]

Environment = Mapping[str, str]

# The end of a marker is the end of the line, or an option, a comment or a continued line.
_LOCKED_WITH_MARKER = re.compile(
    r"^([\w.\[\],-]+==[^\s;]+)[ \t]*;[ \t]*(.+?)(?=[ \t]*\\?$|[ \t]+(?:--|#))", re.MULTILINE
)
_MACHINE = re.compile(
    r"(?:manylinux|musllinux|linux|macosx).*?_(x86_64|aarch64|arm64|armv7l|i686|ppc64le|s390x)$"
)


def marker_environments(version: str, platform: str | None) -> list[Environment]:
    """Return the values of markers for the first and the last Python of *version*, such as 3.11.

    Arguments:
        version: The version of Python without its patch version.
        platform: The platform of the wheels, such as ``manylinux_2_28_x86_64``; None for this one.
    """
    environment = cast("dict[str, str]", {**default_environment()})
    if platform is not None:
        is_mac = platform.startswith("macosx")
        environment |= {
            "os_name": "posix",
            "sys_platform": "darwin" if is_mac else "linux",
            "platform_system": "Darwin" if is_mac else "Linux",
        }
        if machine := _MACHINE.match(platform):
            environment["platform_machine"] = machine[1]
    return [
        {
            **environment,
            "python_version": version,
            "python_full_version": f"{version}.{patch}",
            "implementation_version": f"{version}.{patch}",
        }
        for patch in (0, 99)
    ]


def applied_markers(lock: str, environments: Sequence[Environment]) -> str:
    """Return the text of a lock file, whose markers are replaced by their results.

    A requirement that one of *environments* needs has no marker, and any other has a marker that
    is false everywhere.
    """

    def apply(match: re.Match[str]) -> str:
        marker = Marker(match[2])
        if any(marker.evaluate(dict(one)) for one in environments):
            return match[1]
        return f'{match[1]} ; python_version < "0"'

    return _LOCKED_WITH_MARKER.sub(apply, lock)


def missing_requirements(folder: Path, environments: Sequence[Environment]) -> list[str]:
    """Return the requirements of the wheels in *folder* for which it has no wheel.

    Raises:
        PackError: A wheel is there in a version that another one excludes on some hosts.
    """
    versions: dict[NormalizedName, Version] = {}
    requirements: dict[NormalizedName, list[Requirement]] = {}
    for path in folder.glob("*.whl"):
        name, versions[name], _, _ = parse_wheel_filename(path.name)
        requirements[name] = _requirements(path)
    missing: set[str] = set()
    extras: set[tuple[NormalizedName, str]] = {(name, "") for name in versions}
    remaining = sorted(extras)
    while remaining:
        name, extra = remaining.pop()
        for needed in requirements[name]:
            marker = needed.marker
            if marker and not any(marker.evaluate({**one, "extra": extra}) for one in environments):
                continue
            other = canonicalize_name(needed.name)
            if other not in versions:
                needed.marker = None
                missing.add(str(needed))
                continue
            if not needed.specifier.contains(versions[other], prereleases=True):
                raise PackError(
                    f"{name} needs {needed}, and the archive has {other} {versions[other]}. Pack"
                    " with the Python version of the hosts"
                )
            new = {(other, one) for one in needed.extras} - extras
            extras |= new
            remaining += sorted(new)
    return sorted(missing)


def required_names(wheel: Path) -> set[str]:
    """Return the names of the distributions that *wheel* requires."""
    return {canonicalize_name(needed.name) for needed in _requirements(wheel)}


def _requirements(wheel: Path) -> list[Requirement]:
    with zipfile.ZipFile(wheel) as file:
        (name,) = (one for one in file.namelist() if one.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(file.read(name).decode())
    return [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
