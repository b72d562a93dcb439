"""The cache for small files: changes of files, its size, and what it does not store."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from quartpatterns._shared import file_cache
from quartpatterns._shared.file_cache import FileCache


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files can be stored at once."""
    monkeypatch.setattr(file_cache, "_SETTLED", -1.0)


@pytest.fixture
def file(tmp_path: Path, settled: None) -> Path:
    file = tmp_path / "file"
    file.write_text("one")
    os.utime(file, (1, 1))
    return file


def store(cache: FileCache[str], file: Path, size: int | None = 1) -> None:
    cache.load(file, [str(file)], lambda: (file.read_text(), size))


def rewrite(file: Path) -> None:
    file.write_text("two")
    os.utime(file, (1, 1))  # the same size and the same time


def replaced(file: Path) -> None:
    other = file.with_name("other")
    rewrite(other)
    os.replace(other, file)


def linked(file: Path) -> None:
    other = file.with_name("other")
    rewrite(other)
    file.unlink()
    file.symlink_to(other)


@pytest.mark.parametrize(
    "change", [rewrite, replaced, linked, Path.unlink, lambda file: file.chmod(0o600)]
)
def test_changes(file: Path, change: Callable[[Path], None]) -> None:
    """Each change of the file or its status counts, whatever the time that it shows."""
    cache = FileCache[str]()
    assert cache.get(file) is None
    store(cache, file)
    assert cache.get(file) == cache.get(file) == "one"
    change(file)
    assert cache.get(file) is None
    assert cache.used == 0


def test_a_file_that_appears(file: Path) -> None:
    """Missing files belong to the state, such as a compressed version."""
    cache = FileCache[str]()
    other = file.with_suffix(".gz")
    cache.load("key", [str(file), str(other), "\0"], lambda: ("one", 1))
    assert cache.get("key") == "one"
    other.write_text("")
    assert cache.get("key") is None


def test_a_file_that_changes_while_it_is_read(file: Path) -> None:
    cache = FileCache[str]()

    def read() -> tuple[str, int]:
        text = file.read_text()
        rewrite(file)
        return text, 1

    assert cache.load(file, [str(file)], read) == "one"
    assert cache.get(file) is None


def test_a_file_that_has_just_changed(tmp_path: Path) -> None:
    """It could change again within the resolution of its times, so it is not stored."""
    file = tmp_path / "file"
    file.write_text("one")
    os.utime(file, (1, 1))
    cache = FileCache[str]()
    store(cache, file)
    assert cache.get(file) is None


def test_what_is_not_stored(file: Path) -> None:
    for cache, size in (
        (FileCache[str](0), 1),
        (FileCache[str](), None),
        (FileCache[str](80_000), 10_000),
    ):
        store(cache, file, size)
        assert cache.get(file) is None


def test_the_least_recently_used_is_dropped(tmp_path: Path, settled: None) -> None:
    cache = FileCache[str](100_000)
    files = [tmp_path / str(number) for number in range(12)]
    for file in files:
        file.write_text(file.name)
        store(cache, file, 8_000)
        cache.get(files[0])
        assert cache.used <= cache.size
    assert cache.get(files[0]) == "0"
    assert cache.get(files[1]) is None
    assert cache.get(files[-1]) == "11"
