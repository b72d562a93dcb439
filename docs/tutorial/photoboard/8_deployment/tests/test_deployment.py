"""What differs between a developer's machine and a server."""

from __future__ import annotations

import pytest

from photoboard import create_app


@pytest.mark.parametrize(("proxies", "scheme"), [(0, "http"), (1, "https")])
async def test_proxies(proxies: int, scheme: str) -> None:
    """Behind a proxy, the links have the scheme that the proxy has received."""
    app = create_app({"TESTING": True, "SECRET_KEY": "test", "PROXIES": proxies})
    headers = {"X-Forwarded-Proto": "https"}
    response = await app.test_client().get("/en/login", headers=headers)
    canonical = f'<link rel="canonical" href="{scheme}://localhost/en/login">'
    assert canonical in await response.get_data(as_text=True)
