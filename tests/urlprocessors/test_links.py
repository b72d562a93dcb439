"""Canonical and alternate links."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Blueprint, Quart, render_template_string

from quartpatterns.urlprocessors import Alternate, LanguageURLs

pytestmark = pytest.mark.checks("URL-10")

LINKS = (
    '<link rel="canonical" href="{0}/de/{1}">\n'
    '<link rel="alternate" hreflang="en" href="{0}/en/{1}">\n'
    '<link rel="alternate" hreflang="de" href="{0}/de/{1}">\n'
    '<link rel="alternate" hreflang="x-default" href="{0}/en/{1}">'
)


def site(app: Quart, **options: Any) -> Quart:
    languages = LanguageURLs(app, languages=["en", "de"], **options)

    @app.get("/<lang_code>/<path:topic>")
    async def page(topic: str) -> str:
        return await render_template_string("{{ language_links() }}")

    @app.get("/<lang_code>/list", defaults={"number": 1})
    @app.get("/<lang_code>/list/<int:number>")
    async def page_list(number: int) -> str:
        return languages.links(query=("page",))

    @app.get("/plain")
    async def plain() -> str:
        return languages.links()

    @app.errorhandler(404)
    async def not_found(error: Exception) -> tuple[str, int]:
        return await render_template_string("<{{ language_links() }}>"), 404

    return app


async def body_of(app: Quart, path: str, **options: Any) -> str:
    response = await app.test_client().get(path, **options)
    return await response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        pytest.param("/de/a/b", "a/b", id="arguments"),
        pytest.param("/de/a?q=1&lang_code=en", "a", id="query"),
        pytest.param("/de/%C3%A9%20%22%3C", "%C3%A9%20%22%3C", id="not ASCII"),
        pytest.param("/de/list", "list", id="default"),
        pytest.param("/de/list/2", "list/2", id="number"),
        pytest.param("/de/list?page=2&x=1", "list?page=2", id="query parameter"),
        pytest.param("/de/list?page=%22%3E", "list?page=%22%3E", id="hostile query parameter"),
        pytest.param("/de/list?page=1&page=2", "list?page=1&amp;page=2", id="repeated parameter"),
    ],
)
async def test_links(app_class: type[Quart], path: str, rest: str) -> None:
    assert await body_of(site(app_class(__name__)), path) == LINKS.format("http://localhost", rest)


async def test_mounted(app_class: type[Quart]) -> None:
    """The links contain the mount prefix."""
    app = site(app_class(__name__))
    page = await body_of(app, "/sub/de/a", root_path="/sub")
    assert page == LINKS.format("http://localhost/sub", "a")


async def test_no_language(app_class: type[Quart]) -> None:
    """A page without a language has only a canonical link; an error page has none."""
    app = site(app_class(__name__))
    assert await body_of(app, "/plain") == '<link rel="canonical" href="http://localhost/plain">'
    assert await body_of(app, "/nope") == "<>"
    assert await body_of(app, "/xx/a") == "<>"


async def test_base_url(app_class: type[Quart]) -> None:
    """With base_url the links do not depend on the Host header."""
    app = site(app_class(__name__), base_url="https://example.com/")
    for host in ("evil.example", "evil.example:1", '"><script>'):
        page = await body_of(app, "/de/a", headers={"Host": host})
        assert page == LINKS.format("https://example.com", "a")
    page = await body_of(app, "/sub/de/a", root_path="/sub")
    assert page == LINKS.format("https://example.com/sub", "a")


@pytest.mark.parametrize(
    "host",
    ["", '"><script>', "evil.example:99999", "a b", "\N{LATIN SMALL LETTER E WITH ACUTE}"],
)
async def test_hostile_host(app_class: type[Quart], host: str) -> None:
    """An invalid Host header is not a server error and is escaped."""
    client = site(app_class(__name__)).test_client()
    response = await client.get("/de/a", headers={"Host": host})
    assert response.status_code in (200, 400)
    assert b"<script>" not in await response.get_data()


async def test_blueprint(app_class: type[Quart]) -> None:
    """Only templates of the blueprint have the links."""
    app = app_class(__name__)
    front = Blueprint("front", __name__, url_prefix="/<lang_code>")
    LanguageURLs(front, languages=["en", "de"])

    @front.get("/a")
    @app.get("/plain")
    async def page() -> str:
        return await render_template_string("{{ language_links() if language_links }}")

    app.register_blueprint(front)
    assert await body_of(app, "/de/a") == LINKS.format("http://localhost", "a")
    assert await body_of(app, "/plain") == ""


async def test_outside_of_a_request(app_class: type[Quart]) -> None:
    """A template that is rendered outside of a request has no links."""
    app = site(app_class(__name__))
    async with app.app_context():
        assert await render_template_string("<{{ language_links() }}>") == "<>"


async def test_alternates(app_class: type[Quart]) -> None:
    """The alternates are available as data."""
    app = app_class(__name__)
    languages = LanguageURLs(app, languages=["en", "de"], default="de")

    @app.get("/<lang_code>/")
    async def index() -> str:
        return ""

    async with app.test_request_context("/en/"):
        await app.preprocess_request()
        assert languages.current == "en"
        assert languages.alternates() == (
            Alternate("en", "http://localhost/en/"),
            Alternate("de", "http://localhost/de/"),
            Alternate("x-default", "http://localhost/de/"),
        )
