"""Environment markers are evaluated for the hosts, whatever Python packs."""

from __future__ import annotations

import platform
import tarfile
import zipfile
from pathlib import Path

import pytest

from quartpatterns.deployment import PackError, pack, parse_settings
from quartpatterns.deployment.markers import (
    applied_markers,
    marker_environments,
    missing_requirements,
)
from tests.deployment.test_archives import PYPROJECT, root

__all__ = ["root"]

pytestmark = pytest.mark.checks("FA-5")
THIS_PYTHON = ".".join(platform.python_version_tuple()[:2])


@pytest.mark.checks("FA-1")
async def test_other_patch_version(root: Path) -> None:
    """An archive contains what only the first patch versions of the hosts' Python need."""
    needed = f"itsdangerous; python_full_version < '{THIS_PYTHON}.1'"
    (root / "pyproject.toml").write_text(PYPROJECT.replace("itsdangerous", needed))
    archive = await pack(parse_settings({}, root=root, name="shop"))
    with tarfile.open(archive.path) as tar:
        assert any(name.startswith("wheels/itsdangerous-") for name in tar.getnames())


async def test_lock_with_markers(root: Path) -> None:
    """pip gets the requirement of a lock file that the hosts need, and refuses its wrong hash."""
    marker = f"python_full_version < '{THIS_PYTHON}.1'"
    digest = "0" * 64
    (root / "requirements.lock").write_text(
        f"itsdangerous==2.2.0 ; {marker} \\\n    --hash=sha256:{digest}\n"
    )
    with pytest.raises(PackError, match="DO NOT MATCH"):
        await pack(parse_settings({}, root=root, name="shop"))


def test_applied_markers() -> None:
    lock = """\
a==1.0 \\
    --hash=sha256:00
b[x]==1!2.0+local ; python_full_version < '3.11.3' \\
    --hash=sha256:00
c==1 ; sys_platform == 'win32' and python_version >= '3.11' \\
    --hash=sha256:00
d==1;platform_machine == 'aarch64'
e==1 ; python_version >= '3.11' --hash=sha256:00  # via a
f==1 ; sys_platform == 'win32'  # via a
"""
    environments = marker_environments("3.11", "manylinux_2_28_aarch64")
    assert applied_markers(lock, environments) == (
        lock.replace(" ; python_full_version < '3.11.3'", "")
        .replace("sys_platform == 'win32' and python_version >= '3.11'", 'python_version < "0"')
        .replace(" ; python_version >= '3.11'", "")
        .replace("sys_platform == 'win32'", 'python_version < "0"')
        .replace(";platform_machine == 'aarch64'", "")
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("macosx_11_0_arm64", ("darwin", "Darwin", "arm64")),
        ("manylinux_2_28_x86_64", ("linux", "Linux", "x86_64")),
        ("musllinux_1_2_aarch64", ("linux", "Linux", "aarch64")),
    ],
)
def test_environments(name: str, expected: tuple[str, str, str]) -> None:
    first, last = marker_environments("3.13", name)
    names = ("sys_platform", "platform_system", "platform_machine")
    assert tuple(first[name] for name in names) == expected
    assert (first["python_full_version"], last["python_full_version"]) == ("3.13.0", "3.13.99")


def write_wheel(folder: Path, name: str, version: str, *requirements: str) -> None:
    lines = [f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {one}" for one in requirements]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join([*lines, "", ""]))


def test_missing_requirements(tmp_path: Path) -> None:
    """Requirements of extras count if a wheel needs the extra."""
    environments = marker_environments("3.11", None)
    write_wheel(tmp_path, "shop", "1", "Re.dis[hi]>=5", "old; python_version < '3.11'")
    write_wheel(
        tmp_path,
        "re_dis",
        "5.0",
        "timeout>=4; python_full_version < '3.11.3'",
        "hiredis>=3; extra == 'hi'",
        "ocsp; extra == 'ocsp'",
    )
    assert missing_requirements(tmp_path, environments) == ["hiredis>=3", "timeout>=4"]
    write_wheel(tmp_path, "hiredis", "3.1")
    write_wheel(tmp_path, "timeout", "5.0rc1")
    assert missing_requirements(tmp_path, environments) == []
    write_wheel(tmp_path, "other", "1", "hiredis<3; python_full_version < '3.11.3'")
    with pytest.raises(PackError, match="other needs hiredis<3.* has hiredis 3.1. Pack with the"):
        missing_requirements(tmp_path, environments)
