"""The gallery in process: its pages, and the mounted ports."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from quart import Quart

from quartpatterns import catalog
from quartpatterns.appdispatch import DispatcherMiddleware, StartupError
from quartpatterns.appfactories.example import port as appfactories
from quartpatterns.compare.processes import free_port
from quartpatterns.deferredcallbacks.example import port as deferredcallbacks
from quartpatterns.gallery import create_app
from quartpatterns.gallery.ports import create_ports, failed_port
from quartpatterns.gallery.settings import read_environment
from quartpatterns.sqlalchemy.migrations import upgrade


@pytest.fixture
def app(redis_url: str, mongodb_url: str, tmp_path: Path) -> Quart:
    database = f"sqlite:///{tmp_path / 'gallery.sqlite'}"
    upgrade(database)
    services = {"REDIS_URL": redis_url, "MONGODB_URL": mongodb_url}
    return create_app({**services, "SQLALCHEMY_DATABASE_URI": database})


async def page(app: Quart, path: str) -> tuple[int, str]:
    response = await app.test_client().get(path)
    return response.status_code, await response.get_data(as_text=True)


@pytest.fixture(params=["sqlite:///some.db", "sqlite+aiosqlite:///some.db"])
def with_relative_database(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Quart:
    """The gallery, and a migrated file in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", request.param)
    upgrade(request.param)
    return create_app()


async def test_relative_database(with_relative_database: Quart) -> None:
    """Gallery, port and original find the file that the migrations find."""
    for path in ("/gallery/flashing/runs", "/sqlalchemy/", "/gallery/originals/sqlalchemy/"):
        assert (await page(with_relative_database, path))[0] == 200


@pytest.mark.parametrize("url", ["sqlite://", "sqlite+nothing:///some.db", "postgres://db/shop"])
def test_other_databases(url: str) -> None:
    """Other URLs stay as they are; the application that opens an invalid one says so."""
    assert read_environment({"DATABASE_URL": url})["SQLALCHEMY_DATABASE_URI"] == url


async def test_index(app: Quart) -> None:
    """The index links to the page and to the port of each pattern."""
    status, text = await page(app, "/")
    assert status == 200
    assert all(f'href="/gallery/{pattern.name}"' in text for pattern in catalog.PATTERNS)
    assert all(f'href="/{pattern.name}/"' in text for pattern in catalog.PATTERNS)


@pytest.mark.parametrize(
    "path",
    [
        "/gallery/streeming",
        "/nothing",
        "/gallery/%3Cscript%3E",
        "/gallery/streeming/code",
        "/gallery/streaming/code/../../catalog.py",
        "/gallery/streaming/code/%2e%2e/catalog.py",
        "/gallery/streaming/code/nothing.py",
    ],
)
async def test_not_found(app: Quart, path: str) -> None:
    """The page escapes the requested URL."""
    status, text = await page(app, path)
    assert status == 404
    assert "All patterns" in text
    assert "<script>" not in text


async def test_other_errors(app: Quart) -> None:
    """They have a page, too, and their headers."""
    response = await app.test_client().post("/gallery/streaming")
    text = await response.get_data(as_text=True)
    assert (response.status_code, "<h1>Method Not Allowed</h1>" in text) == (405, True)
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert response.mimetype == "text/html"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_short_address(app: Quart) -> None:
    response = await app.test_client().get("/gallery", follow_redirects=True)
    assert (response.status_code, "Flask's patterns" in await response.get_data(as_text=True)) == (
        200,
        True,
    )


async def test_favicon(app: Quart) -> None:
    response = await app.test_client().get("/favicon.ico", follow_redirects=True)
    assert (response.status_code, response.mimetype) == (200, "image/svg+xml")


@pytest.mark.parametrize("path", ["/gallery/static/gallery.js", "/gallery/static/gallery.css"])
async def test_assets(app: Quart, path: str) -> None:
    status, text = await page(app, path)
    assert (status, bool(text)) == (200, True)


async def test_ports_are_mounted(app: Quart) -> None:
    """Each port responds at its name; without the slash there is a redirect."""
    async with app.test_app():
        for pattern in catalog.PATTERNS:
            status, _ = await page(app, f"/{pattern.name}/")
            assert (pattern.name, status) == (pattern.name, 200)
            response = await app.test_client().get(f"/{pattern.name}")
            assert (response.status_code, response.location) == (
                308,
                f"http://localhost/{pattern.name}/",
            )


