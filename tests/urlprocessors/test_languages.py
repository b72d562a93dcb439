"""The language is read from the URL and added to the URLs that are built."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quart import Blueprint, Quart, abort, g, request, url_for
from werkzeug.routing import BuildError

from quartpatterns.compare.transports import TARGET, client
from quartpatterns.urlprocessors import LanguageURLs

LANGUAGES = ("en", "de", "pt-BR")
View = Callable[..., Any]


def site(app: Quart, **options: Any) -> Quart:
    """Register pages with a language, and one without."""
    LanguageURLs(app, languages=LANGUAGES, **options)

    @app.get("/<lang_code>/")
    def index() -> str:  # a plain function, which runs in a thread
        return f"{g.lang_code} {url_for('about')} {url_for('about', lang_code='pt-BR')}"

    @app.get("/<lang_code>/about")
    async def about() -> str:
        return f"{g.lang_code} {url_for('index')} {url_for('plain')} {request.view_args}"

    @app.get("/plain")
    async def plain() -> str:
        return f"{g.lang_code} {url_for('index')}"

    return app


def blueprint_site(app: Quart, **options: Any) -> Quart:
    """Register a blueprint with a language, and a blueprint nested in it."""
    front = Blueprint("front", __name__, url_prefix="/<lang_code>", static_folder="/nowhere")
    news = Blueprint("news", __name__, url_prefix="/news")
    LanguageURLs(front, languages=LANGUAGES, **options)

    @front.get("/")
    async def index() -> str:
        return f"{g.lang_code} {url_for('.index')} {url_for('front.news.story', number=1)}"

    @news.get("/<int:number>")
    def story(number: int) -> str:
        return f"{g.lang_code} {number} {url_for('.story', number=2)} {url_for('front.index')}"

    @app.get("/")
    async def outside() -> str:
        return f"{url_for('front.index', lang_code='de')} {url_for('front.index')}"

    front.register_blueprint(news)
    app.register_blueprint(front)
    return app


async def body_of(app: Quart, path: str, **options: Any) -> str:
    response = await app.test_client().get(path, **options)
    assert response.status_code == 200
    return await response.get_data(as_text=True)


@pytest.mark.checks("URL-1", "URL-2", "URL-3", "URL-4")
async def test_application(app_class: type[Quart]) -> None:
    """Sync and async views have the language in g, and links contain it."""
    app = site(app_class(__name__))
    assert await body_of(app, "/de/") == "de /de/about /pt-BR/about"
    assert await body_of(app, "/de/about") == "de /de/ /plain {}"
    assert await body_of(app, "/plain") == "None /en/"


@pytest.mark.checks("URL-5")
async def test_blueprint(app_class: type[Quart]) -> None:
    """Views of a blueprint and of a nested blueprint have the language."""
    app = blueprint_site(app_class(__name__))
    assert await body_of(app, "/de/") == "de /de/ /de/news/1"
    assert await body_of(app, "/de/news/3") == "de 3 /de/news/2 /de/"


@pytest.mark.checks("URL-5", "URL-7")
async def test_from_outside_of_the_blueprint(app_class: type[Quart]) -> None:
    """Outside of the blueprint, links have the default language or the given one."""
    app = blueprint_site(app_class(__name__), default="pt-BR")
    assert await body_of(app, "/") == "/de/ /pt-BR/"


@pytest.mark.checks("URL-4")
async def test_static_files_of_the_blueprint(app_class: type[Quart]) -> None:
    """The blueprint's static files have a language, those of the application have none."""
    app = blueprint_site(app_class(__name__, static_folder="static"))
    async with app.test_request_context("/de/"):
        await app.preprocess_request()
        assert url_for("front.static", filename="x") == "/de/nowhere/x"
        assert url_for("static", filename="x") == "/static/x"


@pytest.mark.checks("URL-5")
async def test_application_and_blueprint(app_class: type[Quart]) -> None:
    """Application and blueprint may both have languages; Flask's code raises a KeyError."""
    app = app_class(__name__)
    LanguageURLs(app, languages=LANGUAGES)
    blueprint_site(app)
    assert await body_of(app, "/de/news/3") == "de 3 /de/news/2 /de/"


