"""The file that answers, in the coding that the client likes best."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

from quartpatterns.singlepageapplications.assets import choose, find


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
    assert choose(parse_accept_header(header, Accept), ["br", "gzip"]) == expected


codings = st.sampled_from(["br", "gzip", "identity", "deflate", "*"])
qualities = st.sampled_from(["", ";q=0", ";q=0.0", ";q=0.3", ";q=0.7", ";q=1", ";q=x", "; q=0.5"])


@pytest.mark.checks("SP-8")
@settings(max_examples=300)
@given(
    st.lists(st.tuples(codings, qualities), max_size=5), st.sets(st.sampled_from(["br", "gzip"]))
)
def test_choice_is_liked(wanted: list[tuple[str, str]], there: set[str]) -> None:
    """What is chosen is there, is not refused, and nothing that is there is liked more."""
    accept = parse_accept_header(", ".join(map("".join, wanted)), Accept)
    chosen = choose(accept, sorted(there))
    assert chosen is None or chosen in there
    if chosen:
        assert accept.quality(chosen) == max(map(accept.quality, there)) > 0
        named = [value for value in accept.values() if value == "identity"]
        assert not named or accept.quality("identity") <= accept.quality(chosen)


@pytest.mark.checks("SP-8")
@settings(max_examples=200)
@given(st.text(max_size=60))
def test_any_header(header: str) -> None:
    """Whatever a client sends for a list of codings, there is an answer."""
    assert choose(parse_accept_header(header, Accept), ["br", "gzip"]) in {None, "br", "gzip"}


@pytest.mark.checks("SP-8")
def test_found_coded(folder: Path) -> None:
    asset = find(str(folder), "a.js", ["deflate", "gzip"])
    assert asset
    assert (asset.name, asset.type, asset.coding) == ("a.js", "text/javascript", "gzip")
    assert (Path(asset.path).read_text(), asset.size) == ("plain.gz", 8)
    plain = find(str(folder), "a.js")
    assert plain
    assert (plain.coding, plain.negotiated, plain.size) == (None, True, 5)
    assert plain.etag != asset.etag


@pytest.mark.checks("SP-8")
def test_stale(folder: Path) -> None:
    """A compressed file that is older than its source is not sent in its place."""
    os.utime(folder / "a.js", (2000, 2000))
    os.utime(folder / "a.js.br", (1000, 1000))
    os.utime(folder / "a.js.gz", (1999, 1999))
    asset = find(str(folder), "a.js", ["br, gzip;q=0.5"])
    assert asset
    assert asset.coding == "gzip"


@pytest.mark.checks("SP-8")
def test_without_source(folder: Path) -> None:
    """A compressed file without its source is not the source."""
    (folder / "b.js.br").write_text("b")
    (folder / "a.js.br").unlink()
    (folder / "a.js.br").mkdir()
    assert find(str(folder), "b.js", ["br"]) is None
    asset = find(str(folder), "a.js", ["br"])
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
def test_nothing_found(folder: Path, path: str) -> None:
    """Neither folders nor anything outside is found, and no path is an error."""
    assert find(str(folder), path) is None


@pytest.mark.checks("SP-7")
def test_special_file(folder: Path) -> None:
    """A pipe, which would never end, is no file."""
    os.mkfifo(folder / "pipe.js")
    assert find(str(folder), "pipe.js") is None


parts = st.sampled_from(
    ["..", ".", "", "a.js", "sub", "secret.txt", "dist", "a.txt", "\\", "\0", "~", "C:", "..."]
)


@pytest.mark.checks("SP-7")
@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.one_of(st.lists(parts, max_size=8).map("/".join), st.text(max_size=40)))
def test_never_outside(folder: Path, path: str) -> None:
    """What is found is a file below the folder."""
    if asset := find(str(folder), path):
        assert folder in Path(asset.path).resolve().parents
