"""The Flask originals beside the ports."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from quart import Quart

from quartpatterns import catalog
from quartpatterns.appdispatch import DispatcherMiddleware
from quartpatterns.compare.pages import read_page
from quartpatterns.compare.processes import Process, free_port, in_thread
from quartpatterns.gallery.originals import (
    MOUNT,
    _create_original,
    create_originals,
    first_page,
)
from quartpatterns.sqlalchemy.example.original_extension import db
from quartpatterns.sqlalchemy.migrations import upgrade
from quartpatterns.sqlite3.example import port as sqlite3_port
from tests.serving import TIMEOUT

SCHEMA = Path(sqlite3_port.__file__).with_name("schema.sql")
# What browsers send when they open a page.
BROWSER = {"Accept": "text/html", "Sec-Fetch-Dest": "document"}


@pytest.fixture
def settings(mongodb_url: str, tmp_path: Path) -> dict[str, Any]:
    database = f"sqlite:///{tmp_path / 'gallery.sqlite'}"
    upgrade(database)
    with sqlite3.connect(tmp_path / "sqlite3.db") as connection:
        connection.executescript(SCHEMA.read_text())
    return {
        "SECRET_KEY": "secret",
        "DATABASE": str(tmp_path / "sqlite3.db"),
        "UPLOAD_FOLDER": str(tmp_path / "uploads"),
        "MONGODB_URL": mongodb_url,
        "SQLALCHEMY_DATABASE_URI": database,
        "REDIS_URL": None,
    }


def originals(settings: dict[str, Any]) -> Quart:
    app = Quart("gallery")
    app.asgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        app.asgi_app, {MOUNT: create_originals(settings)}
    )
    return app


async def get(app: Quart, path: str) -> tuple[int, str]:
    response = await app.test_client().get(f"{MOUNT}/{path}", headers=BROWSER)
    return response.status_code, await response.get_data(as_text=True)


async def test_original(settings: dict[str, Any]) -> None:
    """It responds, and its page leads back."""
    app = originals(settings)
    async with app.test_app():
        status, text = await get(app, "flashing/")
    assert (status, '<a href="/gallery/flashing">' in text) == (200, True)


@pytest.mark.slow
async def test_every_original(settings: dict[str, Any]) -> None:
    """Each responds, its links stay in it or lead back, and its cookies are its own."""
    app = originals(settings)
    async with app.test_app():
        for pattern in catalog.PATTERNS:
            page = first_page(pattern.name)
            if pattern.name == "tasks" or page is None:
                continue
            status, text = await get(app, f"{pattern.name}/{page}")
            assert (pattern.name, status) == (pattern.name, 200)
            own, _, link = text.partition("<quartpatterns-gallery>")
            assert f'<a href="/gallery/{pattern.name}">' in link or "<html" not in own
            found = read_page(own, f"http://localhost{MOUNT}/{pattern.name}/")
            for url in found.links:
                parts = urlsplit(url)
                if (parts.hostname or "").endswith("localhost"):
                    assert parts.path.startswith(f"{MOUNT}/{pattern.name}/")
        response = await app.test_client().post(
            f"{MOUNT}/flashing/login", form={"username": "admin", "password": "secret"}
        )
        assert response.headers["Set-Cookie"].startswith("original_flashing=")
        assert response.location.startswith(f"{MOUNT}/flashing/")
        assert (await get(app, "nothing/"))[0] == 404


@pytest.mark.parametrize("root_path", ["", "/demo"])
async def test_single_page(root_path: str, settings: dict[str, Any]) -> None:
    """The index of the original has its mount as its base, also on a client route."""
    app = originals(settings)
    mount = f"{root_path}{MOUNT}/singlepageapplications/"
    async with app.test_app():
        for path in ("", "settings/profile", "app/style.css"):
            response = await app.test_client().get(
                f"{mount}{path}", headers=BROWSER, scope_base={"root_path": root_path}
            )
            is_index = not path.startswith("app/")
            assert response.status_code == 200
            text = await response.get_data(as_text=True)
            assert (f'<base href="{mount}">' in text) == is_index
            assert ("ETag" in response.headers) != is_index


@pytest.mark.parametrize(
    ("pattern", "change", "remedy"),
    [
        ("mongodb", {"MONGODB_URL": None}, "Set MONGODB_URL"),
        ("mongodb", {"MONGODB_URL": f"mongodb://127.0.0.1:{free_port()}"}, "does not respond"),
        ("sqlalchemy", {"SQLALCHEMY_DATABASE_URI": None}, "Set DATABASE_URL"),
        ("tasks", {}, "Set REDIS_URL"),
        ("tasks", {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}, "does not respond"),
    ],
)
async def test_missing_service(
    pattern: str, change: dict[str, Any], remedy: str, settings: dict[str, Any]
) -> None:
    """The response is a 503 that says what to do, and leads back."""
    app = originals(settings | change)
    async with app.test_app():
        status, text = await get(app, f"{pattern}/")
        assert (status, remedy in text) == (503, True), text
        assert f'<a href="/gallery/{pattern}">' in text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://me@db/shop", "postgresql+psycopg://me@db/shop"),
        ("postgresql://me:a%40b@db/shop", "postgresql+psycopg://me:a%40b@db/shop"),
        (
            "postgresql+asyncpg://db/shop?ssl=require",
            "postgresql+psycopg://db/shop?sslmode=require",
        ),
        ("sqlite+aiosqlite:////srv/shop.db", "sqlite:////srv/shop.db"),
    ],
)
def test_database(url: str, expected: str) -> None:
    """Each URL that the port takes is that of the same database with a synchronous driver."""
    app = _create_original(catalog.get("sqlalchemy"), {"SQLALCHEMY_DATABASE_URI": url})
    with app.app_context():
        assert db.engine.url.render_as_string(hide_password=False) == expected


async def test_missing_library(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the extra to install. When it is there, the next request gets the original."""
    name = "quartpatterns.fileuploads.example.original"
    monkeypatch.delitem(sys.modules, name, raising=False)
    app = originals(settings)
    async with app.test_app():
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "flask_uploads", None)
            status, text = await get(app, "fileuploads/")
        assert (status, "quartpatterns[originals]" in text) == (503, True)
        assert (await get(app, "fileuploads/"))[0] == 200


