"""The requests that original and port must answer alike, each with its own database."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from bson import ObjectId
from pymongo import AsyncMongoClient

from quartpatterns.compare import Arrangement, Capture, Case, Difference, File, Step
from quartpatterns.compare.openapi_cases import openapi_cases
from quartpatterns.compare.processes import in_thread
from quartpatterns.compare.services import mongodb

__all__ = ["CASES", "EXTRAS", "arrange"]

TOO_LARGE = 10**30
UNKNOWN = "0" * 24
ROGUE_ONE = f"{1:024x}"
JSON = {"Content-Type": "application/json"}
MARKUP = "<img src=x onerror=alert(1)>"
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


NOT_DICTS: tuple[object, ...] = ("tt1", [], 1, False)
NOT_OBJECTS: tuple[object, ...] = ([], "text", 1, True)
IDENT = "([0-9a-f]{24})"
ID = {"id": rf'"id":"{IDENT}"'}
SAME_ID = {"id": [rf'"id":"{IDENT}"']}
LINKS = {"id": [rf'href="/movies/{IDENT}"']}
LOCATION = {"id": [Capture(rf"/movies/{IDENT}", place="header:location")]}


def post(path: str, value: object, **options: Any) -> Step:
    return Step(path, method="POST", json=value, **options)


def movie(**fields: object) -> Step:
    """Return a step that creates a movie."""
    return post("/movies", fields, capture=ID, mask=LOCATION)


def read(path: str = "/movies/{id}") -> Step:
    """Return a step that reads the movie or user with the captured id."""
    return Step(path, mask=SAME_ID)


def form(**fields: str | Sequence[str]) -> Step:
    return Step("/", method="POST", form=fields)


def nested(depth: int) -> object:
    value: object = "x"
    for _ in range(depth):
        value = [value]
    return value


def problem(status: int, title: str, detail: str, **members: object) -> dict[str, Any]:
    return {"title": title, "status": status, "detail": detail, **members}


def bad(
    *errors: tuple[str, str], part: str = "JSON body", place: str = "pointer"
) -> dict[str, Any]:
    """Return the answer to an invalid request: messages by place."""
    return problem(
        400,
        "Bad Request",
        f"The {part} of the request is not valid.",
        errors=[{"detail": message, place: name} for name, message in errors],
    )


def worded(
    *errors: tuple[str, str, str],
    step: int = 0,
    part: str = "JSON body",
    place: str = "pointer",
) -> Difference:
    """Return the difference of two messages: the place, and the words of original and port."""
    return Difference(
        "body",
        bad(*((name, text) for name, text, _ in errors), part=part, place=place),
        bad(*((name, text) for name, _, text in errors), part=part, place=place),
        "The messages are those of MongoEngine and of pydantic.",
        step,
        kind="text",
    )


SERVER_ERROR = problem(
    500,
    "Internal Server Error",
    "The server encountered an internal error and was unable to complete your request. Either the"
    " server is overloaded or there is an error in the application.",
)
NOT_FOUND = problem(
    404,
    "Not Found",
    "The requested URL was not found on the server. If you entered the URL manually please check"
    " your spelling and try again.",
)
UNSTORABLE = problem(
    400, "Bad Request", "A value is too large for MongoDB, or of a type that it can't store."
)
TOO_DEEP = problem(400, "Bad Request", "The document is nested more deeply than MongoDB allows.")
INVALID_JSON = problem(
    400,
    "Bad Request",
    "The browser (or proxy) sent a request that this server could not understand.",
)


def failing(answer: dict[str, Any], *, step: int = 0) -> tuple[Difference, ...]:
    """Return the differences of a 500 of the original and *answer* of the port."""
    reason = "A value that the driver cannot store is an error of the client."
    return (
        Difference("status", 500, answer["status"], reason, step, kind="input"),
        Difference("body", SERVER_ERROR, answer, reason, step, kind="input"),
    )


def refused(
    original: str, port: dict[str, Any], reason: str, *, status: int = 201, step: int
) -> tuple[Difference, ...]:
    """Return the differences of a movie that the original stores, and a problem of the port."""
    body = re.compile(re.escape(original).replace("ID", IDENT) + "\n")
    text = json.dumps(port, separators=(",", ":"), sort_keys=True) + "\n"
    types = "application/json", "application/problem+json"
    return (
        Difference("status", status, 400, reason, step, kind="input"),
        Difference("header:content-type", *types, reason, step, kind="input"),
        Difference("body", body, text, reason, step, kind="input"),
        *(
            Difference(
                "header:location", re.compile(f"/movies/{IDENT}"), None, reason, step, kind="input"
            )
            for _ in range(status == 201)
        ),
    )


ORDER = "The port refuses an invalid request before it looks for the movie."
LISTS = "quart-schema reads name[] as the list name, as PHP does; in Flask it is another field."
FIRST_MOVIE = {
    "movies": [
        {
            "id": f"{2:024x}",
            "title": "Movie 02",
            "year": 2002,
            "rated": None,
            "director": None,
            "actors": [ACTORS[2]],
            "imdb": None,
        }
    ],
    "page": 1,
    "per_page": 1,
    "total": 45,
    "pages": 45,
    "next": 2,
    "prev": None,
}
NOT_A_NUMBER_LIST = problem(
    400,
    "Bad Request",
    "The query string of the request is not valid.",
    errors=[{"detail": "Input should be a valid integer"}],
)
NOT_TEXT = ("StringField only accepts string values", "Input should be a valid string")
MISSING = ("Field is required", "Field required")
NOT_A_NUMBER = "Input should be a whole number"
NOT_FINITE = "Input should be a finite number"
NOT_DECIMAL = (
    "Could not convert value to decimal: [<class 'decimal.ConversionSyntax'>]",
    "Input should be a number",
)
NOT_A_LIST = ("Only lists and tuples may be used in a list field", "Input should be a valid list")

CASES: tuple[Case, ...] = (
    Case("the page", Step("/", compare="html")),
    Case(
        "the page's other pages",
        Step("/?page=2&per_page=7", compare="html"),
        Step("/?page=3", compare="html"),
    ),
    Case("the first page", Step("/movies")),
    Case("a later page", Step("/movies?page=2")),
    Case("the last page", Step("/movies?page=3")),
    Case("after the last page", Step("/movies?page=4"), Step("/?page=4")),
    Case("a small page", Step("/movies?page=5&per_page=3")),
    Case("a size above the maximum", Step("/movies?per_page=100000")),
    Case(
        "invalid pages",
        *(Step(f"/movies?page={page}") for page in ("x", "-1", "0", "", "1.0", "1e1", "%ff")),
        Step("/?page=x"),
    ),
    Case("invalid sizes", *(Step(f"/movies?per_page={size}") for size in ("x", "0", "", "1.5"))),
    Case(
        "numbers that Python reads",
        *(Step(f"/movies?page={page}") for page in ("%2B2", "%202", "0_2", "%D9%A2")),
    ),
    Case("a number twice", Step("/movies?page=1&page=2"), Step("/movies?per_page=2&per_page=x")),
    Case(
        "a list of numbers",
        Step("/movies?per_page=1&page[]=1", compare="json"),
        differs=(
            Difference("status", 200, 400, LISTS, kind="input"),
            Difference(
                "header:content-type",
                "application/json",
                "application/problem+json",
                LISTS,
                kind="input",
            ),
            Difference("body", FIRST_MOVIE, NOT_A_NUMBER_LIST, LISTS, kind="input"),
        ),
    ),
    Case("a number of many digits", Step(f"/movies?page={'9' * 3000}")),
    Case("a page that is too large", Step(f"/movies?page={TOO_LARGE}"), Step("/?page=1000001")),
    Case("an enormous size", Step(f"/movies?per_page={TOO_LARGE}")),
    Case("a movie", Step(f"/movies/{ROGUE_ONE}"), checks=("ME-1", "ME-2", "ME-4")),
    Case("an unknown movie", Step(f"/movies/{UNKNOWN}"), checks=("ME-4",)),
    Case(
        "an invalid id",
        *(Step(f"/movies/{ident}") for ident in ("x", f"{ROGUE_ONE}0", "%00", "[$ne]", "n" * 3000)),
        checks=("ME-4",),
    ),
    Case("a movie by title", Step("/movies/titled/Rogue One"), checks=("ME-4",)),
    Case("a title that no movie has", Step("/movies/titled/Rogue Two"), checks=("ME-4",)),
    Case("a title is a value", Step("/movies/titled/%7B%22$ne%22:null%7D")),
    Case("a movie by actor", Step("/movies/starring/Donnie Yen"), checks=("ME-4",)),
    Case("an actor without a movie", Step("/movies/starring/Nobody"), checks=("ME-4",)),
    Case("movies of a year and later", Step("/movies/since/2017"), checks=("ME-4",)),
    Case("a year that no movie has reached", Step("/movies/since/3000")),
    Case("a year that is too large in a path", Step(f"/movies/since/{TOO_LARGE}")),
    Case("movies by year", Step("/movies/by-year")),
    Case(
        "a new movie by form",
        form(title="By form", year="2020", director="", actors=["A", "B", ""]),
        Step("/movies/starring/B", capture=ID),
        form(title="Alone"),
        Step("/movies/titled/Alone", capture={"alone": ID["id"]}),
        Step("/", compare="html", mask={**LINKS, "alone": LINKS["id"]}),
    ),
    Case(
        "a new movie by form with one actor",
        form(title="By form again", actors="C", rated="G", imdb="tt1"),
        Step("/movies/starring/C", capture=ID),
    ),
    Case(
        "markup is escaped",
        form(title=MARKUP, director=f"\"'{MARKUP}", actors=[MARKUP]),
        # Granian refuses unquoted angle brackets in a path, as RFC 3986 does.
        Step(f"/movies/titled/{quote(MARKUP)}", capture=ID),
        Step("/?per_page=1", compare="html", mask=LINKS),
    ),
    Case(
        "a new movie",
        movie(title="Solo", year=2018, actors=["Alden Ehrenreich"]),
        read(),
        read("/movies/titled/Solo"),
        read("/movies/starring/Alden Ehrenreich"),
        checks=("ME-2", "ME-3"),
    ),
    Case(
        "a movie with an embedded document",
        movie(
            title="Rogue Three",
            rated="PG",
            director="Nobody",
            imdb={"imdb_id": "tt1", "rating": 7.5, "votes": 3, "other": 1},
        ),
        read(),
        checks=("ME-2",),
    ),
    Case(
        "ratings are rounded",
        *(
            movie(title=f"Rated {rating}", imdb={"rating": rating})
            for rating in (9.123456, 9.125, 9.135, 7, "8.456", -0.001, 1e15)
        ),
        read(),
        checks=("ME-2",),
    ),
    Case(
        "a rating that is no number",
        post("/movies", {"title": "x", "imdb": {"rating": "Infinity"}}, compare="json"),
        post("/movies", {"title": "Not rated", "imdb": {"rating": "NaN"}}),
        differs=(
            *failing(bad(("#/imdb/rating", NOT_DECIMAL[1]))),
            *refused(
                '{"actors":[],"director":null,"id":"ID","imdb":{"imdb_id":null,"rating":NaN,'
                '"votes":null},"rated":null,"title":"Not rated","year":null}',
                bad(("#/imdb/rating", NOT_FINITE)),
                "JSON has no NaN.",
                step=1,
            ),
        ),
    ),
    Case(
        "nothing in place of a value",
        movie(title="Nulls", year=None, rated=None, director=None, actors=None, imdb=None),
        read(),
        movie(title="Null votes", imdb={"imdb_id": None, "rating": None, "votes": None}),
        read(),
        movie(title="", actors=[""], imdb={}),
        read(),
    ),
    Case(
        "no title, and invalid values",
        post(
            "/movies",
            {
                "year": "2017.0",
                "rated": 1,
                "director": [],
                "actors": "A",
                "imdb": {"imdb_id": 1, "rating": True, "votes": "x"},
            },
            compare="json",
        ),
        checks=("ME-2", "ME-3"),
        differs=(
            worded(
                ("#/title", *MISSING),
                ("#/year", "2017.0 could not be converted to int", NOT_A_NUMBER),
                ("#/rated", *NOT_TEXT),
                ("#/director", *NOT_TEXT),
                ("#/actors", *NOT_A_LIST),
                ("#/imdb/imdb_id", *NOT_TEXT),
                ("#/imdb/rating", *NOT_DECIMAL),
                ("#/imdb/votes", "x could not be converted to int", NOT_A_NUMBER),
            ),
        ),
    ),
    Case(
        "a title and an actor that are not text",
        post("/movies", {"title": {"$gt": ""}, "actors": ["A", 1]}, compare="json"),
        differs=(worded(("#/title", *NOT_TEXT), ("#/actors/1", *NOT_TEXT)),),
    ),
    Case(
        "a year with a fraction",
        movie(title="Fraction"),
        post("/movies/{id}/year", {"year": 2017.5}),
        differs=refused(
            '{"actors":[],"director":null,"id":"ID","imdb":null,"rated":null,"title":"Fraction",'
            '"year":2017}',
            bad(("#/year", "Input should be a valid integer, got a number with a fractional part")),
            "A fraction of a year is not truncated.",
            status=200,
            step=1,
        ),
    ),
    Case(
        "a year as text",
        movie(title="As text", year="2017"),
        read(),
        movie(title="As digits", year="\u0662"),
        movie(title="As a word", year=True),
    ),
    Case(
        "a year of more than 64 bits",
        post("/movies", {"title": "x", "year": TOO_LARGE}, compare="json"),
        differs=failing(UNSTORABLE),
    ),
    Case("a year of 64 bits", movie(title="Late", year=2**63 - 1), read()),
    Case(
        "an embedded document that is none",
        *(post("/movies", {"title": "x", "imdb": imdb}) for imdb in NOT_DICTS),
    ),
    Case(
        "a title with a lone surrogate",
        post("/movies", {"title": "\ud800"}, compare="json"),
        differs=failing(UNSTORABLE),
    ),
    Case("any language", movie(title="Ein Løve 洛芙莱斯 👩\u200d💻 a\0b"), read()),
    Case(
        "an id from the client",
        movie(_id=ROGUE_ONE, id=ROGUE_ONE, title="Own"),
        Step(f"/movies/{ROGUE_ONE}"),
    ),
    Case(
        "assign and save",
        movie(title="Later", year=2000),
        post("/movies/{id}/year", {"year": 2001}, mask=SAME_ID),
        read(),
        post("/movies/{id}/year", {"year": None}, mask=SAME_ID),
        post("/movies/{id}/year", {}, mask=SAME_ID),
        post("/movies/{id}/year", {"year": "2002"}, mask=SAME_ID),
        post("/movies/{id}/year", {"year": True}, mask=SAME_ID),
        checks=("ME-3",),
    ),
    Case(
        "assign an invalid value",
        movie(title="Never"),
        post("/movies/{id}/year", {"year": "soon"}, compare="json"),
        read(),
        checks=("ME-3",),
        differs=(worded(("#/year", "soon could not be converted to int", NOT_A_NUMBER), step=1),),
    ),
    Case(
        "assign to no movie",
        post(f"/movies/{UNKNOWN}/year", {"year": 1}),
        post("/movies/x/year", []),
        Step("/movies/x/year", method="POST", form={"year": "1"}),
    ),
    Case(
        "assign an invalid value to no movie",
        post(f"/movies/{UNKNOWN}/year", {"year": "x"}, compare="json"),
        differs=(
            Difference("status", 404, 400, ORDER, kind="input"),
            Difference("body", NOT_FOUND, bad(("#/year", NOT_A_NUMBER)), ORDER, kind="input"),
        ),
    ),
    Case(
        "search",
        *(
            post("/movies/search", {"title": title})
            for title in ("Rogue One", "Rogue", "", None, 1, ["Rogue One"], {"a": 1})
        ),
        post("/movies/search", {}),
    ),
    Case(
        "search by an operator",
        post("/movies/search", {"title": {"$in": ["Movie 02"]}}, compare="json"),
        differs=(
            Difference(
                "body",
                {"titles": ["Movie 02"]},
                {"titles": []},
                "The port treats data as a value; MongoEngine passes the operator to the database.",
                kind="security",
            ),
        ),
    ),
    Case(
        "search by a form with an operator",
        Step("/movies/search", method="POST", form={"title[$ne]": "x"}),
        Step("/movies/search?title[$ne]=x", method="POST", json={}),
    ),
    Case(
        "values that are nested too deep",
        post("/collection/users", {"name": nested(300)}, compare="json"),
        differs=failing(TOO_DEEP),
    ),
    Case(
        "JSON nested too deep",
        Step("/movies", method="POST", body=b"[" * 100_000, headers=JSON, compare="json"),
        differs=failing(INVALID_JSON),
    ),
    Case(
        "a user",
        post("/users", {"name": "ada", "email": "ada@localhost"}, capture=ID),
        read("/users/ada"),
        Step("/users"),
        checks=("MK-1", "MK-2", "MK-3"),
    ),
    Case(
        "users are sorted by name",
        *(
            post(path, {"name": name, "email": email}, capture=ID)
            for path in ("/users", "/collection/users")
            for name, email in (("zed", "abe@localhost"), ("abe", "zed@localhost"))
        ),
        Step("/users"),
        Step("/collection/users"),
        checks=("MK-3", "MK-4"),
    ),
    Case("an unknown user", Step("/users/nobody"), checks=("MK-3",)),
    Case(
        "the longest name",
        post("/users", {"name": "n" * 50, "email": "e" * 120}, capture=ID),
        checks=("MK-2",),
    ),
    Case(
        "a name and an email that are too long",
        post("/users", {"name": "n" * 51, "email": "e" * 121}, compare="json"),
        checks=("MK-2",),
        differs=(
            worded(
                *(
                    (
                        f"#/{name}",
                        "String value is too long",
                        f"String should have at most {limit} characters",
                    )
                    for name, limit in (("name", 50), ("email", 120))
                )
            ),
        ),
    ),
    Case(
        "a name that is not text",
        post("/users", {"name": 1}, compare="json"),
        checks=("MK-3",),
        differs=(worded(("#/name", *NOT_TEXT), ("#/email", *MISSING)),),
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
        read("/collection/users/grace"),
        Step("/collection/users"),
        checks=("MK-4",),
    ),
    Case(
        "a collection has no schema",
        post("/collection/users", {"name": "schemaless", "email": {"a": [1, None]}}, capture=ID),
        read("/collection/users/schemaless"),
    ),
    Case("an unknown user in the collection", Step("/collection/users/nobody"), checks=("MK-4",)),
    Case(
        "not an object",
        *(post("/movies", value) for value in NOT_OBJECTS),
        *(post(path, []) for path in ("/movies/search", "/users", "/collection/users")),
        post(f"/movies/{ROGUE_ONE}/year", 1),
    ),
    Case(
        "invalid JSON",
        *(
            Step("/movies", method="POST", body=body, headers=JSON)
            for body in (b"{", b"null", b"", b'{"title": "\xff"}')
        ),
    ),
    Case(
        "other types of content",
        Step("/movies", method="POST", body=b"title=x", headers={"Content-Type": "text/plain"}),
        Step("/movies", method="POST", form={"title": "x"}),
        Step("/movies", method="POST"),
        post("/", {"title": "x"}),
    ),
    Case(
        "an invalid form",
        Step(
            "/",
            method="POST",
            form={"title": ["a", "b"], "year": "x", "actors": ["A"]},
            compare="json",
        ),
        differs=(
            worded(
                ("title", *NOT_TEXT),
                ("year", "x could not be converted to int", NOT_A_NUMBER),
                part="form",
                place="field",
            ),
        ),
    ),
    Case(
        "a file in place of a title",
        Step("/", method="POST", files={"title": File(b"a", "a.txt")}, compare="json"),
        differs=(worded(("title", *MISSING), part="form", place="field"),),
    ),
    Case("methods", Step("/movies", method="DELETE"), Step("/movies", method="OPTIONS")),
    Case("a head", Step(f"/movies/{ROGUE_ONE}", method="HEAD")),
    Case("pages that load scripts of other hosts", Step("/redocs"), Step("/scalar")),
)

EXTRAS = openapi_cases(Path(__file__).parent)
