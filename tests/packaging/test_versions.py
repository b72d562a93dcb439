"""Versions of releases and of development builds."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from quartpatterns.packaging import VersionError, dev_version
from tests.packaging.building import run

pytestmark = pytest.mark.checks("DI-5")
Git = Callable[..., None]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Run Git in a folder, with a fixed date."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    when = "2025-01-02T23:04:05-0300"  # January 3 in UTC
    who = {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in NAMES}
    who |= {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}

    def git(*arguments: str) -> None:
        run("git", *arguments, cwd=tmp_path, env=who)

    return git


NAMES = ("NAME", "EMAIL")


@pytest.fixture
def repository(tmp_path: Path, git: Git) -> Path:
    git("init", "--quiet")
    (tmp_path / "code.py").touch()
    git("add", ".")
    git("commit", "--quiet", "--message", "First")
    return tmp_path


@pytest.fixture
def other_time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A time zone that is ten hours behind UTC."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "XXX+10")
        time.tzset()
        yield
    time.tzset()


def today() -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%d}"


def test_without_git(tmp_path: Path) -> None:
    """The date is today, or that of SOURCE_DATE_EPOCH."""
    assert dev_version("1.0", tmp_path, environ={}) == f"1.0.dev{today()}"
    environ = {"SOURCE_DATE_EPOCH": "0"}
    assert dev_version("1.0", tmp_path, environ=environ) == "1.0.dev19700101"


@pytest.mark.usefixtures("other_time_zone")
def test_commit(repository: Path) -> None:
    """The date is that of the commit in UTC."""
    for environ in ({}, {"SOURCE_DATE_EPOCH": "0"}):
        assert dev_version("1.0", repository, environ=environ) == "1.0.dev20250103"


@pytest.mark.parametrize("tag", ["1.0", "v1.0"])
@pytest.mark.parametrize("how", [["tag"], ["tag", "--annotate", "--message", "x"]])
def test_tag(repository: Path, git: Git, tag: str, how: list[str]) -> None:
    """A commit with the tag of the version is a release."""
    git(*how, "v0.9")
    assert dev_version("1.0", repository, environ={}) == "1.0.dev20250103"
    git(*how, tag)
    assert dev_version("1.0", repository, environ={}) == "1.0"


@pytest.mark.parametrize("name", ["code.py", "new.py"])
def test_changed(repository: Path, git: Git, name: str) -> None:
    """With changes since the tag, the build is not a release and has the date of today."""
    git("tag", "v1.0")
    (repository / name).write_text("x = 1")
    assert dev_version("1.0", repository, environ={}) == f"1.0.dev{today()}"


def test_part_of_a_repository(repository: Path) -> None:
    """Changes outside of the folder of the project are ignored."""
    project = repository / "shop"
    project.mkdir()
    (repository / "code.py").write_text("x = 1")
    assert dev_version("1.0", project, environ={}) == "1.0.dev20250103"


def test_ignored(repository: Path, git: Git) -> None:
    """Files in .gitignore, such as earlier builds, are not changes."""
    (repository / ".gitignore").write_text("dist/\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "Second")
    git("tag", "1.0")
    (repository / "dist").mkdir()
    (repository / "dist" / "x.whl").touch()
    assert dev_version("1.0", repository, environ={}) == "1.0"


def test_empty_repository(tmp_path: Path, git: Git) -> None:
    git("init", "--quiet")
    assert dev_version("1.0", tmp_path, environ={}) == f"1.0.dev{today()}"


def test_release_build(tmp_path: Path) -> None:
    """RELEASE_BUILD=1 makes a release."""
    assert dev_version("1.0", tmp_path, environ={"RELEASE_BUILD": "1"}) == "1.0"
    assert ".dev" in dev_version("1.0", tmp_path, environ={"RELEASE_BUILD": "0"})


@pytest.mark.parametrize("version", ["1", "1.0", "2026.1", "1!2.0", "1.0rc1", "1.0a1.post2"])
def test_order(version: str, tmp_path: Path) -> None:
    """Installers sort a development version before its release."""
    development = Version(dev_version(version, tmp_path, environ={}))
    assert development.is_devrelease
    assert development < Version(version)
    assert str(Version(version)) == version


@pytest.mark.parametrize("version", ["", "x", "1.0.dev1", "1.0+local", "1.0 ", "v1.0", "1.0\n"])
def test_invalid_version(version: str) -> None:
    with pytest.raises(VersionError, match="is not the version of a release, such as 1.0"):
        dev_version(version)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("RELEASE_BUILD", "yes", "Set it to 1"),
        ("SOURCE_DATE_EPOCH", "today", "Set it to seconds"),
        ("SOURCE_DATE_EPOCH", "9" * 30, "Set it to seconds"),
    ],
)
def test_invalid_variables(name: str, value: str, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(VersionError, match=f"{name} is '{value}'. {remedy}"):
        dev_version("1.0", tmp_path, environ={name: value})


def test_git_fails(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If Git fails, there is no version, because the build could be a release."""
    (repository / ".git" / "HEAD").write_text("broken")
    with pytest.raises(VersionError, match="Git fails.*RELEASE_BUILD=1"):
        dev_version("1.0", repository, environ={})
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(VersionError, match="Git fails.*RELEASE_BUILD=1"):
        dev_version("1.0", repository, environ={})