@pytest.mark.checks("URL-5")
async def test_two_applications(app_class: type[Quart]) -> None:
    """A blueprint may be registered on several applications, with several names."""
    front = Blueprint("front", __name__, url_prefix="/<lang_code>")
    LanguageURLs(front, languages=LANGUAGES)

    @front.get("/")
    async def index() -> str:
        return url_for(".index")

    one, other = app_class("one", root_path="/"), app_class("other", root_path="/")
    one.register_blueprint(front)
    one.register_blueprint(front, name="again", url_prefix="/again/<lang_code>")
    other.register_blueprint(front, name="elsewhere", url_prefix="/x/<lang_code>")
    assert await body_of(one, "/de/") == "/de/"
    assert await body_of(one, "/again/de/") == "/again/de/"
    assert await body_of(other, "/x/de/") == "/x/de/"


@pytest.mark.checks("URL-2")
async def test_name(app_class: type[Quart]) -> None:
    app = app_class(__name__)
    LanguageURLs(app, languages=LANGUAGES, name="lang")

    @app.get("/<lang>/")
    async def index() -> str:
        return f"{g.lang} {url_for('index')} {url_for('index', lang='de')}"

    assert await body_of(app, "/en/") == "en /en/ /de/"


@pytest.mark.checks("URL-6")
@pytest.mark.parametrize("make", [site, blueprint_site])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/de/nope", 404, id="unknown path"),
        pytest.param("GET", "/nope/nope/nope", 404, id="deep unknown path"),
        pytest.param("GET", "/de", 308, id="slash"),
        pytest.param("POST", "/de/", 405, id="method"),
        pytest.param("GET", "/xx/", 404, id="unknown language"),
        pytest.param("OPTIONS", "/xx/", 404, id="OPTIONS of an unknown language"),
        pytest.param("HEAD", "/de/", 200, id="HEAD"),
        pytest.param("OPTIONS", "/de/", 200, id="OPTIONS"),
    ],
)
async def test_errors(
    app_class: type[Quart], make: View, method: str, path: str, status: int
) -> None:
    """Errors have the same status as without the helper, and never 500."""
    response = await make(app_class(__name__)).test_client().open(path, method=method)
    assert response.status_code == status


@pytest.mark.checks("URL-6", "URL-7")
async def test_error_pages(app_class: type[Quart]) -> None:
    """An error page can build links in the language of the request or the default language."""
    app = site(app_class(__name__))

    @app.errorhandler(404)
    async def not_found(error: Exception) -> tuple[str, int]:
        return f"{g.get('lang_code')} {url_for('about')}", 404

    @app.get("/<lang_code>/gone")
    async def gone() -> str:
        abort(404)

    client = app.test_client()
    for path, page in (
        ("/de/gone", "de /de/about"),
        ("/de/nope", "de /de/about"),
        ("/xx/", "None /en/about"),
    ):
        response = await client.get(path)
        assert response.status_code == 404
        assert await response.get_data(as_text=True) == page


@pytest.mark.checks("URL-7")
async def test_before_preprocessing(app_class: type[Quart]) -> None:
    """A link that is built before the URL is processed has the default language."""
    app = site(app_class(__name__, static_folder=None))
    async with app.test_request_context("/de/"):
        assert url_for("about") == "/en/about"
        await app.preprocess_request()
        assert url_for("about") == "/de/about"


@pytest.mark.checks("URL-7")
async def test_unknown_endpoint(app_class: type[Quart]) -> None:
    """An unknown endpoint is the usual error of url_for."""
    app = site(app_class(__name__))
    async with app.test_request_context("/de/"):
        await app.preprocess_request()
        with pytest.raises(BuildError):
            url_for("nope")


@pytest.mark.checks("URL-11")
async def test_outside_of_a_request(app_class: type[Quart]) -> None:
    """Without a request it is the given language, the one in g, or the default."""
    app = site(app_class(__name__), default="de")
    app.config["SERVER_NAME"] = "example.com"
    assert app.url_for("about") == "http://example.com/de/about"
    async with app.app_context():
        assert url_for("about", lang_code="en") == "http://example.com/en/about"
        assert url_for("about") == "http://example.com/de/about"
        g.lang_code = "pt-BR"
        assert url_for("about") == "http://example.com/pt-BR/about"


