"""Finding files and choosing their coding."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from quartpatterns.singlepageapplications.files import choose_coding, find_asset, read_small
from tests.examples import examples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build = tmp_path / "dist"
    (build / "sub").mkdir(parents=True)
    (build / "sub/a.txt").write_text("inside")
    for ending in ("", ".br", ".gz"):
        (build / f"a.js{ending}").write_text(f"plain{ending}")
    (tmp_path / "secret.txt").write_text("outside")
    return build


@pytest.mark.checks("SP-8")
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("br", "br"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip;q=0.5, br;q=0.5", "br"),
        ("br;q=0", None),
        ("br;q=0, gzip;q=0", None),
        ("br;q=0, gzip", "gzip"),
        ("*", "br"),
        ("*, br;q=0", "gzip"),
        ("*;q=0", None),
        ("*;q=0, gzip;q=0.1", "gzip"),
        ("identity", None),
        ("identity, gzip", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0", None),
        ("identity;q=0.5, gzip;q=0.6", "gzip"),
        ("deflate", None),
        ("br;q=nonsense, gzip", "gzip"),
        (",;=,", None),
    ],
)
def test_choice(header: str, expected: str | None) -> None:
    """RFC 9110, 12.5.3."""
    assert choose_coding(parse_accept_header(header, Accept), ["br", "gzip"]) == expected


codings = st.sampled_from(["br", "gzip", "identity", "deflate", "*"])
qualities = st.sampled_from(["", ";q=0", ";q=0.0", ";q=0.3", ";q=0.7", ";q=1", ";q=x", "; q=0.5"])


@pytest.mark.checks("SP-8")
@settings(max_examples=examples(300))
@given(
    st.lists(st.tuples(codings, qualities), max_size=5), st.sets(st.sampled_from(["br", "gzip"]))
)
def test_choice_has_best_quality(accepted: list[tuple[str, str]], available: set[str]) -> None:
    """The chosen coding is available, is acceptable, and has the highest quality."""
    accept = parse_accept_header(", ".join(map("".join, accepted)), Accept)
    chosen = choose_coding(accept, sorted(available))
    assert chosen is None or chosen in available
    if chosen:
        assert accept.quality(chosen) == max(map(accept.quality, available)) > 0
        named = [value for value in accept.values() if value == "identity"]
        assert not named or accept.quality("identity") <= accept.quality(chosen)


@pytest.mark.checks("SP-8")
@settings(max_examples=examples(200))
@given(st.text(max_size=60))
def test_any_header(header: str) -> None:
    """Every header is handled."""
    assert choose_coding(parse_accept_header(header, Accept), ["br", "gzip"]) in {
        None,
        "br",
        "gzip",
    }


@pytest.mark.checks("SP-8")
def test_compressed(folder: Path) -> None:
    asset = find_asset(str(folder), "a.js", ["deflate", "gzip"])
    assert asset
    assert (asset.name, asset.coding) == ("a.js", "gzip")
    assert (Path(asset.path).read_text(), asset.size) == ("plain.gz", 8)
    plain = find_asset(str(folder), "a.js")
    assert plain
    assert (plain.coding, plain.varies, plain.size) == (None, True, 5)
    assert plain.etag != asset.etag


@pytest.mark.checks("SP-8")
def test_old_compressed_file(folder: Path) -> None:
    """A compressed file that is older than its source is not used."""
    os.utime(folder / "a.js", (2000, 2000))
    os.utime(folder / "a.js.br", (1000, 1000))
    os.utime(folder / "a.js.gz", (1999, 1999))
    asset = find_asset(str(folder), "a.js", ["br, gzip;q=0.5"])
    assert asset
    assert asset.coding == "gzip"


@pytest.mark.checks("SP-8")
def test_without_source(folder: Path) -> None:
    """A compressed file without its source is not used."""
    (folder / "b.js.br").write_text("b")
    (folder / "a.js.br").unlink()
    (folder / "a.js.br").mkdir()
    assert find_asset(str(folder), "b.js", ["br"]) is None
    asset = find_asset(str(folder), "a.js", ["br"])
    assert asset
    assert asset.coding is None


@pytest.mark.checks("SP-7")
@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        ".",
        "..",
        "sub",
        "sub/",
        "a.js/",
        "a.js/x",
        "../secret.txt",
        "sub/../../secret.txt",
        "/etc/passwd",
        "//etc/passwd",
        "a\0.js",
        "\0",
        "x" * 300,
        "x/" * 3000,
        "..\\secret.txt",
        "\ud800",
    ],
)
def test_not_found(folder: Path, path: str) -> None:
    """Folders and files outside are not found, and no path raises an error."""
    assert find_asset(str(folder), path) is None


@pytest.mark.checks("SP-7")
def test_special_file(folder: Path) -> None:
    """A pipe is not a regular file."""
    os.mkfifo(folder / "pipe.js")
    assert find_asset(str(folder), "pipe.js") is None


parts = st.sampled_from(
    ["..", ".", "", "a.js", "sub", "secret.txt", "dist", "a.txt", "\\", "\0", "~", "C:", "..."]
)


@pytest.mark.checks("SP-7")
@settings(max_examples=examples(500), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.one_of(st.lists(parts, max_size=8).map("/".join), st.text(max_size=40)))
def test_never_outside(folder: Path, path: str) -> None:
    """Only files below the folder are found."""
    if asset := find_asset(str(folder), path):
        assert folder in Path(asset.path).resolve().parents


@pytest.mark.checks("SP-6")
@pytest.mark.parametrize(
    ("size", "is_read"), [(0, True), (64 * 1024, True), (64 * 1024 + 1, False)]
)
def test_small_file_is_read(folder: Path, size: int, is_read: bool) -> None:
    """Files up to 64 KB are read when they are found, larger ones are not."""
    (folder / "file.bin").write_bytes(b"x" * size)
    asset = find_asset(str(folder), "file.bin")
    assert asset
    assert asset.size == size
    assert asset.content == (b"x" * size if is_read else None)


@pytest.mark.checks("SP-6")
def test_file_that_changed(folder: Path) -> None:
    """Content is not used if it has another size than the file had when it was found."""
    path = folder / "sub" / "a.txt"
    size = path.stat().st_size
    assert read_small(str(path), size) == b"inside"
    for other in (size - 1, size + 1):
        assert read_small(str(path), other) is None
