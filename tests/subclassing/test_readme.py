"""The examples in README.md run as they are, in their order."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import click
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from quartpatterns import subclassing
from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.subclassing import FaithfulQuart

README = Path(subclassing.__file__).with_name("README.md").read_text()
# Examples in a list are indented.
BLOCKS = [
    textwrap.dedent(block)
    for block in re.findall(r"^ *```python\n(.*?)^ *```", README, re.DOTALL | re.MULTILINE)
]


class Base(Model, DeclarativeBase):
    pass


class User(Base):
    id: Mapped[int] = mapped_column(primary_key=True)


db = SQLAlchemy(model_class=Base)


def run(text: str, **names: Any) -> dict[str, Any]:
    """Run the example that contains *text* and return its names."""
    (block,) = (block for block in BLOCKS if text in block)
    exec(block, names)
    return names


async def test_use() -> None:
    """The first example answers."""
    client = run("def name():", __name__="readme")["app"].test_client()
    assert (await client.post("/name", json={"name": "ada"})).text == '{"name":"ada"}\n'


@pytest.mark.filterwarnings("ignore:'OrderedMultiDict' is deprecated:DeprecationWarning")
def test_subclass() -> None:
    """The subclass uses its request class."""
    names = run("class MyQuart")
    assert names["MyQuart"].request_class is names["MyRequest"]


async def test_single_classes() -> None:
    """The classes work alone on plain Quart."""
    app = run("class App(Hosts")["App"]("readme")
    app.config["TRUSTED_HOSTS"] = ["localhost"]
    client = app.test_client()
    assert (await client.get("/", headers={"Host": "other"})).status_code == 400
    assert (await client.get("/", headers={"Host": "localhost"})).status_code == 404


async def test_command() -> None:
    """The command and its test pass."""
    app = FaithfulQuart("readme")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///:memory:"
    db.init_app(app)
    names = run("def count", app=app, click=click, db=db, select=select, func=func, User=User)
    async with app.test_app():
        async with app.app_context():
            await db.create_all()
            db.session.add_all([User(), User()])
            await db.session.commit()
        await names["test_count"](app)


def test_bridge() -> None:
    """The extension accepts the application."""
    pytest.importorskip("flask_login")
    assert run("LoginManager", __name__="readme")["app"].login_manager


@pytest.mark.parametrize(
    "text",
    ["import flash,", "names import Flask", "ProxyFix(", "@click.group", "@cancel_on_disconnect"],
)
def test_others(text: str) -> None:
    """The other examples run."""
    app = FaithfulQuart("readme")
    run(text, app=app, create_app=lambda: app)
