"""Registering, logging in and logging out."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from conftest import MIGRATIONS
from quart.typing import TestClientProtocol as Client
from quartpatterns.pytest_plugin import CSRFPost
from quartpatterns.sqlalchemy.migrations import configuration, upgrade

FORM = {"name": "Ada", "password": "countess of lovelace"}


async def text(client: Client, path: str) -> str:
    body: str = await (await client.get(path)).get_data(as_text=True)
    return body


async def test_register(app_client: Client, csrf_post: CSRFPost) -> None:
    response = await csrf_post(
        app_client, "/en/register", page="/en/register", form=FORM
    )
    assert response.status_code == 303
    page = await text(app_client, "/en/")
    assert "Welcome, Ada!" in page
    assert "Log out" in page


async def test_name_taken(ada: Client, csrf_post: CSRFPost) -> None:
    response = await csrf_post(ada, "/de/register", form=FORM)
    assert response.status_code == 200
    assert "Dieser Name ist vergeben." in await response.get_data(as_text=True)


async def test_login(app_client: Client, csrf_post: CSRFPost) -> None:
    await csrf_post(app_client, "/en/register", form=FORM)
    await csrf_post(app_client, "/en/logout", page="/en/")
    form = {**FORM, "next": "/de/"}
    response = await csrf_post(app_client, "/en/login", page="/en/login", form=form)
    assert response.headers["Location"] == "/de/"
    assert "Abmelden" in await text(app_client, "/de/")


async def test_wrong_password(app_client: Client, csrf_post: CSRFPost) -> None:
    response = await csrf_post(
        app_client, "/de/login", form={**FORM, "password": "wrong"}
    )
    assert "Der Name oder das Passwort ist falsch." in await response.get_data(
        as_text=True
    )


def test_migrations(tmp_path: Path) -> None:
    """The migrations create the tables of the models, and can be undone."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    upgrade(url, folder=MIGRATIONS)
    config = configuration(url, folder=MIGRATIONS)
    command.check(config)
    command.downgrade(config, "base")