@pytest.mark.checks("URL-11")
async def test_background_task(app_class: type[Quart]) -> None:
    """A task builds links in the language of the request that started it."""
    app = site(app_class(__name__))
    built: asyncio.Queue[str] = asyncio.Queue()

    async def send_mail() -> None:
        assert "lang_code" not in g
        await built.put(url_for("about"))

    @app.get("/<lang_code>/mail")
    async def mail() -> str:
        app.add_background_task(send_mail)
        return ""

    async with app.test_app():
        for language in ("de", "pt-BR", "en"):
            await body_of(app, f"/{language}/mail")
            assert (await built.get()).endswith(f"/{language}/about")


@pytest.mark.checks("URL-11")
async def test_no_language_from_previous_request(app_class: type[Quart]) -> None:
    """A request does not inherit the language of the previous request."""
    app = site(app_class(__name__))
    async with app.test_request_context("/de/"):
        await app.preprocess_request()
    async with app.test_request_context("/plain"):
        await app.preprocess_request()
        assert url_for("about") == "/en/about"


@pytest.mark.checks("URL-11")
async def test_another_application(app_class: type[Quart]) -> None:
    """Each application has its own language."""
    one, other = site(app_class("one", root_path="/")), site(app_class("other", root_path="/"))
    other.config["SERVER_NAME"] = "example.com"
    async with one.test_request_context("/de/"):
        await one.preprocess_request()
    async with other.app_context():
        assert url_for("about") == "http://example.com/en/about"


@pytest.mark.checks("URL-3")
async def test_concurrent_requests(app_class: type[Quart]) -> None:
    """Concurrent requests have their own languages."""
    app = app_class(__name__)
    LanguageURLs(app, languages=LANGUAGES)
    barrier = asyncio.Barrier(30)

    @app.get("/<lang_code>/")
    async def index() -> str:
        await barrier.wait()
        return url_for("index")

    paths = [f"/{language}/" for language in LANGUAGES * 10]
    assert await asyncio.gather(*(body_of(app, path) for path in paths)) == paths


@pytest.mark.checks("URL-8")
@pytest.mark.parametrize(
    "language", ["xx", "DE", "de-DE", "d%65x", "%00", "..", "en%0a", "%C3%A9", "x" * 5000]
)
async def test_unknown_language(app_class: type[Quart], language: str) -> None:
    response = await site(app_class(__name__)).test_client().get(f"/{language}/")
    assert response.status_code == 404


@pytest.mark.checks("URL-8")
async def test_unknown_language_in_a_blueprint(app_class: type[Quart]) -> None:
    """No route matches it, so the application's error handler answers."""
    app = app_class(__name__)
    front = Blueprint("front", __name__, url_prefix="/<lang_code>")
    LanguageURLs(front, languages=LANGUAGES)

    @front.get("/")
    async def index() -> str:
        return ""

    @app.errorhandler(404)
    async def not_found(error: Exception) -> tuple[str, int]:
        return "no such language", 404

    app.register_blueprint(front)
    response = await app.test_client().get("/xx/")
    assert await response.get_data() == b"no such language"


@pytest.mark.checks("URL-8")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"languages": []}, "default must be one of", id="empty"),
        pytest.param({"languages": "en"}, "default must be one of", id="string"),
        pytest.param({"languages": ["en"], "default": "de"}, "not 'de'", id="default"),
        pytest.param(
            {"languages": ["en"], "base_url": "https://example.com/x"},
            "without a path",
            id="path",
        ),
    ],
)
def test_invalid_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LanguageURLs(Quart(__name__), **options)


@pytest.mark.checks("URL-6", "URL-8")
@given(path=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
async def test_any_path(path: str) -> None:
    """Every path is a page, a redirect on this site, or a 404."""
    app = site(Quart("site", root_path="/"))
    async with client(app) as http:
        target = quote(f"/{path}", safe="/").encode()
        request = http.build_request("GET", http.base_url, extensions={TARGET: target})
        response = await http.send(request)
    assert response.status_code in (200, 308, 404)
    if response.status_code == 308:
        assert response.headers["Location"].startswith("http://localhost/")
