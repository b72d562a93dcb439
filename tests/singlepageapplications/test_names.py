"""Hashes, routes and media types."""

from __future__ import annotations

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartpatterns.singlepageapplications import has_hash, is_client_route
from quartpatterns.singlepageapplications.files import media_type

words = st.text(string.ascii_lowercase, min_size=1, max_size=12)
endings = st.sampled_from([".js", ".css", ".js.map", ".chunk.js", ".woff2", ".mjs"])


@pytest.mark.checks("SP-5")
@pytest.mark.parametrize(
    "name",
    [
        "assets/index-DiwrgT4a.js",
        "assets/index-B1_xY-9z.css",
        "main.073c9b0a.chunk.js",
        "static/js/main.073c9b0a.js.map",
        "app-5IZB3KXJ.css",
        "chunk-ABCDEFGH1234.mjs",
        "polyfills.0123456789abcdef0123.js",
        "logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg",
    ],
)
def test_hashed(name: str) -> None:
    """Names as Vite, webpack, esbuild and Angular write them."""
    assert has_hash(name)


@pytest.mark.checks("SP-5")
@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "main.js",
        "jquery-3.7.1.min.js",
        "bootstrap.bundle.min.js",
        "app-bootstrap.js",
        "app-bootstrap5.js",
        "polyfill-es2015.js",
        "report-20240101.pdf",
        "report-2024-01-01.pdf",
        "swagger-ui-standalone-preset.js",
        "jquery-validation-methods.js",
        "icon-192x192.png",
        "apple-touch-icon-180x180.png",
        "Roboto-Regular.woff2",
        "README-CHANGELOG.md",
        "deadbeef.js",
        "assets-073c9b0a/main.js",
        "073c9b0a",
        "",
    ],
)
def test_not_hashed(name: str) -> None:
    """Names without a hash."""
    assert not has_hash(name)


@pytest.mark.checks("SP-5")
@given(words, words, endings)
def test_words_are_not_hashes(one: str, two: str, ending: str) -> None:
    assert not has_hash(f"{one}-{two}{ending}")
    assert not has_hash(f"{one}.{two}{ending}")


@pytest.mark.checks("SP-5")
@given(words, st.binary(), endings, st.integers(16, 64))
def test_digests_are_hashes(name: str, content: bytes, ending: str, length: int) -> None:
    """A digest is a hash, unless it has only digits or only letters."""
    digest = hashlib.sha256(content).hexdigest()[:length]
    assert has_hash(f"{name}.{digest}{ending}") == (not digest.isdigit() and not digest.isalpha())


@pytest.mark.checks("SP-3", "SP-4")
@pytest.mark.parametrize(
    ("path", "is_route"),
    [
        ("", True),
        ("any/where", True),
        ("user/joe@example.ai", True),
        ("docs/v1.2", True),
        ("js", True),
        ("a.js/b", True),
        ("about.html", True),
        ("nope.js", False),
        ("a/b.PNG", False),
        ("main.js.map", False),
        ("site.webmanifest", False),
        (".js", False),
    ],
)
def test_routes(path: str, is_route: bool) -> None:
    assert is_client_route(path) == is_route


@pytest.mark.checks("SP-1")
def test_types() -> None:
    """Important media types do not depend on the machine."""
    assert media_type("a.js") == media_type("a.MJS") == "text/javascript"
    assert media_type("a.wasm") == "application/wasm"
    assert media_type("a.woff2") == "font/woff2"
    assert media_type("a.html") == "text/html"
    assert media_type("a") == media_type("a.nope") == "application/octet-stream"
