"""Message catalogs: texts, forms, dates and numbers in the language of the URL."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import quart
from blockbuster import BlockBuster
from quart import Quart, jsonify, request, session, url_for, websocket
from quart.sessions import session_json_serializer
from quart.typing import ResponseReturnValue

from quartpatterns.caching import Cache
from quartpatterns.urlprocessors import LanguageURLs
from quartpatterns.urlprocessors.messages import (
    CatalogError,
    MessageCatalogs,
    current_formats,
    current_language,
    force_language,
    gettext,
    lazy_gettext,
    lazy_pgettext,
    ngettext,
    npgettext,
    pgettext,
)
from tests.urlprocessors import translated

pytestmark = pytest.mark.checks("URL-12")

FOLDER = Path(translated.__file__).parent
KEYWORDS = ["-k", "lazy_gettext", "-k", "lazy_ngettext:1,2", "-k", "lazy_pgettext:1c,2"]


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    """The shop."""
    return translated.create_app(app_class)


async def text(app: Quart, path: str, **headers: str) -> str:
    """Return the body of a page."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await app.test_client().get(path, headers=names)
    return await response.get_data(as_text=True)


async def token(client: Any) -> str:
    """Return the CSRF token of the form."""
    page = await (await client.get("/en/order")).get_data(as_text=True)
    return str(page.partition('value="')[2].partition('"')[0])


async def test_views(app: Quart) -> None:
    """Texts, plural forms, contexts, dates and numbers in Python."""
    client = app.test_client()
    german = await (await client.get("/de/plain")).get_json()
    assert german == {
        "language": "de",
        "welcome": "Willkommen, de",
        "percent": "100% Butter",
        "cakes": ["1 Kuchen", "2 Kuchen"],
        "may": ["Mai", "D\u00fcrfen"],
        "price": "1.234,50\xa0\u20ac",
        "time": "14:00",  # in Berlin
        "missing": "No translation",
        "fuzzy": "Perhaps",
    }
    english = await (await client.get("/en/plain")).get_json()
    assert english == german | {
        "language": "en",
        "welcome": "Welcome, en",
        "percent": "100% butter",
        "cakes": ["1 cake", "2 cakes"],
        "may": ["May", "May"],
        "price": "\u20ac1,234.50",
        "time": "2:00\u202fPM",
    }


async def test_templates(app: Quart) -> None:
    """Texts and variables are escaped; filters format dates and numbers."""
    german = await text(app, "/de/")
    assert '<html lang="de">' in german
    assert "<h1>Willkommen, &lt;script&gt;</h1>" in german
    assert "<p>2 Kuchen (viele)</p>" in german
    assert "<p>05.03.2026, 05.03.26, 00:30, 1.234,5</p>" in german
    assert "<p>1.234,50\xa0\u20ac, 12\xa0%, Mai</p>" in german
    english = await text(app, "/en/")
    assert "<h1>Welcome, &lt;script&gt;</h1>" in english
    assert "<p>2 cakes</p>" in english
    assert "<p>Mar 5, 2026, 3/5/26, 12:30\u202fAM, 1,234.5</p>" in english


async def test_forms(app: Quart) -> None:
    """Labels, descriptions, buttons, and messages of validators of every kind."""
    client = app.test_client()
    form = {"csrf_token": await token(client), "count": "x"}
    page = await (await client.post("/de/order", form=form)).get_data(as_text=True)
    for expected in (
        '<label for="count">Anzahl der Kuchen</label>',
        "Vollst\u00e4ndig Dieses Feld wird ben\u00f6tigt.",
        "Wie viele Kuchen?",
        'value="Bestellen"',
    ):
        assert expected in page
    for language, message in ("de", "Wie viele Kuchen?"), ("en", "How many cakes?"):
        response = await client.post(f"/{language}/errors", form={**form, "name": "A", "count": ""})
        assert await response.get_json() == {"count": [message]}
    response = await client.post("/de/errors", form={**form, "name": "A", "count": "13"})
    assert await response.get_json() == {"count": ["Nur 12 Kuchen sind \u00fcbrig."]}


async def test_flashed(app: Quart) -> None:
    """A lazy text is translated when it is stored in the session."""
    client = app.test_client()
    form = {"csrf_token": await token(client), "name": "Ada", "count": "3"}
    assert (await client.post("/de/order", form=form)).status_code == 302
    assert "<b>Danke, Ada</b>" in await (await client.get("/en/")).get_data(as_text=True)


