"""The front page, its languages, and error pages."""

from __future__ import annotations

import pytest
from quart.typing import TestClientProtocol as Client

languages = pytest.mark.parametrize(
    ("language", "text", "not_found"),
    [
        ("en", "Share your photos with everybody.", "Page not found"),
        ("de", "Teile deine Fotos mit allen.", "Seite nicht gefunden"),
    ],
)


@languages
async def test_index(
    app_client: Client, language: str, text: str, not_found: str
) -> None:
    response = await app_client.get("/", headers={"Accept-Language": language})
    assert response.headers["Location"] == f"/{language}/"
    response = await app_client.get(f"/{language}/")
    assert response.status_code == 200
    assert text in await response.get_data(as_text=True)


@languages
async def test_not_found(
    app_client: Client, language: str, text: str, not_found: str
) -> None:
    response = await app_client.get(
        f"/{language}/nowhere", headers={"Accept": "text/html"}
    )
    assert response.status_code == 404
    assert not_found in await response.get_data(as_text=True)
