"""What the root README claims is true, and its generated parts are those of its commands."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from quartpatterns.catalog import PATTERNS
from quartpatterns.compare.servers import Server, serve
from tests import only_await, parity_table, readme_extras

README = Path(__file__).parents[1] / "README.md"


async def test_only_await() -> None:
    """Flask, the port that only adds ``await``, and this package answer as the table says."""
    text = README.read_text()
    assert only_await.write(text, await only_await.table()) == text


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.parametrize(
    ("column", "name", "server"),
    [
        (0, "flask_app", "gunicorn-gthread"),
        (1, "quart_app", "hypercorn"),
        (1, "quart_app", "granian"),
        (2, "package_app", "hypercorn"),
        (2, "package_app", "granian"),
    ],
)
def test_served(column: int, name: str, server: Server) -> None:
    """Behind real servers they answer the same."""
    text = README.read_text().partition(only_await.BEGIN)[2]
    rows = [line.split(" | ") for line in text.splitlines()[2:5]]
    with serve(f"tests.only_await:{name}", server, threads=4) as running:
        # The port that only adds await never records the payment.
        patience = 3 if column == 1 else 60
        found = asyncio.run(only_await.answers(running.url, patience=patience))
    assert list(found.values()) == [row[column + 1].removesuffix(" |") for row in rows]


def test_parity_table() -> None:
    """The numbers of cases and of differences are those of the cases."""
    text = README.read_text()
    assert parity_table.write(text, parity_table.declared()) == text


def test_patterns() -> None:
    """Each pattern has a row, with the extra of its helper."""
    row = re.compile(r"^\| \[(\w+)\]\(.*\) \|.*\| (`\w+`)? ?\| [^|]* \| [^|]* \|$", re.MULTILINE)
    rows = dict(row.findall(README.read_text()))
    assert rows == {
        pattern.name: f"`{pattern.name}`" if pattern.name in readme_extras.HELPERS else ""
        for pattern in PATTERNS
    }
