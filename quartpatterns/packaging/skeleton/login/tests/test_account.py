"""Registering, logging in and logging out."""

from __future__ import annotations

import pytest
from quart.typing import TestClientProtocol as Client
from quartpatterns.pytest_plugin import CSRFPost

pytestmark = pytest.mark.usefixtures("rolled_back_database")
ACCOUNT = "@{english}/account"
FORM = {"name": "Ada", "password": "countess of lovelace"}


async def shown(client: Client) -> str:
    """Return the front page."""
    text: str = await (await client.get("@{english}/")).get_data(as_text=True)
    return text


@pytest.fixture
async def ada(app_client: Client, csrf_post: CSRFPost) -> Client:
    """A client that has registered as Ada."""
    page = f"{ACCOUNT}/register"
    assert (await csrf_post(app_client, page, page=page, form=FORM)).status_code == 303
    return app_client


async def test_register(ada: Client) -> None:
    """Who registers is logged in."""
    assert "<span>Ada</span>" in await shown(ada)


async def test_log_out_and_in(ada: Client, csrf_post: CSRFPost) -> None:
    """A login returns to the page that asked for it, and never to another site."""
    for target, location in (("/health", "/health"), ("https://a.example", "@{english}/")):
        await csrf_post(ada, f"{ACCOUNT}/log-out", page="@{english}/")
        assert "<span>Ada</span>" not in await shown(ada)
        page = f"{ACCOUNT}/log-in"
        response = await csrf_post(ada, page, page=page, form={**FORM, "next": target})
        assert response.headers["Location"] == location
        assert "<span>Ada</span>" in await shown(ada)


@pytest.mark.parametrize("form", [{**FORM, "password": "wrong"}, {**FORM, "name": "Eve"}])
async def test_wrong(ada: Client, csrf_post: CSRFPost, form: dict[str, str]) -> None:
    """An unknown name and a wrong password have the same error."""
    response = await csrf_post(ada, f"{ACCOUNT}/log-in", form=form)
    text = await response.get_data(as_text=True)
    assert "The name or the password is wrong." in text


async def test_name_taken(ada: Client, csrf_post: CSRFPost) -> None:
    """A name can be registered once."""
    response = await csrf_post(ada, f"{ACCOUNT}/register", form=FORM)
    assert "This name is taken." in await response.get_data(as_text=True)
