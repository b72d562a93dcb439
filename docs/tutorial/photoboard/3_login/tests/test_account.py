"""Registering, logging in and logging out."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from conftest import MIGRATIONS
from quart.typing import TestClientProtocol as Client
from quartpatterns.sqlalchemy.migrations import configuration, upgrade


async def text(client: Client, path: str) -> str:
    body: str = await (await client.get(path)).get_data(as_text=True)
    return body


async def test_register(client: Client) -> None:
    response = await client.post("/en/register", form={"name": "Ada", "password": "countess"})
    assert response.status_code == 303
    page = await text(client, "/en/")
    assert "Welcome, Ada!" in page
    assert "Log out" in page


async def test_name_taken(ada: Client) -> None:
    response = await ada.post("/en/register", form={"name": "Ada", "password": "countess"})
    assert response.status_code == 200
    assert "This name is taken." in await response.get_data(as_text=True)


async def test_login(ada: Client) -> None:
    await ada.post("/en/logout")
    form = {"name": "Ada", "password": "countess of l", "next": "/de/"}
    response = await ada.post("/en/login", form=form)
    assert response.headers["Location"] == "/de/"
    assert "Abmelden" in await text(ada, "/de/")


async def test_wrong_password(ada: Client) -> None:
    await ada.post("/en/logout")
    response = await ada.post("/de/login", form={"name": "Ada", "password": "wrong"})
    assert "Der Name oder das Passwort ist falsch." in await response.get_data(as_text=True)


def test_migrations(tmp_path: Path) -> None:
    """The migrations create the tables of the models, and can be undone."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    upgrade(url, folder=MIGRATIONS)
    config = configuration(url, folder=MIGRATIONS)
    command.check(config)
    command.downgrade(config, "base")
