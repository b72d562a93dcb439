"""The requests that original and port must answer alike, each with its own database."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bson import ObjectId
from pymongo import AsyncMongoClient

from quartpatterns.compare import Arrangement, Case, Difference, Step
from quartpatterns.compare.processes import in_thread
from quartpatterns.compare.services import mongodb

__all__ = ["CASES", "arrange"]

TOO_LARGE = 10**30
UNKNOWN = "0" * 24
ROGUE_ONE = f"{1:024x}"
ACTORS = ("Felicity Jones", "Diego Luna", "Ben Mendelsohn", "Donnie Yen")


def movies() -> list[dict[str, Any]]:
    rogue_one = {
        "_id": ObjectId(ROGUE_ONE),
        "title": "Rogue One",
        "year": 2016,
        "rated": "PG-13",
        "director": "Gareth Edwards",
        "actors": list(ACTORS),
        "imdb": {"imdb_id": "tt3748528", "rating": 7.8, "votes": 541},
    }
    others = (
        {
            "_id": ObjectId(f"{number:024x}"),
            "title": f"Movie {number:02}",
            "year": 2000 + number % 20,
            "actors": [ACTORS[number % 3]],
        }
        for number in range(2, 46)
    )
    return [rogue_one, *others]


@asynccontextmanager
async def arrange(folder: Path) -> AsyncIterator[Arrangement]:
    """Make two databases with the same movies on one server, and drop them at the end."""
    async with in_thread(mongodb()) as url:
        async with AsyncMongoClient[dict[str, Any]](url) as client:
            run = secrets.token_hex(4)
            names = {side: f"quartpatterns_{run}_{side}" for side in ("original", "port")}
            for name in names.values():
                await client[name]["movie"].insert_many(movies())
            configs = {side: settings(url, name) for side, name in names.items()}
            try:
                yield Arrangement(original=configs["original"], port=configs["port"])
            finally:
                for name in names.values():
                    await client.drop_database(name)


def settings(url: str, name: str) -> dict[str, Any]:
    host = urlsplit(url)._replace(path=f"/{name}").geturl()
    return {"MONGODB_SETTINGS": {"host": host}}


NOT_OBJECTS: tuple[object, ...] = ([], "text", 1)
ID = {"id": r'"id":"([0-9a-f]{24})"'}
DIGITS = re.compile(r"\d+")


def post(path: str, value: object, **options: Any) -> Step:
    return Step(path, method="POST", json=value, **options)


def movie(**fields: object) -> Step:
    return post("/movies", fields, capture=ID)


def differing(
    original: object, port: object, reason: str, *, step: int = 0
) -> tuple[Difference, ...]:
    """Return the differences of two bodies, and of their lengths."""
    return (
        Difference("header:content-length", DIGITS, DIGITS, reason, step),
        Difference("body", original, port, reason, step),
    )


def invalid(original: object, port: dict[str, str], *, step: int = 0) -> tuple[Difference, ...]:
    """Return the differences of two 422 answers that name the same fields."""
    reason = "The messages are those of MongoEngine and of pydantic, which names embedded fields."
    answer = {"title": "Unprocessable Entity", "status": 422}
    return differing({**answer, "fields": original}, {**answer, "fields": port}, reason, step=step)


def saying(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?s).*{words}.*")


def failing(status: int, detail: str) -> tuple[Difference, ...]:
    """Return the differences of a 500 of the original and an error of the port."""
    reason = "A value that the driver cannot store is an error of the client."
    return (
        Difference("status", 500, status, reason),
        *differing(saying("internal error"), saying(detail), reason),
    )


def no_movie(step: int) -> tuple[Difference, ...]:
    reason = "An invalid id belongs to no document; Flask-MongoEngine answered 404 too."
    original = {"title": "Unprocessable Entity", "status": 422, "fields": {}}
    port = {"title": "Not Found", "status": 404, "detail": "There is no such movie."}
    return (
        Difference("status", 422, 404, reason, step),
        *differing(original, port, reason, step=step),
    )


FRACTION = "A fraction of a year is not truncated."
NOT_TEXT = ("StringField only accepts string values", "Input should be a valid string")
MISSING = ("Field is required", "Field required")
NOT_A_NUMBER = "Input should be a valid integer, unable to parse string as an integer"

CASES: tuple[Case, ...] = (
    Case("the page", Step("/", compare="html")),
    Case("the page's other pages", Step("/?page=2&per_page=7", compare="html")),
    Case("the first page", Step("/movies")),
    Case("a later page", Step("/movies?page=2")),
    Case("the last page", Step("/movies?page=3")),
    Case("after the last page", Step("/movies?page=4")),
    Case("a small page", Step("/movies?page=5&per_page=3")),
    Case("a size above the maximum", Step("/movies?per_page=100000")),
    Case("invalid pages", *(Step(f"/movies?page={page}") for page in ("x", "-1", "0", ""))),
    Case("invalid sizes", *(Step(f"/movies?per_page={size}") for size in ("x", "0", ""))),
    Case(
        "a page that is too large",
        Step(f"/movies?page={TOO_LARGE}"),
        differs=failing(404, "not found"),
    ),
    Case("an enormous size", Step(f"/movies?per_page={TOO_LARGE}")),
    Case("a movie", Step(f"/movies/{ROGUE_ONE}"), checks=("ME-1", "ME-2", "ME-4")),
    Case("an unknown movie", Step(f"/movies/{UNKNOWN}"), checks=("ME-4",)),
    Case(
        "an invalid id",
        Step("/movies/x", compare="json"),
        Step(f"/movies/{ROGUE_ONE}0", compare="json"),
        checks=("ME-4",),
        differs=(*no_movie(0), *no_movie(1)),
    ),
    Case("a movie by title", Step("/movies/titled/Rogue One"), checks=("ME-4",)),
    Case("a title that no movie has", Step("/movies/titled/Rogue Two"), checks=("ME-4",)),
    Case("a title is a value", Step("/movies/titled/%7B%22$ne%22:null%7D")),
    Case("a movie by actor", Step("/movies/starring/Donnie Yen"), checks=("ME-4",)),
    Case("an actor without a movie", Step("/movies/starring/Nobody"), checks=("ME-4",)),
    Case("movies of a year and later", Step("/movies/since/2017"), checks=("ME-4",)),
    Case("a year that no movie has reached", Step("/movies/since/3000")),
    Case(
        "a year that is too large in a path",
        Step(f"/movies/since/{TOO_LARGE}"),
        differs=failing(400, "too large for MongoDB"),
    ),
    Case("movies by year", Step("/movies/by-year")),
    Case(
        "a new movie",
        movie(title="Solo", year=2018, actors=["Alden Ehrenreich"]),
        Step("/movies/{id}"),
        Step("/movies/titled/Solo"),
        Step("/movies/starring/Alden Ehrenreich"),
        checks=("ME-2", "ME-3"),
    ),
    Case(
        "a movie with an embedded document",
        movie(title="Rogue Three", imdb={"imdb_id": "tt1", "rating": 7.5, "votes": 3}),
        Step("/movies/{id}"),
        checks=("ME-2",),
    ),
    Case(
        "a new movie by form",
        Step(
            "/movies",
            method="POST",
            form={"title": "By form", "year": "2020", "director": "", "actors": ["A", "B", ""]},
        ),
        Step("/movies/starring/B", capture=ID),
        Step("/", compare="html"),
    ),
    Case(
        "no title",
        post("/movies", {"year": 2017}, compare="json"),
        checks=("ME-3",),
        differs=invalid({"title": MISSING[0]}, {"title": MISSING[1]}),
    ),
    Case(
        "a title that is not text",
        post("/movies", {"title": 1}, compare="json"),
        post("/movies", {"title": {"$gt": ""}}, compare="json"),
        differs=(
            *invalid({"title": NOT_TEXT[0]}, {"title": NOT_TEXT[1]}),
            *invalid({"title": NOT_TEXT[0]}, {"title": NOT_TEXT[1]}, step=1),
        ),
    ),
    Case(
        "an invalid year",
        post("/movies", {"title": "x", "year": "last"}, compare="json"),
        differs=invalid({"year": "last could not be converted to int"}, {"year": NOT_A_NUMBER}),
    ),
    Case(
        "a year with a fraction",
        post("/movies", {"title": "Fraction", "year": 2017.5}),
        differs=(
            Difference("status", 201, 422, FRACTION),
            Difference(
                "header:content-type", "application/json", "application/problem+json", FRACTION
            ),
            Difference("header:location", re.compile("/movies/[0-9a-f]{24}"), None, FRACTION),
            *differing(saying('"year":2017'), saying("a fractional part"), FRACTION),
        ),
    ),
    Case("a year as text", movie(title="As text", year="2017"), Step("/movies/{id}")),
    Case(
        "a year of more than 64 bits",
        post("/movies", {"title": "x", "year": TOO_LARGE}),
        differs=failing(400, "too large for MongoDB"),
    ),
    Case(
        "an invalid embedded document",
        post("/movies", {"title": "x", "imdb": "tt1"}),
        differs=(
            Difference("status", 500, 422, "MongoEngine treats the text as a document."),
            *differing(
                saying("internal error"),
                saying("valid dictionary or instance of Imdb"),
                "MongoEngine treats the text as a document.",
            ),
        ),
    ),
    Case(
        "an embedded document without its id",
        post("/movies", {"title": "x", "imdb": {"votes": 1}}, compare="json"),
        checks=("ME-2",),
        differs=invalid({"imdb": {"imdb_id": MISSING[0]}}, {"imdb.imdb_id": MISSING[1]}),
    ),
    Case(
        "invalid actors",
        post("/movies", {"title": "x", "actors": [1]}, compare="json"),
        differs=invalid({"actors": {"0": NOT_TEXT[0]}}, {"actors.0": NOT_TEXT[1]}),
    ),
    Case(
        "a title with a lone surrogate",
        post("/movies", {"title": "\ud800"}),
        differs=failing(400, "a type that it can't store"),
    ),
    Case("any language", movie(title="Ein Løve 洛芙莱斯 👩\u200d💻 a\0b"), Step("/movies/{id}")),
    Case(
        "an id from the client",
        movie(_id=ROGUE_ONE, id=ROGUE_ONE, title="Own"),
        Step(f"/movies/{ROGUE_ONE}"),
    ),
    Case(
        "assign and save",
        movie(title="Later", year=2000),
        post("/movies/{id}/year", {"year": 2001}),
        Step("/movies/{id}"),
        checks=("ME-3",),
    ),
    Case(
        "assign an invalid value",
        movie(title="Never"),
        post("/movies/{id}/year", {"year": "soon"}, compare="json"),
        Step("/movies/{id}"),
        checks=("ME-3",),
        differs=invalid(
            {"year": "soon could not be converted to int"}, {"year": NOT_A_NUMBER}, step=1
        ),
    ),
    Case("search", post("/movies/search", {"title": "Rogue One"})),
    Case(
        "search by an operator",
        post("/movies/search", {"title": {"$gt": ""}}),
        differs=differing(
            saying("Movie 02.*Movie 45"),
            re.compile(r'\{"titles":\[\]\}\s*'),
            "The port treats data as a value; MongoEngine passes the operator to the database.",
        ),
    ),
    Case(
        "search by a form with an operator",
        Step("/movies/search", method="POST", form={"title[$ne]": "x"}),
        Step("/movies/search?title[$ne]=x", method="POST", form={}),
    ),
    Case(
        "a user",
        post("/users", {"name": "ada", "email": "ada@localhost"}, capture=ID),
        Step("/users/ada"),
        Step("/users"),
        checks=("MK-1", "MK-2", "MK-3"),
    ),
    Case("an unknown user", Step("/users/nobody"), checks=("MK-3",)),
    Case(
        "the longest name",
        post("/users", {"name": "n" * 50, "email": "e" * 120}, capture=ID),
        checks=("MK-2",),
    ),
    Case(
        "a name that is too long",
        post("/users", {"name": "n" * 51, "email": "x@localhost"}, compare="json"),
        checks=("MK-2",),
        differs=invalid(
            {"name": "String value is too long"},
            {"name": "String should have at most 50 characters"},
        ),
    ),
    Case(
        "an email that is too long",
        post("/users", {"name": "n", "email": "e" * 121}, compare="json"),
        checks=("MK-2",),
        differs=invalid(
            {"email": "String value is too long"},
            {"email": "String should have at most 120 characters"},
        ),
    ),
    Case(
        "a name that is not text",
        post("/users", {"name": 1, "email": "x@localhost"}, compare="json"),
        checks=("MK-3",),
        differs=invalid({"name": NOT_TEXT[0]}, {"name": NOT_TEXT[1]}),
    ),
    Case(
        "an email that is taken",
        post("/users", {"name": "one", "email": "one@localhost"}, capture=ID),
        post("/users", {"name": "two", "email": "one@localhost"}),
        Step("/users/two"),
    ),
    Case(
        "a user in the collection",
        post("/collection/users", {"name": "grace", "email": "g@localhost"}, capture=ID),
        Step("/collection/users/grace"),
        Step("/collection/users"),
        checks=("MK-4",),
    ),
    Case("an unknown user in the collection", Step("/collection/users/nobody"), checks=("MK-4",)),
    Case("not an object", *(post("/movies", value) for value in NOT_OBJECTS)),
    Case(
        "invalid JSON",
        Step("/movies", method="POST", body=b"{", headers={"Content-Type": "application/json"}),
        Step("/movies", method="POST", body=b"null", headers={"Content-Type": "application/json"}),
    ),
    Case("methods", Step("/movies", method="DELETE"), Step("/movies", method="OPTIONS")),
    Case("a head", Step(f"/movies/{ROGUE_ONE}", method="HEAD")),
)
