"""The types of documents, queries and pages."""

from __future__ import annotations

from typing import Any, assert_type

from pymongo.asynchronous.client_session import AsyncClientSession
from werkzeug.exceptions import HTTPException

from quartpatterns.mongodb import (
    Database,
    Document,
    DocumentInvalid,
    MongoClient,
    MongoDB,
    Pagination,
    PyMongo,
    diagnose,
    literal,
    read_document,
)

mongo = MongoDB()


@mongo.register
class Movie(Document):
    title: str
    year: int | None = None


async def keeps_the_class() -> None:
    assert_type(Movie(title="x").title, str)
    assert_type(mongo.register(Movie), type[Movie])
    assert_type(read_document(Movie, {}), Movie)


async def infers_documents() -> None:
    assert_type(await mongo.get_or_404(Movie, "id"), Movie)
    assert_type(await mongo.first_or_404(Movie.find_all()), Movie)
    assert_type(await mongo.one_or_404(Movie.find_all()), Movie)


async def infers_pages() -> None:
    page = await mongo.paginate(Movie.find_all())
    assert_type(page, Pagination[Movie])
    assert_type(page.items, list[Movie])
    assert_type([movie.year for movie in await page.next()], list[int | None])
    assert_type(page.total, int | None)


async def gives_pymongo() -> None:
    assert_type(mongo.db, Database)
    assert_type(mongo.client, MongoClient)
    assert_type(await mongo.db.users.find_one_or_404(1), dict[str, Any])
    assert_type(await mongo.cx.shop["users"].archive.find_one_or_404(1), dict[str, Any])
    assert_type(PyMongo().db, Database | None)
    async with mongo.transaction() as session:
        assert_type(session, AsyncClientSession)


def answers_errors(error: Exception) -> None:
    assert_type(diagnose(error), HTTPException | None)
    assert_type(literal("x"), dict[str, Any])
    if isinstance(error, DocumentInvalid):
        assert_type(error.fields, dict[str, str])
