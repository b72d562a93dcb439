"""A login that computes a hash holds no connection of the pool meanwhile."""

from __future__ import annotations

from pathlib import Path

import argon2
from quart import Quart
from sqlalchemy import Pool, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.viewdecorators.passwords import AsyncPasswordHasher


class Base(Model, DeclarativeBase):
    """The base class of the models."""


db = SQLAlchemy(model_class=Base)


class User(Base):
    """A user whose hash is to be replaced."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    password_hash: Mapped[str | None]


async def test_no_connection(app_class: type[Quart], tmp_path: Path) -> None:
    """The end of the transaction gives the connection back, and the user can still be changed."""
    app = app_class(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'test.db'}"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"pool_size": 1, "max_overflow": 0}
    db.init_app(app)
    cheap = argon2.PasswordHasher.from_parameters(argon2.profiles.CHEAPEST)
    passwords = AsyncPasswordHasher()
    checked_out: list[int] = []

    def count() -> None:
        pool: Pool = db.engine.sync_engine.pool
        checked_out.append(pool.checkedout())  # type: ignore[attr-defined]

    @app.post("/login")
    async def login() -> str:
        user = await db.session.scalar(select(User).where(User.name == "ann"))
        assert user is not None
        count()
        await db.session.commit()
        count()
        valid, new_hash = await passwords.verify_and_update("secret", user.password_hash)
        count()
        if new_hash is not None:
            user.password_hash = new_hash
            await db.session.commit()
        return str(valid)

    async with app.test_app():
        async with app.app_context():
            await db.create_all()
            old = cheap.hash("secret")
            db.session.add(User(name="ann", password_hash=old))
            await db.session.commit()
        response = await app.test_client().post("/login")
        assert await response.get_data(as_text=True) == "True"
        async with app.app_context():
            stored = await db.session.scalar(select(User.password_hash))
    assert checked_out == [1, 0, 0]
    assert stored is not None
    assert stored != old
