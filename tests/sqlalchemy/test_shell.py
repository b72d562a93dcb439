"""`quart shell` has the database and the models at hand, and a way to wait for them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from blockbuster import BlockBuster
from quart import Quart
from sqlalchemy import select

from quartpatterns.sqlalchemy.extension import run
from tests.sqlalchemy.shop import Item, db, make_app

APP = """
from quart import Quart
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from quartpatterns.sqlalchemy import Model, SQLAlchemy

class Base(Model, DeclarativeBase):
    pass

db = SQLAlchemy(model_class=Base)

class User(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]

app = Quart(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shell.db"
db.init_app(app)
"""

TYPED = """
run(db.create_all())
async def add():
    db.session.add(User(name="ada"))
    await db.session.commit()

run(add)
print("got", run(db.get_or_404(User, 1)).name)
print("got", run(lambda: db.session.scalar(db.select(User.name))))
import asyncio
run(db.session.scalar(db.select(User.name)))
"""


def test_shell(write: Callable[[Mapping[str, str]], Path]) -> None:
    """The names and run() work in `quart shell`."""
    folder = write({"shelled.py": APP})
    done = subprocess.run(
        [sys.executable, "-m", "quart", "--app", "shelled", "shell"],
        input=TYPED,
        cwd=folder,
        env={**os.environ, "PYTHONSTARTUP": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("got ada") == 2
    assert "run(lambda: db.session...)" in done.stderr
    assert done.stderr.count("Traceback") == 1


def test_run(app_class: type[Quart], sqlite_url: str, no_blocking: BlockBuster) -> None:
    """run() raises the error of its work, and uses a context of its own."""
    app = make_app(app_class, sqlite_url)
    no_blocking.deactivate()  # a prompt blocks its loop, that is what run() is for

    async def prompt() -> None:
        async with app.app_context():
            names = app.make_shell_context()
            assert names["db"] is db
            assert names["Item"] is Item
            run(db.create_all())
            run(lambda: db.session.scalar(select(Item.name)))
            with pytest.raises(LookupError):
                run(fail)

    async def fail() -> None:
        raise LookupError

    asyncio.run(prompt())
