"""Migrations: the schema of the port, made and unmade on both databases."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.util import CommandError
from quart import Quart
from quart.utils import run_sync
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

import quartpatterns
from quartpatterns.compare.processes import free_port
from quartpatterns.sqlalchemy import async_url, diagnose, make_engine
from quartpatterns.sqlalchemy.example.port import create_app
from quartpatterns.sqlalchemy.migrations import (
    MigrationsMissingError,
    configuration,
    find_migrations,
    upgrade,
)

ROOT = Path(__file__).parents[2]
PACKAGE = Path(quartpatterns.__file__).parent


def tables(url: str) -> list[str]:
    """The tables of a database, as another connection sees them."""

    async def look() -> list[str]:
        engine = make_engine(async_url(url))
        async with engine.connect() as connection:
            found = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        await engine.dispose()
        return sorted(found)

    return asyncio.run(look())


def alembic(*arguments: str, url: str | None) -> subprocess.CompletedProcess[str]:
    """The command ``alembic``, at the root of the project."""
    environment = {key: value for key, value in os.environ.items() if "DATABASE" not in key}
    if url is not None:
        environment["SQLALCHEMY_DATABASE_URI"] = url
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_round_trip(url: str) -> None:
    """Up, up again, down to nothing, and up."""
    upgrade(url)
    upgrade(url)
    assert tables(url) == ["alembic_version", "gallery_runs", "users"]
    command.downgrade(configuration(url), "base")
    assert tables(url) == ["alembic_version"]
    upgrade(url)
    assert tables(url) == ["alembic_version", "gallery_runs", "users"]


def test_check(url: str) -> None:
    """The migrations make what the models say: nothing is left to generate."""
    upgrade(url)
    command.check(configuration(url))


def test_check_sees_a_difference(postgres_url: str) -> None:
    """The check finds a missing migration."""
    upgrade(postgres_url)

    async def drop() -> None:
        engine = make_engine(async_url(postgres_url))
        async with engine.begin() as connection:
            await connection.execute(text("ALTER TABLE users DROP COLUMN email"))
        await engine.dispose()

    asyncio.run(drop())
    with pytest.raises(CommandError, match="email"):
        command.check(configuration(postgres_url))


@pytest.mark.slow
def test_command(url: str) -> None:
    """The command is configured by pyproject.toml, and finds the database in the environment."""
    done = alembic("upgrade", "head", url=url)
    assert done.returncode == 0, done.stderr
    assert tables(url) == ["alembic_version", "gallery_runs", "users"]
    assert "0002 (head)" in alembic("-x", f"url={url}", "current", url=None).stdout


def test_command_without_database() -> None:
    """Without a URL one line says what to set."""
    done = alembic("current", url=None)
    assert done.returncode != 0
    assert "set SQLALCHEMY_DATABASE_URI" in done.stdout
    assert "Traceback" not in done.stderr


def test_offline(url: str) -> None:
    """Offline mode prints the statements."""
    done = alembic("upgrade", "head", "--sql", url=url)
    assert done.returncode == 0, done.stderr
    assert "CREATE TABLE users" in done.stdout
    # The script is one transaction, as the migration is.
    statements = [line for line in done.stdout.splitlines() if line]
    assert (statements[0], statements[-1]) == ("BEGIN;", "COMMIT;")
    assert tables(url) == []


@pytest.mark.slow
def test_at_the_same_time(url: str) -> None:
    """Of several workers that start together one migrates, and the others wait."""
    script = "import sys; import quartpatterns.sqlalchemy.migrations as m; m.upgrade(sys.argv[1])"

    def run(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", script, url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    with ThreadPoolExecutor(4) as executor:
        done = list(executor.map(run, range(4)))
    assert [one.returncode for one in done] == [0] * 4, [one.stderr for one in done]
    assert tables(url) == ["alembic_version", "gallery_runs", "users"]


def test_half_a_migration(url: str, tmp_path: Path) -> None:
    """A failed migration is rolled back, on SQLite too."""
    folder = tmp_path / "migrations"
    shutil.copytree(find_migrations(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    first = folder / "versions" / "0001_users.py"
    broken = first.read_text().replace(
        "\n\n\ndef downgrade", "\n    op.execute('SELEKT 1')\n\n\ndef downgrade"
    )
    first.write_text(broken)
    with pytest.raises(DBAPIError):
        upgrade(url, folder=folder)
    assert tables(url) == []


AUTOCOMMIT = """
    with op.get_context().autocommit_block():
        op.execute("STATEMENT")
    op.execute("CREATE TABLE after_block (id INTEGER PRIMARY KEY)")
