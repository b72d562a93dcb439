"""Notes and migrations."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from quart.typing import TestClientProtocol as Client
from quartpatterns.sqlalchemy.migrations import configuration, upgrade

from yourapplication.paths import project_file


async def test_add(client: Client) -> None:
    """A note is added, and its text is escaped in the list."""
    response = await client.post("/notes/", form={"text": "<b>Milk</b>"})
    assert response.status_code == 303
    assert "&lt;b&gt;Milk" in await (await client.get("/notes/")).get_data(as_text=True)


@pytest.mark.parametrize("text", ["", " ", "a" * 201, "two\nlines"])
async def test_invalid(client: Client, text: str) -> None:
    """An invalid note is a 400 that says why."""
    response = await client.post("/notes/", form={"text": text})
    assert response.status_code == 400
    assert "A note must be one line" in await response.get_data(as_text=True)


def test_migrations(tmp_path: Path) -> None:
    """The migrations create the tables of the models, and can be undone."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    config = configuration(url, folder=project_file("migrations"))
    upgrade(url, folder=project_file("migrations"))
    command.check(config)
    command.downgrade(config, "base")
