"""The client's preferences are followed."""

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

OURS = ("en", "de", "pt-BR", "zh-Hant", "fr")


def found(header: str, languages: tuple[str, ...] = OURS, default: str = "fr") -> str:
    return lookup(parse_accept_header(header, LanguageAccept), languages, default)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        pytest.param("de", "de", id="exact"),
        pytest.param("DE", "de", id="any case"),
        pytest.param("de_AT", "de", id="underscore"),
        pytest.param("de-AT, en;q=0.9", "de", id="shortened before the next"),
        pytest.param("en;q=0.1, de;q=0.2", "de", id="quality"),
        pytest.param("zh-Hant-CN-x-private1", "zh-Hant", id="RFC 4647, 3.4"),
        pytest.param("zh-x", "fr", id="of no use shortened"),
        pytest.param("pt, en;q=0.9", "pt-BR", id="lengthened"),
        pytest.param("pt-PT, en;q=0.9", "en", id="another region"),
        pytest.param("ja, *", "fr", id="anything"),
        pytest.param("*, ja, en;q=0.5", "en", id="anything comes last"),
        pytest.param("ja", "fr", id="nothing of ours"),
        pytest.param("", "fr", id="empty"),
        pytest.param("fr;q=0", "en", id="not the default"),
        pytest.param("de-AT;q=0", "fr", id="what is refused is not shortened"),
        pytest.param("fr;q=0, *", "en", id="anything but the default"),
        pytest.param("de-AT, de;q=0, en;q=0.1", "en", id="not shortened to what is refused"),
        pytest.param("zh;q=0, *;q=0.1, zh-Hant;q=0.5", "zh-Hant", id="but this one"),
        pytest.param("pt;q=0, pt-AO, en;q=0.1", "en", id="what is refused refuses its regions"),
        pytest.param("en;q=0, de;q=0, pt;q=0, zh;q=0, fr;q=0", "fr", id="nothing at all"),
        pytest.param("d" * 10_000 + ", de;q=0.1", "de", id="endless"),
        pytest.param("-".join("a" * 100_000), "fr", id="endless subtags"),
    ],
)
@pytest.mark.timeout(20)
def test_lookup(header: str, language: str) -> None:
    assert found(header) == language


@given(st.text())
def test_any_header(header: str) -> None:
    """Whatever the header is, the language is one of ours."""
    assert found(header) in OURS


tags = st.from_regex(r"\A[a-z]{2}(-[A-Z]{2})?\Z")


@given(st.lists(tags, min_size=1, unique_by=str.lower), st.data())
def test_ours_in_full(languages: list[str], data: st.DataObject) -> None:
    """A client that wants one of ours before all else gets it."""
    one = data.draw(st.sampled_from(languages))
    others = data.draw(st.lists(tags, max_size=5))
    header = ", ".join([one, *(f"{tag};q=0.5" for tag in others)])
    assert found(header, tuple(languages), languages[0]) == one


def site(app: Quart) -> Quart:
    languages = LanguageURLs(app, languages=["en", "de"])

    @app.get("/")
    def start() -> tuple[str, dict[str, Any]]:
        return languages.negotiate() + languages.negotiate(), {"Vary": "Cookie"}

    @app.get("/made")
    async def made() -> Response:
        return Response(languages.negotiate())

    return app


async def test_negotiate(app_class: type[Quart]) -> None:
    """The answer says that it depends on the header, beside what it depends on already."""
    client = site(app_class(__name__)).test_client()
    response = await client.get("/", headers={"Accept-Language": "de-AT, en;q=0.5"})
    assert await response.get_data() == b"dede"
    assert response.headers["Vary"] == "Cookie, Accept-Language"
    response = await client.get("/made")
    assert await response.get_data() == b"en"
    assert response.headers["Vary"] == "Accept-Language"


async def test_repeated_header(app_class: type[Quart]) -> None:
    """A header that is sent twice is one list, or the first of the two; never an error."""
    client = site(app_class(__name__)).test_client()
    headers = Headers([("Accept-Language", "ja"), ("Accept-Language", "de")])
    response = await client.get("/", headers=headers)
    assert await response.get_data() in (b"dede", b"enen")