async def test_failed_port() -> None:
    """It responds with 503 and names the setting to change; the other ports work."""
    broken, working = Quart("broken"), Quart("working")

    @broken.before_serving
    async def connect() -> None:
        raise OSError("connection refused")

    @working.get("/")
    async def index() -> str:
        return "works"

    app = Quart("gallery")
    app.asgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        app.asgi_app, {"/tasks": broken, "/streaming": working}, on_startup_failure=failed_port
    )
    async with app.test_app():
        assert await page(app, "/streaming/") == (200, "works")
        status, text = await page(app, "/tasks/any/where")
    assert (status, "Set REDIS_URL" in text) == (503, True)
    assert "connection refused" not in text


@pytest.mark.parametrize("pattern", catalog.PATTERNS, ids=lambda pattern: pattern.name)
async def test_every_service_has_a_remedy(pattern: catalog.Pattern) -> None:
    status, text = await page(failed_port(StartupError(f"/{pattern.name}", "why")), "/")
    assert (status, "_URL" in text) == (503, bool(pattern.services))


@pytest.fixture
def without_arq(monkeypatch: pytest.MonkeyPatch) -> Quart:
    """The mounted port of a pattern whose library is not installed."""
    for name in [name for name in sys.modules if name.startswith(("quartpatterns.tasks", "arq"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "arq", None)
    return create_ports({})["/tasks"]


async def test_port_without_its_extra(without_arq: Quart) -> None:
    """It names the extra to install."""
    status, text = await page(without_arq, "/add")
    assert (status, "quartpatterns[gallery]" in text) == (503, True)


@pytest.fixture
def two_apps(redis_url: str, tmp_path: Path) -> tuple[Quart, Quart]:
    """The applications of two server processes."""
    settings = {"REDIS_URL": redis_url, "SECRET_KEY": "the same"}
    settings["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'gallery.sqlite'}"
    return create_app(settings), create_app(settings)


async def test_shared_cache(two_apps: tuple[Quart, Quart]) -> None:
    """What one server process removes from the cache of a port is removed for all."""
    one, two = two_apps
    await two.test_client().post("/caching/item/delete")
    _, before = await page(one, "/caching/item")
    assert (await page(two, "/caching/item"))[1] == before
    await two.test_client().post("/caching/item/delete")
    assert (await page(one, "/caching/item"))[1] != before


@pytest.mark.slow
async def test_shared_orders(two_apps: tuple[Quart, Quart]) -> None:
    """An order that one server process receives is in the list of all."""
    one, two = two_apps
    async with two.test_app():
        async with one.test_app() as running:
            await running.test_client().post("/deferredcallbacks/orders", form={"name": "a book"})
        assert (await page(two, "/deferredcallbacks/orders"))[1] == '["a book"]\n'


@pytest.mark.slow
async def test_shared_guestbooks(two_apps: tuple[Quart, Quart]) -> None:
    """The entries of each guestbook are those of all server processes, and of no other."""
    one, two = two_apps
    paths = [f"/appfactories{path}" for path in ("/", "/dev/", "/prod/")]
    async with one.test_app(), two.test_app():
        for path in paths:
            form = {"text": f"entry of {path}"}
            response = await one.test_client().post(f"{path}entries", form=form)
            assert response.status_code == 303
        for path in paths:
            _, text = await page(two, path)
            assert re.findall("entry of ([^<]+)<", text) == [path]


@pytest.fixture
def without_redis() -> dict[str, Quart]:
    """Ports with a Redis that does not run."""
    settings = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    return {port.__name__: port.create_app(settings) for port in (appfactories, deferredcallbacks)}


async def test_failed_redis(without_redis: dict[str, Quart]) -> None:
    """The answer is 503 while Redis fails."""
    for port, path in ((appfactories, "/dev/"), (deferredcallbacks, "/orders")):
        async with (app := without_redis[port.__name__]).test_app():
            text = "This page is not available. Try again later."
            assert await page(app, path) == (503, text)
