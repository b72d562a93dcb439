"""A page names itself and its other languages."""

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
    async def listed(number: int) -> str:
        return languages.links(keep=("page",))

    @app.get("/plain")
    async def plain() -> str:
        return languages.links()

    @app.errorhandler(404)
    async def not_found(error: Exception) -> tuple[str, int]:
        return await render_template_string("<{{ language_links() }}>"), 404

    return app


async def text(app: Quart, path: str, **options: Any) -> str:
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
        pytest.param("/de/list?page=2&x=1", "list?page=2", id="kept"),
        pytest.param("/de/list?page=%22%3E", "list?page=%22%3E", id="kept and hostile"),
        pytest.param("/de/list?page=1&page=2", "list?page=1&amp;page=2", id="kept twice"),
    ],
)
async def test_links(app_class: type[Quart], path: str, rest: str) -> None:
    assert await text(site(app_class(__name__)), path) == LINKS.format("http://localhost", rest)


async def test_mounted(app_class: type[Quart]) -> None:
    """The links lead to where the application is mounted."""
    app = site(app_class(__name__))
    page = await text(app, "/sub/de/a", root_path="/sub")
    assert page == LINKS.format("http://localhost/sub", "a")


async def test_no_language(app_class: type[Quart]) -> None:
    """A page without a language has no other; an error page has no address at all."""
    app = site(app_class(__name__))
    assert await text(app, "/plain") == '<link rel="canonical" href="http://localhost/plain">'
    assert await text(app, "/nope") == "<>"
    assert await text(app, "/xx/a") == "<>"


async def test_base_url(app_class: type[Quart]) -> None:
    """With a base of their own, the links do not go where the client's Host says."""
    app = site(app_class(__name__), base_url="https://example.com/")
    for host in ("evil.example", "evil.example:1", '"><script>'):
        page = await text(app, "/de/a", headers={"Host": host})
        assert page == LINKS.format("https://example.com", "a")
    page = await text(app, "/sub/de/a", root_path="/sub")
    assert page == LINKS.format("https://example.com/sub", "a")


@pytest.mark.parametrize(
    "host",
    ["", '"><script>', "evil.example:99999", "a b", "\N{LATIN SMALL LETTER E WITH ACUTE}"],
)
async def test_hostile_host(app_class: type[Quart], host: str) -> None:
    """A Host that is no host is no error, and does not get out of its attribute."""
    client = site(app_class(__name__)).test_client()
    response = await client.get("/de/a", headers={"Host": host})
    assert response.status_code in (200, 400)
    assert b"<script>" not in await response.get_data()


async def test_blueprint(app_class: type[Quart]) -> None:
    """Templates of a blueprint have the links of its languages, those of others have none."""
    app = app_class(__name__)
    front = Blueprint("front", __name__, url_prefix="/<lang_code>")
    LanguageURLs(front, languages=["en", "de"])

    @front.get("/a")
    @app.get("/plain")
    async def page() -> str:
        return await render_template_string("{{ language_links() if language_links }}")

    app.register_blueprint(front)
    assert await text(app, "/de/a") == LINKS.format("http://localhost", "a")
    assert await text(app, "/plain") == ""


async def test_outside_of_a_request(app_class: type[Quart]) -> None:
    """A template that a task renders has no page to link."""
    app = site(app_class(__name__))
    async with app.app_context():
        assert await render_template_string("<{{ language_links() }}>") == "<>"


async def test_alternates(app_class: type[Quart]) -> None:
    """The other languages are data, too."""
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
