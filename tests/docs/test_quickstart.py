"""The application of docs/quickstart.md works, with the answers and tests that the page shows."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from tests.docs.pages import blocks
from tests.written import Write

PAGE = Path(__file__).parents[2] / "docs" / "quickstart.md"


@pytest.fixture
def folder(write: Write) -> Path:
    """The folder with the files of the page."""
    python = {re.match(r"# (\S+)\n", code)[1]: code for code in blocks(PAGE, "python")}  # type: ignore[index]
    (schema,), (settings,) = blocks(PAGE, "sql"), blocks(PAGE, "ini")
    return write({**python, "schema.sql": schema, "pytest.ini": settings})


async def test_answers(folder: Path) -> None:
    """The commands of the page are answered as it shows."""
    from notes import create_app, db  # type: ignore[import-not-found]

    app: Quart = create_app()
    await db.init_db(app)
    shown = [block for block in blocks(PAGE, "console") if block.startswith("$ curl")]
    commands = re.split(r"^\$ ", "".join(shown), flags=re.M)[1:]
    assert len(commands) == 4
    async with app.test_app() as running:
        client = running.test_client()
        for command, _, expected in (text.partition("\n") for text in commands):
            response = await client.open(**request(shlex.split(command)))
            assert (await response.get_data(as_text=True)).split() == expected.split()
    assert (folder / "instance" / "notes.db").is_file()


def request(words: list[str]) -> dict[str, Any]:
    """Return the arguments of the test client for a command with curl."""
    name, url, *options = words
    found: dict[str, Any] = {"path": url.removeprefix("http://127.0.0.1:8000"), "method": "GET"}
    assert name == "curl"
    for option, value in zip(options[::2], options[1::2], strict=True):
        if option == "--json":
            found |= {"method": "POST", "data": value}
            found["headers"] = {"Content-Type": "application/json"}
        else:
            assert option == "-H"
            found["headers"] = dict([value.split(": ")])
    return found


@pytest.mark.slow
def test_commands(folder: Path) -> None:
    """``quart init-db`` and ``pytest`` do what the page says."""
    (commands,) = [block for block in blocks(PAGE, "sh") if "init-db" in block]
    assert commands.splitlines()[0] == "quart --app notes init-db"
    subprocess.run(
        [sys.executable, "-m", "quart", "--app", "notes", "init-db"], cwd=folder, check=True
    )
    assert (folder / "instance" / "notes.db").is_file()
    settings = configparser.ConfigParser()
    settings.read(folder / "pytest.ini")
    assert settings["pytest"]["asyncio_mode"] == "auto"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
