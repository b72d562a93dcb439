"""Notes."""

from __future__ import annotations

import pytest
from quart.typing import TestClientProtocol as Client

pytestmark = pytest.mark.usefixtures("rolled_back_database")


async def test_add(app_client: Client) -> None:
    """A note is added, and its text is escaped in the list."""
    response = await app_client.post("@{english}/notes/", form={"text": "<b>Milk</b>"})
    assert response.status_code == 303
    assert "&lt;b&gt;Milk" in await (await app_client.get("@{english}/notes/")).get_data(as_text=True)


@pytest.mark.parametrize("text", ["", " ", "a" * 201, "two\nlines"])
async def test_invalid(app_client: Client, text: str) -> None:
    """An invalid note is a 400 that says why."""
    response = await app_client.post("@{english}/notes/", form={"text": text})
    assert response.status_code == 400
    assert "A note must be one line" in await response.get_data(as_text=True)
