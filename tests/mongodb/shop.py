"""Documents and applications for these tests."""

from __future__ import annotations

from typing import Annotated, Any, cast

from beanie import Indexed
from pydantic import BaseModel
from pymongo.asynchronous.pool import Pool
from quart import Quart

from quartpatterns.mongodb import Document, MongoDB
from quartpatterns.mongodb.connection import AppDatabase

mongo = MongoDB()


class Size(BaseModel):
    width: int
    height: int = 1


@mongo.register
class Item(Document):
    name: Annotated[str, Indexed(unique=True)]
    price: int = 0
    tags: list[str] = []
    size: Size | None = None

    class Settings:
        validate_on_save = True


@mongo.register
class Animal(Document):
    name: str

    class Settings:
        is_root = True


@mongo.register
class Cat(Animal):
    lives: int = 9


@mongo.register
class Dog(Animal):
    tricks: int = 0


SLEEP = {"$where": "sleep(20000) || true"}
"""A query that takes 20 s for each document of the collection."""


def make_app(app_class: type[Quart], url: str, **config: Any) -> Quart:
    """Return an application with the database at *url*."""
    app = app_class(__name__)
    app.config.from_mapping(MONGODB_URL=url, **config)
    mongo.init_app(app)
    return app


def connection(app: Quart) -> AppDatabase:
    return cast("AppDatabase", app.extensions["mongodb"])


def pool(app: Quart) -> Pool:
    """The connection pool of the client of *app* for the running event loop."""
    client = connection(app).clients.find()
    assert client is not None
    topology: Any = client.client._topology
    (server,) = topology._servers.values()
    return cast("Pool", server.pool)


async def names(app: Quart) -> list[str]:
    """Return the names of all items."""
    async with app.app_context():
        return [item.name async for item in Item.find_all().sort("name")]