async def test_session(app: Quart) -> None:
    """The session and Quart's own flash() store lazy texts as strings, also in lists."""

    @app.get("/<lang_code>/store")
    async def store() -> str:
        session["texts"] = [lazy_gettext("Order"), {"a": lazy_gettext("Order")}, ("b", b"c")]
        await quart.flash(lazy_gettext("Order"))
        return ""

    @app.get("/stored")
    async def stored() -> str:
        return repr([session["texts"], quart.get_flashed_messages()])

    client = app.test_client()
    assert (await client.get("/de/store")).status_code == 200
    expected = [["Bestellen", {"a": "Bestellen"}, ("b", b"c")], ["Bestellen"]]
    assert await (await client.get("/stored")).get_data(as_text=True) == repr(expected)
    # That of all applications is not changed.
    assert {type(tag).__module__ for tag in session_json_serializer.order} == {"flask.json.tag"}


async def test_error_pages(app: Quart) -> None:
    """A URL without a route has the language of those that begin like it."""
    assert await text(app, "/de/unknown", Accept_Language="en") == "Diese Seite gibt es nicht."
    assert await text(app, "/unknown/page", Accept_Language="de") == "Diese Seite gibt es nicht."
    assert await text(app, "/xx/", Accept_Language="en") == "There is no such page."


async def test_negotiated(app: Quart) -> None:
    """Without a language in the URL, the visitor's decides, and ``Vary`` says so."""
    client = app.test_client()
    for accept, expected in {
        "de-AT, en;q=0.5": "Willkommen im Laden",
        "fr, *;q=0.1": "Welcome to our shop",
        "x" * 10_000: "Welcome to our shop",
        "de;q=0": "Welcome to our shop",
        "\xff": "Welcome to our shop",
    }.items():
        response = await client.get("/", headers={"Accept-Language": accept})
        assert await response.get_data(as_text=True) == expected
        assert response.headers["Vary"] == "Accept-Language"
    assert await text(app, "/") == "Welcome to our shop"
    assert "Accept-Language" not in (await client.get("/de/")).vary


async def test_selector(app_class: type[Quart], no_blocking: BlockBuster) -> None:
    """What the application says comes between the URL and the visitor."""
    # The small file of a time zone is read once.
    for function in no_blocking.functions.values():
        function.can_block_in("urlprocessors/messages.py", {"_timezone"})

    def select() -> str | None:
        return request.args.get("locale")

    def zone() -> str | None:
        return request.args.get("zone")

    app = translated.create_app(app_class, locale_selector=select, timezone_selector=zone)
    for locale in ("de", "de_AT", "DE-at"):
        assert await text(app, f"/?locale={locale}") == "Willkommen im Laden"
    for locale in ("fr", "../de", "", "d", "dee"):
        found = await text(app, f"/?locale={locale}", Accept_Language="de")
        assert found == "Willkommen im Laden"
        assert await text(app, f"/?locale={locale}") == "Welcome to our shop"
    response = await app.test_client().get("/de/plain?locale=en&zone=America/New_York")
    assert (await response.get_json())["time"] == "08:00"
    for unknown in ("Mars/Olympus", "../../etc/passwd", "%00", "a" * 5000, ""):
        response = await app.test_client().get(f"/de/plain?zone={unknown}")
        assert (await response.get_json())["time"] == "14:00"


async def test_concurrent_requests(app: Quart) -> None:
    """There is no global state: each request and each task has its own language."""

    @app.get("/<lang_code>/slow")
    async def slow() -> str:
        first = gettext("Order")
        with force_language("de" if first == "Order" else "en"):
            await asyncio.sleep(0.01)
            other = gettext("Order")
        return f"{first} {other} {gettext('Order')}"

    pages = await asyncio.gather(*(text(app, f"/{one}/slow") for one in ["de", "en"] * 5))
    assert pages == ["Bestellen Order Bestellen", "Order Bestellen Order"] * 5


