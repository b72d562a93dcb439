"""``LazySQLAlchemy``: objects load when they are read, in requests, commands and tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from quart import Quart, render_template_string
from sqlalchemy import ForeignKey
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.orm import Mapped, mapped_column, relationship

from quartpatterns.sqlalchemy import LazySQLAlchemy, wait_in_greenlet
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.greenlets import in_greenlet, runs_in_greenlet
from quartpatterns.tasks import Tasks
from quartpatterns.tasks.testing import eager_tasks

db: Any = LazySQLAlchemy()


class Owner(db.Model):  # type: ignore[misc]
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    tools: Mapped[list[Tool]] = relationship(back_populates="owner")
    lent = db.relationship("Loan", lazy="dynamic")


class Tool(db.Model):  # type: ignore[misc]
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))
    owner: Mapped[Owner] = relationship(back_populates="tools")


class Loan(db.Model):  # type: ignore[misc]
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))


TEMPLATE = (
    "{{ owner.tools | length }} {{ owner.lent.count() }} {% for each in owner.lent %}x{% endfor %}"
)


@pytest.fixture
async def app(tmp_path: Path) -> FaithfulQuart:
    app = FaithfulQuart(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'test.db'}"
    app.testing = True
    db.init_app(app)
    async with app.app_context():
        await db.create_all()
        db.session.add(Owner(name="ada", tools=[Tool(), Tool()], lent=[Loan()]))
        await db.session.commit()

    @app.post("/")
    async def index() -> str:
        owner = await Owner.query.first()
        owner.name = "bob"
        await db.session.commit()
        tool = (await Tool.query.order_by(Tool.id).all())[0]
        names = [each.name async for each in Owner.query]
        names += [each.name for each in Owner.query]
        return f"{owner.name} {tool.owner.name} {names} " + await render_template_string(
            TEMPLATE, owner=owner
        )

    @app.cli.command("show")
    async def show() -> None:
        owner = await Owner.query.first()
        click.echo(f"{len(owner.tools)} {await owner.lent.count()}")

    return app


async def test_requests(app: FaithfulQuart) -> None:
    """Queries of SQLAlchemy 1.x are awaited there, too."""
    response = await app.test_client().post("/")
    assert await response.get_data(as_text=True) == "bob bob ['bob', 'bob'] 2 1 x"


async def test_code_that_cannot_await(app: FaithfulQuart) -> None:
    """``wait_in_greenlet`` waits for a query; outside of a greenlet it raises an error."""

    async def test() -> list[str]:
        async with app.app_context():
            return [wait_in_greenlet(Owner.query.first()).name, wait_in_greenlet("a result")]

    assert await in_greenlet(test()) == ["ada", "a result"]
    with pytest.raises(MissingGreenlet):
        await test()


async def test_commands(app: FaithfulQuart) -> None:
    result = app.test_cli_runner().invoke(args=["show"])
    assert (result.output, result.exception) == ("2 1\n", None)


async def test_a_commit_expires(app: FaithfulQuart) -> None:
    """Afterwards an attribute has what another session has written."""

    async def test() -> None:
        async with app.app_context():
            owner = await db.session.get(Owner, 1)
            await db.session.commit()
            async with db.new_session() as session:
                (await session.get(Owner, 1)).name = "eve"
                await session.commit()
            assert owner.name == "eve"

    await in_greenlet(test())
    with pytest.raises(MissingGreenlet):
        await test()


async def test_fixtures(app: FaithfulQuart) -> None:
    """The generator of a fixture runs in a greenlet before and after its ``yield``."""
    ended: list[str] = []

    @runs_in_greenlet
    async def fixture() -> Any:
        async with app.app_context():
            owner = await Owner.query.first()
            yield owner.tools[0].owner.name
            ended.append((await Tool.query.order_by(Tool.id.desc()).first()).owner.name)

    assert [name async for name in fixture()] == ["ada"]
    assert ended == ["ada"]


async def test_foreign_keys(app: FaithfulQuart) -> None:
    """SQLite does not check them, as with Flask-SQLAlchemy."""
    async with app.app_context():
        db.session.add(Tool(owner_id=7))
        await db.session.commit()


def test_other_applications() -> None:
    with pytest.raises(TypeError, match=r"needs .*FaithfulQuart: use SQLAlchemy with Quart"):
        LazySQLAlchemy(Quart(__name__))


def test_options() -> None:
    """The options of sessions override those of this class."""
    lazy: Any = LazySQLAlchemy(session_options={"expire_on_commit": False})
    assert lazy._session_options["expire_on_commit"] is False


async def test_tasks(app: FaithfulQuart) -> None:
    """A task of ``quartpatterns.tasks`` loads as a view does."""
    tasks = Tasks(app)

    @tasks.task
    async def count() -> int:
        owner = await Owner.query.first()
        return len(owner.tools)

    with eager_tasks(app):
        async with app.app_context():
            assert await (await count.delay()).wait() == 2
