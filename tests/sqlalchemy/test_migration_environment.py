"""An application with the ``env.py`` and the commands of README.md."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import quartpatterns.sqlalchemy

README = Path(quartpatterns.sqlalchemy.__file__).with_name("README.md").read_text()
[ENV] = re.findall(r"```python\n# migrations/env.py\n(.*?)```", README, re.DOTALL)
APP = """
from quart import Quart
from quartpatterns.sqlalchemy import Model, SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(Model, DeclarativeBase):
    pass

db = SQLAlchemy(model_class=Base)

class Album(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]

app = Quart(__name__, instance_path={instance!r})
app.config["SQLALCHEMY_DATABASE_URI"] = {url!r}
db.init_app(app)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of an application with a database and without migrations."""
    url = "sqlite:///app.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    app = APP.format(url=url, instance=str(tmp_path / "instance"))
    (tmp_path / "app.py").write_text(app)
    alembic(tmp_path, "init", "--template", "pyproject", "migrations")
    (tmp_path / "migrations" / "env.py").write_text(ENV)
    return tmp_path


def alembic(project: Path, *arguments: str) -> str:
    """Run a command of Alembic, and return what it prints."""
    done = subprocess.run(
        [Path(sys.executable).with_name("alembic"), *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_commands(project: Path) -> None:
    """Alembic finds the models and the database of the application."""
    alembic(project, "revision", "--autogenerate", "-m", "albums")
    (migration,) = (project / "migrations" / "versions").glob("*.py")
    assert "create_table('album'" in migration.read_text()
    assert "CREATE TABLE album" in alembic(project, "upgrade", "head", "--sql")
    alembic(project, "upgrade", "head")
    assert "No new upgrade operations" in alembic(project, "check")
    alembic(project, "downgrade", "base")


@pytest.mark.slow
async def test_concurrent(project: Path) -> None:
    """Processes that migrate at the same time wait for one another."""
    await asyncio.to_thread(alembic, project, "revision", "--autogenerate", "-m", "albums")
    upgrades = [asyncio.to_thread(alembic, project, "upgrade", "head") for _ in range(3)]
    await asyncio.gather(*upgrades)
    assert "(head)" in await asyncio.to_thread(alembic, project, "current")
