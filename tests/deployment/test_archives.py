"""The archive of a release, built with pip."""

from __future__ import annotations

import asyncio
import re
import tarfile
from pathlib import Path

import pytest

from quartpatterns import __version__
from quartpatterns.deployment import PackError, newest_archive, pack, parse_settings, read_archive
from quartpatterns.deployment.archives import _included_files, write_archive

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "shop"
version = "2.0"
dependencies = ["itsdangerous"]
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, to be built with the hatchling of this environment."""
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "false")  # pip means: no build isolation
    folder = tmp_path / "shop"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop" / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "hypercorn.toml").write_text("graceful_timeout = 3\n")
    return folder


@pytest.mark.checks("FA-1", "FA-5")
async def test_pack(root: Path) -> None:
    """An archive contains wheels, hashes and included files. The build is reproducible."""
    settings = parse_settings({"include": ["hypercorn.toml"]}, root=root, name="shop")
    archive = await pack(settings)
    with tarfile.open(archive.path) as tar:
        names = set(tar.getnames())
        member = tar.extractfile("requirements.txt")
        assert member
        locked = member.read().decode()
    assert {"app/hypercorn.toml", "tools/pip.whl", "manifest.json"} <= names
    assert re.fullmatch(r"2\.0-[0-9a-f]{8}", archive.release)
    assert re.search(r"^itsdangerous==\S+ --hash=sha256:[0-9a-f]{64}$", locked, re.MULTILINE)
    assert re.search(r"^shop==2.0 --hash=sha256:[0-9a-f]{64}$", locked, re.MULTILINE)
    content = archive.path.read_bytes()
    again = await pack(settings)
    assert (again, again.path.read_bytes()) == (archive, content)
    assert await asyncio.to_thread(newest_archive, settings) == archive


@pytest.mark.checks("FA-5")
def test_release_name(root: Path, tmp_path: Path) -> None:
    """The name of a release changes with its content, but not with the version of pip."""
    settings = parse_settings({"include": ["hypercorn.toml"]}, root=root, name="shop")

    def release(pip: bytes) -> str:
        for name, content in (("wheels/shop-2.0-py3-none-any.whl", b"x"), ("tools/pip-1.whl", pip)):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(content)
        own_wheel = "shop-2.0-py3-none-any.whl"
        return write_archive(settings, tmp_path, own_wheel, "3.12", root / "dist").release

    first = release(b"1")
    assert release(b"2") == first
    (root / "hypercorn.toml").write_text("graceful_timeout = 4\n")
    assert release(b"2") != first


@pytest.mark.parametrize("folder", ["alembic", "migrations"])
def test_migrations_are_included(root: Path, folder: str) -> None:
    """The folder of Alembic is included by default. Its ``env.py`` is no secret."""
    (root / folder / "versions").mkdir(parents=True)
    for name in ("env.py", "versions/0001_users.py"):
        (root / folder / name).write_text("")
    settings = parse_settings({}, root=root, name="shop")
    included = [path.relative_to(root).as_posix() for path in _included_files(settings)]
    assert included == [
        "hypercorn.toml",
        f"{folder}/env.py",
        f"{folder}/versions/0001_users.py",
        "pyproject.toml",
    ]


@pytest.mark.checks("FA-5", "FA-11")
async def test_lock(root: Path) -> None:
    """Wheels come from the lock file, and a wheel with another hash is refused."""
    (root / "requirements.lock").write_text(f"itsdangerous==2.2.0 --hash=sha256:{'0' * 64}\n")
    settings = parse_settings({}, root=root, name="shop")
    with pytest.raises(PackError, match="(?s)Correct this and pack again.*DO NOT MATCH"):
        await pack(settings)


@pytest.mark.slow
@pytest.mark.checks("FA-5")
async def test_this_package(root: Path) -> None:
    """quartpatterns is packed from where it is installed, if it is not from an index."""
    changed = PYPROJECT.replace("itsdangerous", "QuartPatterns[disk]")
    (root / "pyproject.toml").write_text(changed)
    archive = await pack(parse_settings({}, root=root, name="shop"))
    with tarfile.open(archive.path) as tar:
        names = " ".join(tar.getnames())
    for name in (f"quartpatterns-{__version__}-", "diskcache_community-", "quart-", "shop-2.0-"):
        assert f" wheels/{name}" in names


@pytest.mark.checks("FA-11")
async def test_broken_project(root: Path) -> None:
    (root / "pyproject.toml").write_text(PYPROJECT.replace("hatchling.build", "nosuch.build"))
    with pytest.raises(PackError, match="(?s)pip wheel failed.*nosuch"):
        await pack(parse_settings({}, root=root, name="shop"))


@pytest.mark.checks("FA-10")
@pytest.mark.parametrize("name", [".env", "production.env", ".env.local", "env.python", "key.pem"])
async def test_secrets_are_refused(root: Path, name: str) -> None:
    """A file that looks like a secret is not included."""
    (root / "config").mkdir()
    (root / "config" / name).write_text("SECRET_KEY=x")
    settings = parse_settings({"include": ["config"]}, root=root, name="shop")
    with pytest.raises(PackError, match="looks like a secret, and a release must not contain"):
        await pack(settings)


@pytest.mark.checks("FA-11")
async def test_invalid_include(root: Path) -> None:
    for name in ("nothing", "../elsewhere", "/etc/passwd"):
        settings = parse_settings({"include": [name]}, root=root, name="shop")
        with pytest.raises(PackError, match="include contains .*, which is not in"):
            await pack(settings)


@pytest.mark.checks("FA-11")
async def test_two_versions_of_python(root: Path) -> None:
    """An archive is for one version of Python."""
    hosts = {"a": {"python": "3.11"}, "b": {"python": "3.12"}}
    with pytest.raises(PackError, match="Python 3.11 and 3.12, and an archive is for one"):
        await pack(parse_settings({"hosts": hosts}, root=root, name="shop"))


def test_no_archive(tmp_path: Path) -> None:
    settings = parse_settings({}, root=tmp_path, name="shop")
    with pytest.raises(PackError, match="contains no archive. Run quartpatterns deploy pack"):
        newest_archive(settings)
    (tmp_path / "x.tar").write_bytes(b"no archive")
    with pytest.raises(
        PackError, match="is not the archive of a release .*. Run quartpatterns deploy pack"
    ):
        read_archive(tmp_path / "x.tar")
