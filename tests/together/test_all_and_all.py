"""One application with every helper, alone and mounted, with extensions set up in both orders."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from tests.together.board import Board

BOUNDARY = "board"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def multipart(**fields: str) -> bytes:
    """Return a form with a file ``photo``, if it is given, and other fields."""
    parts = []
    for name, value in fields.items():
        file = '; filename="sea.txt"' if name == "photo" else ""
        parts.append(f'Content-Disposition: form-data; name="{name}"{file}\r\n\r\n{value}')
    start = f"--{BOUNDARY}\r\n"
    body = "".join(f"{start}{part}\r\n" for part in parts) + f"--{BOUNDARY}--\r\n"
    return body.encode()


def digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


class Browser:
    """A client below a prefix."""

    def __init__(self, app: Quart, prefix: str) -> None:
        self.client, self.prefix = app.test_client(), prefix

    async def open(self, path: str, method: str = "GET", **options: Any) -> tuple[Any, str]:
        response = await self.client.open(f"{self.prefix}{path}", method=method, **options)
        return response, str(await response.get_data(as_text=True))

    async def text(self, path: str, **options: Any) -> str:
        response, body = await self.open(path, **options)
        assert response.status_code == 200, body
        return body


@pytest.fixture(params=["", "/board"], ids=["alone", "mounted"])
def prefix(request: pytest.FixtureRequest) -> str:
    """Where the application is mounted, if it is."""
    return str(request.param)


@pytest.fixture
def created(prefix: str, app_class: type[Quart], mongodb_url: str, tmp_path: Path) -> Board:
    """The application, which is created before an event loop runs.

    The one that is mounted has set up its extensions in the opposite order.
    """
    config: dict[str, Any] = {
        "SECRET_KEY": "a secret key of 32 characters....",
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'orm.db'}",
        "DATABASE": str(tmp_path / "rows.db"),
        "MONGODB_URL": mongodb_url,
        "UPLOADED_PHOTOS_DEST": str(tmp_path / "photos"),
        "TASKS_EAGER": True,
        "TESTING": True,
        "PROPAGATE_EXCEPTIONS": False,
        "SERVER_NAME": "localhost",
    }
    return Board(app_class, tmp_path, config, backwards=bool(prefix))


@pytest.fixture
async def board(created: Board) -> AsyncIterator[Board]:
    """The application, which runs and has its tables."""
    async with created.app.test_app():
        await created.create()
        yield created


@pytest.fixture
def browser(prefix: str, board: Board) -> Browser:
    """A visitor of the application, alone or below a prefix."""
    return Browser(board.mounted() if prefix else board.app, prefix)


async def log_in(browser: Browser) -> str:
    """Log in, and return the CSRF token."""
    token = await browser.text("/de/login")
    form = {"csrf_token": token, "next": f"{browser.prefix}/de/secret"}
    response, _ = await browser.open("/de/login", "POST", form=form)
    assert response.status_code == 302
    assert response.location == f"{browser.prefix}/de/secret"
    return token


async def test_pages(browser: Browser) -> None:
    """Cached pages in two languages, with parts for each visitor."""
    prefix = browser.prefix
    response, body = await browser.open("/de/secret")
    assert response.status_code == 302
    assert response.headers["X-Board"] == "1"
    assert response.location == f"{prefix}/de/login?next={prefix.replace('/', '%2F')}%2Fde%2Fsecret"
    body = await browser.text("/de/")
    assert body.startswith("<html lang=de>")
    assert "<p>Please log in to access this page.</p>[nobody]" in body
    assert f'<a href="{prefix}/de/secret">1</a><li>ada</li>' in body
    assert f'hreflang="en" href="http://localhost{prefix}/en/"' in body
    await log_in(browser)
    body = await browser.text("/de/")
    assert f'<p>Welcome.</p>[ada]<a href="{prefix}/de/secret">1</a>' in body
    assert f'[ada]<a href="{prefix}/en/secret">2</a>' in await browser.text("/en/")
    assert await browser.text("/de/secret") == "secret of ada"
    assert await browser.text("/en/names") == "<li>ada</li>"
    assert await browser.text("/settings") == f"settings of ada at {prefix}/settings"


async def test_files(browser: Browser) -> None:
    """What is served beside the pages."""
    assert await browser.text("/favicon.ico") == "icon"
    assert await browser.text("/some/client/route") == f'<base href="{browser.prefix}/">client'
    assert (await browser.text("/jquery/jquery.min.js")).startswith("/*! jQuery")
    assert await browser.text("/news/") == "news"
    assert "swagger" in await browser.text("/docs")
    assert "/api/notes" in await browser.text("/openapi.json")


async def test_errors(browser: Browser) -> None:
    """Errors have the language of the URL, and those of the API are problem documents."""
    response, body = await browser.open("/de/nope.js")
    assert response.status_code == 404
    assert body == f'<html lang=de>404 <a href="{browser.prefix}/de/">'
    response, body = await browser.open("/api/nope")
    assert (response.status_code, response.mimetype) == (404, "application/problem+json")
    response, body = await browser.open("/api/secret")
    assert (response.status_code, response.mimetype) == (401, "application/problem+json")
    response, body = await browser.open("/api/notes", "PUT", json={"text": "yes"})
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    assert "CSRF" in body


async def test_api(browser: Browser) -> None:
    """JSON with a CSRF token; a task that uses all databases."""
    headers = {"X-CSRFToken": await browser.text("/de/login")}

    async def put(**options: Any) -> tuple[int, Any]:
        response, _ = await browser.open("/api/notes", "PUT", headers=headers, **options)
        return response.status_code, await response.get_json()

    assert await put(json={"text": "yes"}) == (200, {"text": "yes", "site": "Board"})
    status, problem = await put(json={})
    assert status == 400
    assert problem["errors"] == [{"detail": "Field required", "pointer": "#/text"}]
    assert (await put(form={"text": "yes"}))[0] == 415
    assert (await put(json={"text": "no"}))[0] == 409
    response, _ = await browser.open("/api/count")
    url = "http://localhost/en/"  # A job has no request, so its URLs have no prefix.
    assert await response.get_json() == {"count": [0, ["ada"], ["first"], url]}


async def test_uploads(browser: Browser, board: Board) -> None:
    """A file in a form, whose bytes are hashed while they are read, and a stream that shows it."""
    body = multipart(title="sea", photo="waves")
    response, _ = await browser.open("/photos", "POST", data=body, headers=MULTIPART)
    assert response.status_code == 302  # to the login
    token = await log_in(browser)
    body = multipart(csrf_token=token, title="sea", photo="waves")
    wrong = MULTIPART | {"Content-Digest": digest(b"other")}
    response, _ = await browser.open("/photos", "POST", data=body, headers=wrong)
    assert response.status_code == 400
    right = MULTIPART | {"Content-Digest": digest(body)}
    response, _ = await browser.open("/photos", "POST", data=body, headers=right)
    expected = {"saved": "sea.txt", "sha256": hashlib.sha256(body).hexdigest()}
    assert await response.get_json() == expected
    taken = multipart(csrf_token=token, title="ada", photo="waves")
    response, _ = await browser.open("/photos", "POST", data=taken, headers=MULTIPART)
    assert await response.get_json() == {"errors": {"title": ["This is a user."]}}
    assert await browser.text("/photos/sea.txt") == "waves"
    assert await browser.text("/feed") == f"ada {browser.prefix}/feed\nsea.txt\nada\n"
    if browser.prefix:  # The middleware for methods is around the mounted application.
        form = {"_method": "DELETE", "csrf_token": token}
        response, _ = await browser.open("/photos/sea.txt", "POST", form=form)
        assert response.status_code == 303
        assert "<p>Deleted sea.txt.</p>" in await browser.text("/en/")
    assert board.sent == ["sea.txt"]