async def test_outside_of_a_request(app: Quart) -> None:
    """Tasks have the language of their request; elsewhere it is the default or the given one."""
    found: list[str] = []

    @app.get("/<lang_code>/task")
    async def task() -> str:
        async def work() -> None:
            found.append(gettext("Order"))

        app.add_background_task(work)
        return ""

    lazy = lazy_gettext("Order")
    assert gettext("Order") == str(lazy) == "Order"
    assert ngettext("one", "%(num)d", 2) == npgettext("x", "one", "%(num)d", 2) == "2"
    assert lazy_pgettext("verb", "May") == pgettext("verb", "May") == "May"
    async with app.test_app():
        await text(app, "/de/task")
    assert found == ["Bestellen"]
    async with app.app_context():
        assert str(lazy) == "Order"
        with force_language("de"):
            assert (str(lazy), current_language()) == ("Bestellen", "de")
            assert current_formats().decimal(1.5) == "1,5"
        with pytest.raises(ValueError, match="must be one of"), force_language("fr"):
            pass


async def test_websocket(app: Quart) -> None:
    """A websocket has the language of its URL, or of the visitor."""

    @app.websocket("/<lang_code>/ws")
    @app.websocket("/ws", endpoint="plain_ws")
    async def ws() -> None:
        await websocket.send(gettext("Order"))

    client = app.test_client()
    for path, accept, expected in (
        ("/de/ws", "en", "Bestellen"),
        ("/en/ws", "de", "Order"),
        ("/ws", "de", "Bestellen"),
        ("/ws", "fr", "Order"),
    ):
        async with client.websocket(path, headers={"Accept-Language": accept}) as connection:
            assert await connection.receive() == expected


async def test_cached_pages(app: Quart) -> None:
    """A cached page in one language is never sent to a visitor of another one."""
    app.config["CACHE_TYPE"] = "SimpleCache"
    cache = Cache(app)

    @app.get("/negotiated")
    @cache.cached()
    async def negotiated() -> ResponseReturnValue:
        return jsonify(lazy_gettext("Order"))

    @app.get("/<lang_code>/prefix")
    @cache.cached(key_prefix="same")
    async def prefix() -> str:
        return gettext("Order")

    for _ in range(2):
        for language, expected in ("de", "Bestellen"), ("en", "Order"):
            assert expected in await text(app, "/negotiated", Accept_Language=language)
            assert await text(app, f"/{language}/prefix") == expected


def test_files(tmp_path: Path) -> None:
    """The newer one of ``.po`` and ``.mo`` counts; invalid files are errors that name the place."""
    shutil.copytree(FOLDER / "translations", tmp_path / "translations")
    po = tmp_path / "translations/de/LC_MESSAGES/messages.po"

    def load(*languages: str, **options: Any) -> str:
        app = Quart(__name__, root_path=str(tmp_path))
        MessageCatalogs(app, languages=languages, **options)

        async def order() -> str:
            async with app.app_context():
                return gettext("Order")

        return asyncio.run(order())

    assert load("de", "en") == "Bestellen"
    pybabel("compile", "-d", "translations", cwd=tmp_path)
    assert po.with_suffix(".mo").exists()
    assert load("de") == "Bestellen"
    original = po.read_text()
    po.write_text(original.replace("Bestellen", "Kaufen"))
    po.with_suffix(".mo").touch()
    assert load("de") == "Bestellen"
    po.with_suffix(".mo").unlink()
    assert load("de") == load("de-AT") == "Kaufen"
    # A regional catalog has only the differences, and folders complete each other.
    other = tmp_path / "other/de_AT/LC_MESSAGES/messages.po"
    other.parent.mkdir(parents=True)
    other.write_text('msgid "Order"\nmsgstr "Ordern"\n')
    assert load("de-AT", folders=["other", "translations"]) == "Ordern"
    assert load("de-AT", folders=["translations", "other"]) == "Ordern"
    assert load("de", folders=["other", "translations"]) == "Kaufen"

    with pytest.raises(CatalogError, match=r"'fr' has no message catalog: .*pybabel init.*-l fr"):
        load("de", "fr")
    assert load("fr", source="fr") == "Order"
    po.write_text(original.replace("Danke, %(name)s", "Danke, %(nme)s"))
    with pytest.raises(CatalogError, match=r"messages\.po, line \d+: .*(placeholder|nme|name)"):
        load("de")
    for broken in (b'msgid "a"\nmsgstr "\xff"\n', b'nonsense "x"\n'):
        po.write_bytes(broken)
        with pytest.raises(CatalogError, match=r"messages\.po is no message catalog"):
            load("de")
    po.unlink()
    po.with_suffix(".mo").write_bytes(b"no catalog")
    with pytest.raises(CatalogError, match=r"messages\.mo is no compiled message catalog"):
        load("de")


