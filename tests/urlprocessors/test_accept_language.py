"""The language for an Accept-Language header."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quart import Quart, Response
from werkzeug.datastructures import Headers, LanguageAccept
from werkzeug.http import parse_accept_header

from quartpatterns.urlprocessors import LanguageURLs, lookup

pytestmark = pytest.mark.checks("URL-9")

LANGUAGES = ("en", "de", "pt-BR", "zh-Hant", "fr")


def lookup_header(header: str, languages: tuple[str, ...] = LANGUAGES, default: str = "fr") -> str:
    return lookup(parse_accept_header(header, LanguageAccept), languages, default)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        pytest.param("de", "de", id="exact"),
        pytest.param("DE", "de", id="any case"),
        pytest.param("de_AT", "de", id="underscore"),
        pytest.param("de-AT, en;q=0.9", "de", id="shorter tag before the next range"),
        pytest.param("en;q=0.1, de;q=0.2", "de", id="quality"),
        pytest.param("zh-Hant-CN-x-private1", "zh-Hant", id="RFC 4647, 3.4"),
        pytest.param("zh-x", "fr", id="no match for the shorter tag"),
        pytest.param("pt, en;q=0.9", "pt-BR", id="longer tag"),
        pytest.param("pt-PT, en;q=0.9", "en", id="another region"),
        pytest.param("ja, *", "fr", id="wildcard"),
        pytest.param("*, ja, en;q=0.5", "en", id="wildcard comes last"),
        pytest.param("ja", "fr", id="no match"),
        pytest.param("", "fr", id="empty"),
        pytest.param("fr;q=0", "en", id="default excluded"),
        pytest.param("de-AT;q=0", "fr", id="excluded range is not shortened"),
        pytest.param("fr;q=0, *", "en", id="wildcard with excluded default"),
        pytest.param("de-AT, de;q=0, en;q=0.1", "en", id="not shortened to an excluded tag"),
        pytest.param("zh;q=0, *;q=0.1, zh-Hant;q=0.5", "zh-Hant", id="longer range wins"),
        pytest.param("pt;q=0, pt-AO, en;q=0.1", "en", id="excluded tag excludes its regions"),
        pytest.param("en;q=0, de;q=0, pt;q=0, zh;q=0, fr;q=0", "fr", id="everything excluded"),
        pytest.param("d" * 10_000 + ", de;q=0.1", "de", id="very long"),
        pytest.param("-".join("a" * 100_000), "fr", id="very many subtags"),
    ],
)
@pytest.mark.timeout(20)
def test_lookup(header: str, language: str) -> None:
    assert lookup_header(header) == language


@given(st.text())
def test_any_header(header: str) -> None:
    """For every header, the result is one of the languages."""
    assert lookup_header(header) in LANGUAGES


tags = st.from_regex(r"\A[a-z]{2}(-[A-Z]{2})?\Z")


@given(st.lists(tags, min_size=1, unique_by=str.lower), st.data())
def test_exact_match(languages: list[str], data: st.DataObject) -> None:
    """The client's first choice wins if it is available."""
    one = data.draw(st.sampled_from(languages))
    others = data.draw(st.lists(tags, max_size=5))
    header = ", ".join([one, *(f"{tag};q=0.5" for tag in others)])
    assert lookup_header(header, tuple(languages), languages[0]) == one


def site(app: Quart) -> Quart:
    languages = LanguageURLs(app, languages=["en", "de"])

    @app.get("/")
    def start() -> tuple[str, dict[str, Any]]:
        return languages.negotiate() + languages.negotiate(), {"Vary": "Cookie"}

    @app.get("/response")
    async def response() -> Response:
        return Response(languages.negotiate())

    return app


async def test_negotiate(app_class: type[Quart]) -> None:
    """The response has Vary: Accept-Language in addition to existing values."""
    client = site(app_class(__name__)).test_client()
    response = await client.get("/", headers={"Accept-Language": "de-AT, en;q=0.5"})
    assert await response.get_data() == b"dede"
    assert response.headers["Vary"] == "Cookie, Accept-Language"
    response = await client.get("/response")
    assert await response.get_data() == b"en"
    assert response.headers["Vary"] == "Accept-Language"


async def test_repeated_header(app_class: type[Quart]) -> None:
    """A repeated header is one list or the first of the two, and never an error."""
    client = site(app_class(__name__)).test_client()
    headers = Headers([("Accept-Language", "ja"), ("Accept-Language", "de")])
    response = await client.get("/", headers=headers)
    assert await response.get_data() in (b"dede", b"enen")
