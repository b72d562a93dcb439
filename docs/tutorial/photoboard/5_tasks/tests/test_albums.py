"""Albums, uploads and comments."""

from __future__ import annotations

from io import BytesIO

from PIL import Image
from quart import Quart
from quart.datastructures import FileStorage
from quart.typing import TestClientProtocol as Client
from quartpatterns.tasks import run_worker


def picture(name: str = "sea.png") -> FileStorage:
    """A file with a picture."""
    file = BytesIO()
    Image.new("RGB", (1600, 1200), "teal").save(file, "PNG")
    file.seek(0)
    return FileStorage(file, name)


async def upload(client: Client, file: FileStorage) -> str:
    """Create an album with a photo, and return the page."""
    await client.post("/en/albums/new", form={"title": "Sea"})
    await client.post("/en/albums/1", form={"title": "Waves"}, files={"photo": file})
    page: str = await (await client.get("/en/albums/1")).get_data(as_text=True)
    return page


async def test_upload(ada: Client) -> None:
    page = await upload(ada, picture())
    assert "Waves" in page
    assert "/_uploads/photos/1/sea.png" in page
    assert (await ada.get("/_uploads/photos/1/sea.png")).status_code == 200


async def test_thumbnail(app: Quart, ada: Client) -> None:
    await upload(ada, picture())
    await run_worker(app, burst=True, handle_signals=False)
    page = await (await ada.get("/en/albums/1")).get_data(as_text=True)
    assert "/_uploads/photos/thumbnails/1.webp" in page
    thumbnail = await ada.get("/_uploads/photos/thumbnails/1.webp")
    with Image.open(BytesIO(await thumbnail.get_data())) as image:
        assert image.size == (480, 360)
    assert "/_uploads/photos/thumbnails/1.webp" in await (await ada.get("/en/")).get_data(
        as_text=True
    )


async def test_wrong_content(ada: Client) -> None:
    await ada.post("/en/albums/new", form={"title": "Sea"})
    files = {"photo": FileStorage(BytesIO(b"no picture"), "sea.png")}
    response = await ada.post("/en/albums/1", form={"title": "Waves"}, files=files)
    assert response.status_code == 200
    assert "This file is not a photo." in await response.get_data(as_text=True)


async def test_same_title(ada: Client) -> None:
    await ada.post("/en/albums/new", form={"title": "Sea"})
    response = await ada.post("/en/albums/new", form={"title": "Sea"})
    assert "You have an album with this title." in await response.get_data(as_text=True)


async def test_others(ada: Client) -> None:
    """Only the owner may add photos, and only users may write comments."""
    await upload(ada, picture())
    response = await ada.post("/en/photos/1", form={"text": "Beautiful <3"})
    assert response.headers["Location"] == "/en/photos/1"
    await ada.post("/en/logout")
    page = await (await ada.get("/en/photos/1")).get_data(as_text=True)
    assert "Beautiful &lt;3" in page
    assert (await ada.post("/en/photos/1", form={"text": "No"})).status_code == 401
    response = await ada.post("/en/albums/1", form={"title": "Mine"})
    assert response.headers["Location"].startswith("/en/login")
    await ada.post("/en/register", form={"name": "Bob", "password": "a password"})
    response = await ada.post("/en/albums/1", form={"title": "Mine"})
    assert response.status_code == 403
