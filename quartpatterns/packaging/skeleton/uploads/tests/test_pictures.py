"""Uploads."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from quart.datastructures import FileStorage
from quart.typing import TestClientProtocol as Client
from quartpatterns.pytest_plugin import CSRFPost

PATH = "@{english}/pictures/"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


# {% if login %}
async def test_visitor(app_client: Client) -> None:
    """A visitor is redirected to the login page."""
    response = await app_client.get(PATH)
    assert response.headers["Location"].startswith("@{english}/account/log-in?next=")


# {% endif %}
async def test_upload(author: Client, csrf_post: CSRFPost, tmp_path: Path) -> None:
    """A picture is stored in the instance folder, and shown."""
    files = {"picture": FileStorage(BytesIO(PNG), "sea.png")}
    assert (await csrf_post(author, PATH, page=PATH, files=files)).status_code == 303
    assert f'src="{PATH}sea.png"' in await (await author.get(PATH)).get_data(as_text=True)
    response = await author.get(f"{PATH}sea.png")
    assert (response.mimetype, await response.get_data(as_text=False)) == ("image/png", PNG)
    assert (tmp_path / "pictures" / "sea.png").read_bytes() == PNG


@pytest.mark.parametrize("name", ["sea.html", "sea.jpg", ""])
async def test_refused(author: Client, csrf_post: CSRFPost, name: str) -> None:
    """A wrong extension, a wrong content and a missing file are errors of the field."""
    files = {"picture": FileStorage(BytesIO(PNG), name)}
    response = await csrf_post(author, PATH, files=files)
    assert response.status_code == 200
    assert 'id="picture-errors"' in await response.get_data(as_text=True)
