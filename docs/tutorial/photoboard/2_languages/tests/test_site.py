"""The front page, its languages, and error pages."""

from __future__ import annotations

import pytest
from quart.typing import TestClientProtocol as Client


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "Share your photos with everybody."), ("de", "Teile deine Fotos mit allen.")],
)
async def test_index(client: Client, language: str, text: str) -> None:
    response = await client.get("/", headers={"Accept-Language": language})
    assert response.headers["Location"] == f"/{language}/"
    response = await client.get(f"/{language}/")
    assert response.status_code == 200
    assert text in await response.get_data(as_text=True)


async def test_not_found(client: Client) -> None:
    response = await client.get("/en/nowhere", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert "Page not found" in await response.get_data(as_text=True)
