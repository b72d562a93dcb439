"""The application of docs/quickstart.md works, with the answers and tests that the page shows."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from quart import Quart

from tests.docs.pages import blocks
from tests.reading.curl import CurlOptions
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
        client: Any = running.test_client()  # Quart's type demands JSON
        for command, _, expected in (text.partition("\n") for text in commands):
            program, *arguments = shlex.split(command)
            assert program == "curl"
            sent = CurlOptions.parse(arguments, folder)
            response = await client.open(
                urlsplit(sent.url).path,
                method=sent.method,
                headers=dict(sent.headers),
                data=sent.body,
            )
            assert (await response.get_data(as_text=True)).split() == expected.split()
    assert (folder / "instance" / "notes.db").is_file()


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
