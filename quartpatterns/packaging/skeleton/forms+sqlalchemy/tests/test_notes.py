"""Notes."""

from __future__ import annotations

import pytest
from quart.typing import TestClientProtocol as Client
from quartpatterns.pytest_plugin import CSRFPost

pytestmark = pytest.mark.usefixtures("rolled_back_database")


# {% if login %}
async def test_visitor(app_client: Client, csrf_post: CSRFPost) -> None:
    """A visitor is redirected to the login page."""
    response = await csrf_post(app_client, "@{english}/notes/", form={"text": "Milk"})
    assert response.headers["Location"].startswith("@{english}/account/log-in?next=")


# {% endif %}
async def test_add(author: Client, csrf_post: CSRFPost) -> None:
    """A note is added, and its text is escaped in the list."""
    path = "@{english}/notes/"
    response = await csrf_post(author, path, page=path, form={"text": "<b>Milk</b>"})
    assert response.status_code == 303
    assert "&lt;b&gt;Milk" in await (await author.get(path)).get_data(as_text=True)


@pytest.mark.parametrize("text", ["", " ", "a" * 201, "two\nlines"])
async def test_invalid(author: Client, csrf_post: CSRFPost, text: str) -> None:
    """An invalid note is shown with an error."""
    response = await csrf_post(author, "@{english}/notes/", form={"text": text})
    assert 'id="text-errors"' in await response.get_data(as_text=True)
