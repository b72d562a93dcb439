"""Notes are kept, and the migrations make the tables that the models have."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from quart.typing import TestClientProtocol as Client
from quartpatterns.sqlalchemy.migrations import configuration, upgrade

from yourapplication.paths import beside


async def test_add(client: Client) -> None:
    """A note is added, and listed as text, not as HTML."""
    response = await client.post("/notes/", form={"text": "<b>Milk</b>"})
    assert response.status_code == 303
    assert "&lt;b&gt;Milk" in await (await client.get("/notes/")).get_data(as_text=True)


@pytest.mark.parametrize("text", ["", " ", "a" * 201, "two\nlines"])
async def test_refused(client: Client, text: str) -> None:
    """What is no note is a 400 that says why."""
    response = await client.post("/notes/", form={"text": text})
    assert response.status_code == 400
    assert "A note is a line" in await response.get_data(as_text=True)


def test_migrations(tmp_path: Path) -> None:
    """After all migrations nothing is left to migrate; they go back, too."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    config = configuration(url, folder=beside("migrations"))
    upgrade(url, folder=beside("migrations"))
    command.check(config)
    command.downgrade(config, "base")