def test_options() -> None:
    """Wrong options are errors that say what is right."""

    async def select() -> str:
        return "de"

    with pytest.raises(ValueError, match="default must be one of"):
        MessageCatalogs(languages="de")
    with pytest.raises(ValueError, match="'xx' is no language"):
        MessageCatalogs(languages=["en", "xx"])
    with pytest.raises(TypeError, match="select can't be asynchronous"):
        MessageCatalogs(languages=["en"], locale_selector=select)  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="Mars"):
        MessageCatalogs(Quart(__name__), languages=["en"], timezone="Mars/Olympus")
    app = translated.create_app()
    with pytest.raises(RuntimeError, match="register it once"):
        MessageCatalogs(app, languages=["en"])
    shared = MessageCatalogs(languages=["en"])
    for _ in range(2):
        shared.init_app(Quart(__name__))


async def test_languages_of_urls(app_class: type[Quart]) -> None:
    """The catalogs take the languages of a LanguageURLs, and register it with each application."""
    languages = LanguageURLs(languages=["en", "de"], default="de")
    catalogs = MessageCatalogs(languages=languages, folders=str(FOLDER / "translations"))
    assert (catalogs.languages, catalogs.default) == (("en", "de"), "de")
    for _ in range(2):
        app = app_class(__name__)
        catalogs.init_app(app)

        @app.get("/<lang_code>/")
        async def index() -> str:
            return f"{gettext('Order')} {url_for('index')}"

        client = app.test_client()
        for path, text in (("/de/", "Bestellen /de/"), ("/en/", "Order /en/")):
            response = await client.get(path)
            assert await response.get_data(as_text=True) == text


async def test_without_catalogs(app_class: type[Quart]) -> None:
    app = app_class(__name__)
    async with app.app_context():
        with pytest.raises(RuntimeError, match=r"write MessageCatalogs\(app"):
            gettext("Order")


def pybabel(*arguments: str, cwd: Path) -> str:
    """Run the command ``pybabel``."""
    code = "import sys; from babel.messages.frontend import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    return done.stderr


def test_commands_and_wheel(tmp_path: Path) -> None:
    """The commands of the README extract, update and compile; a wheel delivers the catalogs."""
    package = tmp_path / "shop"
    shutil.copytree(FOLDER, package, ignore=shutil.ignore_patterns("__pycache__"))
    pot = tmp_path / "messages.pot"
    pybabel("extract", "-F", "babel.cfg", *KEYWORDS, "-o", str(pot), ".", cwd=package)
    extracted = pot.read_text()
    for one in ("How many cakes?", "%(num)d cakes are left.", "%(count)s cakes", 'msgctxt "month"'):
        assert one in extracted
    pybabel("update", "-i", str(pot), "-d", "translations", cwd=package)
    pybabel("init", "-i", str(pot), "-d", "translations", "-l", "fr", cwd=package)
    pybabel("compile", "-d", "translations", cwd=package)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "."]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    folder = tmp_path / "installed/shop/translations"
    assert {path.parts[-3] for path in folder.rglob("messages.mo")} == {"de", "en", "fr"}
    app = Quart(__name__, root_path=str(folder.parent))
    LanguageURLs(app, languages=["en", "de"])
    MessageCatalogs(app, languages=["en", "de", "fr"])

    async def order() -> str:
        async with app.app_context():
            with force_language("de"):
                return gettext("Order")

    assert asyncio.run(order()) == "Bestellen"


PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "shop"
version = "1"

[tool.hatch.build]
artifacts = ["*.mo"]
packages = ["shop"]
"""


def test_extra() -> None:
    """A missing Babel is an error that names the extra; ``LanguageURLs`` does not need it."""
    code = """
import sys
sys.modules["babel"] = None
import quartpatterns.urlprocessors
try:
    import quartpatterns.urlprocessors.messages
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "quartpatterns.urlprocessors.messages needs babel: pip install 'quartpatterns[i18n]'"
    )