@pytest.mark.slow
async def test_celery(settings: dict[str, Any], redis_url: str, tmp_path: Path) -> None:
    """Without a worker of Celery the response is a 503; with the one that it names, tasks run."""
    settings["REDIS_URL"] = f"{redis_url.rpartition('/')[0]}/8"
    app = originals(settings)
    async with app.test_app():
        status, text = await get(app, "tasks/")
        assert (status, "celery -A quartpatterns.gallery.celery_app worker" in text) == (503, True)
        command = [sys.executable, "-m", "celery", "-A", "quartpatterns.gallery.celery_app"]
        command += ["worker", "--pool", "threads", "--loglevel", "INFO"]
        env = {"REDIS_URL": settings["REDIS_URL"], "PYTHONPATH": ":".join(sys.path)}
        log = tmp_path / "celery.log"
        worker = await asyncio.to_thread(
            Process,
            command,
            log=log,
            env=env,
        )
        async with in_thread(worker):
            await asyncio.to_thread(
                worker.wait_until, lambda: "ready." in worker.output(), timeout=TIMEOUT
            )
            assert (await get(app, "tasks/"))[0] == 200
            client = app.test_client()
            response = await client.post(f"{MOUNT}/tasks/add", form={"a": "23", "b": "42"})
            id = (await response.get_json())["result_id"]
            result: dict[str, Any] = {"ready": False}
            while not result["ready"]:
                response = await client.get(f"{MOUNT}/tasks/result/{id}")
                result = await response.get_json()
    assert result["value"] == 65
