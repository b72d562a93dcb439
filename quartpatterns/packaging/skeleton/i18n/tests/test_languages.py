"""Pages in English and German."""

from __future__ import annotations

import pytest
from quart.typing import TestClientProtocol as Client


@pytest.mark.parametrize(
    ("language", "text", "not_found"),
    [
        ("en", "The application is running.", "Page not found"),
        ("de", "Die Anwendung läuft.", "Seite nicht gefunden"),
    ],
)
async def test_pages(app_client: Client, language: str, text: str, not_found: str) -> None:
    """Pages and error pages have the language of their address."""
    response = await app_client.get("/", headers={"Accept-Language": language})
    assert response.headers["Location"] == f"/{language}/"
    page = await (await app_client.get(f"/{language}/")).get_data(as_text=True)
    assert text in page
    assert f'<html lang="{language}">' in page
    response = await app_client.get(f"/{language}/nope", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert not_found in await response.get_data(as_text=True)


async def test_unknown_language(app_client: Client) -> None:
    """There is no other language."""
    assert (await app_client.get("/fr/")).status_code == 404
