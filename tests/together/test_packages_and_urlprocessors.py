"""A site in two languages, made of packages by a factory that runs more than once."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from quart import Blueprint, Quart, Response, abort, g, render_template_string, request, url_for
from quart_schema import QuartSchema

from quartpatterns.appfactories import configure
from quartpatterns.packages import register_blueprints
from quartpatterns.urlprocessors import LanguageURLs
from tests.written import Write

ALBUMS = """
from quart import Blueprint, g, url_for

albums = Blueprint("albums", __name__, url_prefix="/albums")


@albums.get("/<int:id>")
async def show(id: int) -> str:
    return f"{g.lang_code} {id} {url_for('.show', id=id + 1)}"


@albums.post("/<int:id>/photos/<name>/<float:size>")
async def add(id: int, name: str, size: float) -> str:
    return f"{g.lang_code} {name}"


@albums.get("/broken")
async def broken() -> str:
    raise ZeroDivisionError
"""
FRONT = """
from quart import Blueprint
from quartpatterns.packages import register_blueprints
from quartpatterns.urlprocessors import LanguageURLs

front = Blueprint("front", __name__, url_prefix="/<lang_code>")
languages = LanguageURLs(front, languages=["en", "de"])


@front.get("/")
async def index() -> str:
    return "index"
"""
LAYOUT = "<html lang={{ g.lang_code or 'none' }}>{{ language_links() }}{{ status }}"


@pytest.fixture(params=["inside", "outside"])
def apps(request: Any, app_class: type[Quart], write: Write) -> list[Quart]:
    """Return three applications of a factory.

    The common blueprint is in the package of the others, or outside.
    """
    name = f"board_{request.param}_{app_class.__name__}"
    place = f"{name}.views.front" if request.param == "inside" else f"{name}.front"
    for module in [one for one in sys.modules if one.partition(".")[0] == name]:
        del sys.modules[module]
    write(
        {
            f"{name}/__init__.py": "",
            f"{name}/views/__init__.py": "",
            f"{name}/views/albums.py": ALBUMS,
            f"{place.replace('.', '/')}.py": FRONT,
        }
    )

    def create_app() -> Quart:
        app = app_class(name)
        configure(app, {"SITE": "Board"})
        front = importlib.import_module(place)
        register_blueprints(front.front, f"{name}.views")
        app.register_blueprint(front.front)
        QuartSchema(app)

        @app.get("/health")
        async def health() -> str:
            return f"{g.lang_code}"

        @app.get("/favicon.ico")
        async def favicon() -> str:
            return "icon"

        for status in (404, 405, 500):
            app.register_error_handler(status, error_page)
        return app

    return [create_app() for _ in range(3)]


@pytest.fixture
def app(apps: list[Quart]) -> Quart:
    """Return the last application of the factory."""
    return apps[-1]


async def error_page(error: Any) -> tuple[str, int]:
    return await render_template_string(LAYOUT, status=error.code), error.code


async def test_factory(apps: list[Quart]) -> None:
    """Each application that the factory makes has all pages."""
    for app in apps:
        response = await app.test_client().get("/de/albums/1")
        assert await response.get_data(as_text=True) == "de 1 /de/albums/2"


@pytest.mark.parametrize(
    ("method", "path", "status", "language"),
    [
        pytest.param("GET", "/robots.txt", 404, "none", id="a file at the top"),
        pytest.param("HEAD", "/robots.txt", 404, "", id="HEAD"),
        pytest.param("POST", "/albums/1/photos/x/1.0", 404, "none", id="POST without a language"),
        pytest.param("GET", "/fr", 404, "none", id="an unknown language without a slash"),
        pytest.param("GET", "/fr/", 404, "none", id="an unknown language"),
        pytest.param("GET", "/fr/albums/1", 404, "none", id="a page in an unknown language"),
        pytest.param("POST", "/fr/albums/1", 404, "none", id="a method of an unknown language"),
        pytest.param("GET", "/de/nothing", 404, "de", id="an unknown page"),
        pytest.param("GET", "/de/albums/x/y/z", 404, "de", id="an unknown page deep inside"),
        pytest.param("POST", "/de/albums/1", 405, "de", id="a wrong method"),
        pytest.param("GET", "/de/albums/broken", 500, "de", id="an error"),
        pytest.param("GET", "/dex/nothing", 404, "none", id="only the start of a language"),
    ],
)
async def test_error_pages(app: Quart, method: str, path: str, status: int, language: str) -> None:
    """Error pages are in the language of the URL, and their layout works outside of blueprints."""
    client: Any = app.test_client()
    response = await client.open(path, method=method)
    text = await response.get_data(as_text=True)
    assert response.status_code == status
    if method != "HEAD":
        assert text.startswith(f"<html lang={language}>")
        assert text.endswith(str(status))
        assert 'hreflang="fr"' not in text
    assert "Location" not in response.headers


async def test_other_urls(app: Quart) -> None:
    """URLs without a language are as without the helper; a slash is added, the query kept."""
    client: Any = app.test_client()
    for path, text in (("/health", "None"), ("/favicon.ico", "icon"), ("/de/", "index")):
        response = await client.get(path)
        assert await response.get_data(as_text=True) == text
    for method in ("GET", "HEAD", "POST"):
        response = await client.open("/de?a=1&a=2", method=method)
        # As without the helper: the view does not have this method.
        assert response.status_code == (404 if method == "POST" else 308)
        if method != "POST":
            assert response.headers["Location"].endswith("/de/?a=1&a=2")


async def test_document(app: Quart) -> None:
    """The OpenAPI document has the paths and the languages."""
    response = await app.test_client().get("/openapi.json")
    document = await response.get_json()
    assert set(document["paths"]) >= {
        "/{lang_code}/albums/{id}",
        "/{lang_code}/albums/{id}/photos/{name}/{size}",
    }
    get = document["paths"]["/{lang_code}/albums/{id}"]["get"]
    parameters = {one["name"]: one["schema"] for one in get["parameters"]}
    assert sorted(parameters["lang_code"]["enum"]) == ["de", "en"]
    assert parameters["id"] == {"type": "integer"}


async def test_init_app(app_class: type[Quart]) -> None:
    """One object serves several applications; a second call does nothing."""
    languages = LanguageURLs(languages=["en", "de"])
    for _ in range(2):
        app = app_class(__name__)
        languages.init_app(app)
        languages.init_app(app)
        assert len(app.url_value_preprocessors[None]) == 1

        @app.get("/<lang_code>/about")
        async def about() -> str:
            return f"{g.lang_code} {url_for('about')} {url_for('about', _external=True, q=1)}"

        @app.get("/<user>/<page>")
        async def page(user: str, page: str) -> str:
            return f"{user} {page} {g.lang_code} {request.query_string.decode()}"

        client = app.test_client()
        response = await client.get("/de/about")
        text = await response.get_data(as_text=True)
        assert text == "de /de/about http://localhost/de/about?q=1"
        response = await client.get("/alice/about?x=1")
        assert await response.get_data(as_text=True) == "alice about None x=1"


async def test_too_late(app_class: type[Quart]) -> None:
    """A new object for a blueprint that is registered is an error that says what to do."""
    front = Blueprint("front", __name__, url_prefix="/<lang_code>")
    languages = LanguageURLs(front, languages=["en"])
    app_class("one").register_blueprint(front)
    languages.init_app(front)
    with pytest.raises(RuntimeError, match="create LanguageURLs once, beside the blueprint"):
        LanguageURLs(front, languages=["en"])


async def test_two_objects(app_class: type[Quart]) -> None:
    """Two parts of a site have different languages, and link to each other."""
    app = app_class(__name__)
    for name, tags in (("shop", ["en", "de"]), ("blog", ["fr", "de", "en-GB"])):
        part = Blueprint(name, __name__, url_prefix=f"/{name}/<lang_code>")
        LanguageURLs(part, languages=tags)

        @part.get("/")
        async def index() -> str:
            return f"{g.lang_code} {url_for('shop.index')} {url_for('blog.index')}"

        app.register_blueprint(part)

    @app.errorhandler(404)
    async def not_found(_: Exception) -> tuple[str, int]:
        return f"{g.lang_code}", 404

    client = app.test_client()
    for path, text in (
        ("/shop/en/", "en /shop/en/ /blog/fr/"),
        ("/shop/de/", "de /shop/de/ /blog/de/"),
        ("/blog/en-GB/", "en-GB /shop/en/ /blog/en-GB/"),
        ("/shop/fr/", "None"),
        ("/shop/fr", "None"),
        ("/blog/fr/x", "fr"),
        ("/shop/de/x", "de"),
        ("/blog/en/x", "None"),
    ):
        response = await client.get(path)
        assert await response.get_data(as_text=True) == text, path


async def test_routes_before(app_class: type[Quart]) -> None:
    """Routes that exist before the object answer an unknown language with 404, not with 308."""
    app = app_class(__name__)

    @app.get("/<lang_code>/")
    async def index() -> str:
        return f"{g.lang_code}"

    @app.get("/about/")
    async def about() -> str:
        return ""

    LanguageURLs(app, languages=["en", "de"])
    client = app.test_client()
    for path, status in (("/robots.txt", 404), ("/de", 308), ("/about", 308), ("/de/", 200)):
        assert (await client.get(path)).status_code == status, path


async def test_mounted_and_nested(app_class: type[Quart]) -> None:
    """A language behind another variable, in a nested blueprint, is read for error pages too."""
    app = app_class(__name__)
    tenant = Blueprint("tenant", __name__, url_prefix="/t/<int:tenant>")
    front = Blueprint("front", __name__, url_prefix="/<lang_code>")
    LanguageURLs(front, languages=["en", "de"])

    @front.get("/")
    async def index(tenant: int) -> str:
        return f"{g.lang_code} {url_for('.index', tenant=2)}"

    @front.get("/gone")
    async def gone(tenant: int) -> Response:
        abort(410)

    @app.errorhandler(410)
    @app.errorhandler(404)
    async def failed(error: Any) -> tuple[str, int]:
        return f"{error.code} {g.lang_code}", error.code

    tenant.register_blueprint(front)
    app.register_blueprint(tenant)
    client = app.test_client()
    for path, text in (
        ("/t/1/de/", "de /t/2/de/"),
        ("/t/1/de/x", "404 de"),
        ("/t/1/de/gone", "410 de"),
        ("/t/1/fr/", "404 None"),
    ):
        response = await client.get(path)
        assert await response.get_data(as_text=True) == text, path
