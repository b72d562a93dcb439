"""Albums, uploads and comments."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image
from quart.datastructures import FileStorage
from quart.typing import TestClientProtocol as Client
from quartpatterns.pytest_plugin import CSRFPost


def picture() -> FileStorage:
    """A file with a picture."""
    file = BytesIO()
    Image.new("RGB", (1600, 1200), "teal").save(file, "PNG")
    file.seek(0)
    return FileStorage(file, "sea.png")


async def text(client: Client, path: str) -> str:
    body: str = await (await client.get(path)).get_data(as_text=True)
    return body


@pytest.fixture
async def album(ada: Client, csrf_post: CSRFPost) -> str:
    """The path of an album of Ada, which has one photo."""
    response = await csrf_post(
        ada, "/en/albums/new", page="/en/albums/new", form={"title": "Sea"}
    )
    path = response.headers["Location"]
    files = {"photo": picture()}
    await csrf_post(ada, path, page=path, form={"title": "Waves"}, files=files)
    return path


async def test_upload(ada: Client, album: str) -> None:
    page = await text(ada, album)
    assert "The photo is saved." in page
    assert "Waves" in page
    assert (await ada.get("/_uploads/photos/1/sea.png")).status_code == 200
    assert "Sea" in await text(ada, "/en/")


async def test_thumbnail(ada: Client, album: str) -> None:
    url = "/_uploads/photos/thumbnails/1.webp"
    assert url in await text(ada, album)
    assert url in await text(ada, "/en/")
    thumbnail = await (await ada.get(url)).get_data(as_text=False)
    with Image.open(BytesIO(thumbnail)) as image:
        assert image.size == (480, 360)


async def test_wrong_content(ada: Client, album: str, csrf_post: CSRFPost) -> None:
    files = {"photo": FileStorage(BytesIO(b"no picture"), "sea.png")}
    response = await csrf_post(ada, album, form={"title": "Waves"}, files=files)
    assert response.status_code == 200
    assert 'id="photo-error"' in await response.get_data(as_text=True)


async def test_same_title(ada: Client, album: str, csrf_post: CSRFPost) -> None:
    response = await csrf_post(ada, "/en/albums/new", form={"title": "Sea"})
    assert "You have an album with this title." in await response.get_data(as_text=True)


async def test_comment(ada: Client, album: str, csrf_post: CSRFPost) -> None:
    await csrf_post(
        ada, "/en/photos/1", page="/en/photos/1", form={"text": "Beautiful <3"}
    )
    assert "Beautiful &lt;3" in await text(ada, "/en/photos/1")


async def test_visitor(app_client: Client, album: str, csrf_post: CSRFPost) -> None:
    """A visitor can see photos, and has to log in to add one or to write about one."""
    assert "Waves" in await text(app_client, album)
    response = await csrf_post(app_client, album, form={"title": "Mine"})
    assert response.headers["Location"].startswith("/en/login")
    assert (
        await csrf_post(app_client, "/en/photos/1", form={"text": "No"})
    ).status_code == 401


async def test_other_user(app_client: Client, album: str, csrf_post: CSRFPost) -> None:
    """Only the owner of an album can add a photo."""
    form = {"name": "Bob", "password": "a long password"}
    await csrf_post(app_client, "/en/register", form=form)
    response = await csrf_post(app_client, album, form={"title": "Mine"})
    assert response.status_code == 403