"""
STATEMENTS = {
    "postgresql": "CREATE INDEX CONCURRENTLY by_email ON users (email)",
    "sqlite": "VACUUM",
}


def test_autocommit_block(url: str, tmp_path: Path) -> None:
    """A statement that runs in no transaction is possible, while another process waits."""
    folder = tmp_path / "migrations"
    shutil.copytree(find_migrations(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    first = folder / "versions" / "0001_users.py"
    statement = STATEMENTS[url.partition(":")[0]]
    block = AUTOCOMMIT.replace("STATEMENT", statement)
    first.write_text(first.read_text().replace("\n\n\ndef downgrade", f"{block}\n\ndef downgrade"))
    script = (
        "import sys; import quartpatterns.sqlalchemy.migrations as m; from pathlib import Path;"
    )
    script += "m.upgrade(sys.argv[1], folder=Path(sys.argv[2]))"

    def run(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", script, url, str(folder)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    with ThreadPoolExecutor(2) as executor:
        done = list(executor.map(run, range(2 if url.startswith("postgresql") else 1)))
    assert [one.returncode for one in done] == [0] * len(done), [one.stderr for one in done]
    assert tables(url) == ["after_block", "alembic_version", "gallery_runs", "users"]


def test_new_migration(url: str, tmp_path: Path) -> None:
    """A migration that is generated runs; where nothing has changed it is empty."""
    folder = tmp_path / "migrations"
    shutil.copytree(find_migrations(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    upgrade(url, folder=folder)
    command.revision(configuration(url, folder=folder), "nothing new", autogenerate=True)
    made = next((folder / "versions").glob("*_nothing_new.py")).read_text()
    assert made.count("\n    pass\n") == 2
    upgrade(url, folder=folder)
    command.downgrade(configuration(url, folder=folder), "base")


def test_relative_file(tmp_path: Path) -> None:
    upgrade("sqlite:///relative.db", files=tmp_path)
    assert tables(f"sqlite:///{tmp_path / 'relative.db'}") == [
        "alembic_version",
        "gallery_runs",
        "users",
    ]


def test_odd_folder(tmp_path: Path) -> None:
    """A folder may have any name."""
    folder = tmp_path / "100% übel"
    shutil.copytree(find_migrations(), folder)
    url = f"sqlite:///{tmp_path / 'odd.db'}"
    upgrade(url, folder=folder)
    assert tables(url) == ["alembic_version", "gallery_runs", "users"]


def test_folder_of_a_checkout() -> None:
    assert find_migrations() == ROOT / "alembic"


def test_folder_of_a_wheel(tmp_path: Path) -> None:
    """Installed, the folder is inside the package; nothing else is needed."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "quartpatterns", ignore=ignored)
    shutil.copytree(ROOT / "alembic", tmp_path / "quartpatterns/alembic", ignore=ignored)
    url = f"sqlite:///{tmp_path / 'wheel.db'}"
    script = (
        "import sys; from quartpatterns.sqlalchemy import migrations as m;"
        "m.upgrade(sys.argv[1]); print(m.find_migrations())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, url],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "quartpatterns/alembic")
    assert tables(url) == ["alembic_version", "gallery_runs", "users"]


def test_no_folder(tmp_path: Path) -> None:
    """Missing migrations are an error with the remedy."""
    with pytest.raises(MigrationsMissingError, match="has no env.py") as caught:
        upgrade("sqlite://", folder=tmp_path)
    assert "\n" not in str(caught.value)


def test_no_server() -> None:
    """A server that is down while it should be migrated is explained as in a request."""
    with pytest.raises(DBAPIError) as caught:
        upgrade(f"postgresql://user:secret@127.0.0.1:{free_port()}/name")
    found = diagnose(caught.value)
    assert found is not None
    assert found.code == 503


async def test_from_a_coroutine(sqlite_url: str) -> None:
    """While an event loop runs, the migrations run in a thread."""
    await run_sync(upgrade)(sqlite_url)
    app = create_app({"SQLALCHEMY_DATABASE_URI": sqlite_url})
    assert isinstance(app, Quart)
    response = await app.test_client().get("/users")
    assert response.status_code == 200
