"""Requests that original and port must answer alike, each with a database of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

from quart.utils import run_sync

from quartpatterns.compare import Arrangement, Case, Difference, File, Step
from quartpatterns.compare.error_page import error_page
from quartpatterns.compare.openapi_cases import openapi_cases
from quartpatterns.sqlite3.example.original import create_app as create_original
from quartpatterns.sqlite3.example.original import init_db

__all__ = ["CASES", "EXTRAS", "arrange", "fill"]

SCHEMA = Path(__file__).with_name("schema.sql")
JSON = {"Content-Type": "application/json"}
INJECTIONS = ("x' OR '1'='1", "admin'--", "'; DROP TABLE users; --", "x%00' OR 1=1", '" OR ""="')
NOT_TEXT: tuple[object, ...] = (1, None, [], {}, True)
NOT_OBJECTS: tuple[object, ...] = ([], "text", 1, True)
NOT_NUMBERS = (
    "x",
    "",
    "1.5",
    "1.0",
    "1e3",
    "+1",
    "1_0",
    "%201",
    "%D9%A3",
    "9" * 9,
    10**30,
    "9" * 3000,
)
MARKUP = "<img src=x onerror=alert(1)>"


@asynccontextmanager
async def arrange(folder: Path) -> AsyncIterator[Arrangement]:
    """Two databases. ``init_db`` fills that of the original, and the start that of the port."""
    original, port = (
        {"DATABASE": str(folder / f"{side}.db"), "TRUSTED_HOSTS": ["localhost"]}
        for side in ("original", "port")
    )
    app = await run_sync(create_original)(original)
    await run_sync(init_db)(app)
    yield Arrangement(original, port)


def fill(file: str) -> None:
    """Create the database with the users of the schema."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(SCHEMA.read_text())


def _post(value: object) -> Step:
    return Step("/users", method="POST", json=value)


def _form(fields: dict[str, str | Sequence[str]]) -> Step:
    return Step("/", method="POST", form=fields)


def _user(name: object, email: object = "x@localhost") -> Step:
    return _post({"name": name, "email": email})


LISTS = "quart-schema reads name[] as the list name, as PHP does; in Flask it is another field."
DEEP = "JSON that is nested too deeply is an error of the client; Flask answers 500 to it."
LAST_THREE = [
    {"name": "admin", "email": "admin@localhost"},
    {"name": "user002", "email": "user002@localhost"},
    {"name": "user003", "email": "user003@localhost"},
]
NOT_A_LIST = {
    "title": "Bad Request",
    "status": 400,
    "detail": "The query string of the request is not valid.",
    "errors": [{"detail": "Input should be a valid integer"}],
}

CASES: tuple[Case, ...] = (
    Case("a host that is not trusted", Step("/users/admin", headers={"Host": "evil.example"})),
    Case("one row", Step("/users/admin"), checks=("SQ-5", "SQ-6")),
    Case("a page of 50", Step("/users"), checks=("SQ-1", "SQ-2")),
    Case("the HTML page", Step("/", compare="html"), checks=("SQ-8",)),
    Case(
        "other pages of the list",
        *(Step(f"/?page={page}", compare="html") for page in (2, 3, 4)),
    ),
    Case("later pages", Step("/users?page=2"), Step("/users?page=3"), Step("/users?page=4")),
    Case("numbers that are invalid", *(Step(f"/users?page={page}") for page in NOT_NUMBERS)),
    Case("an invalid page in HTML", Step("/?page=0"), Step("/?page=x"), Step("/?page=1&page=2")),
    Case("pages before the first", Step("/users?page=0"), Step("/users?page=-1")),
    Case("a number twice", Step("/users?page=1&page=2"), Step("/dicts?last=1&last=x")),
    Case("another parameter", Step("/users?Page=2&per_page=x")),
    Case(
        "a list of numbers",
        Step("/dicts?last[]=1", compare="json"),
        differs=(
            Difference("status", 200, 400, LISTS, kind="input"),
            Difference(
                "header:content-type",
                "application/json",
                "application/problem+json",
                LISTS,
                kind="input",
            ),
            Difference("body", LAST_THREE, NOT_A_LIST, LISTS, kind="input"),
        ),
    ),
    Case("a missing row", Step("/users/nobody"), checks=("SQ-6",)),
    Case(
        "a name is a value, not a statement",
        *(Step(f"/users/{name}") for name in INJECTIONS),
        Step("/users"),
        checks=("SQ-6",),
    ),
    Case(
        "unusual names",
        *(Step(f"/users/{name}") for name in ("%25", "%C3%B8", "n" * 3000, "%ED", "a/b", "a%2Fb")),
    ),
    Case("rows as dicts", Step("/dicts"), checks=("SQ-5",)),
    Case("an empty result", Step("/dicts?last=0"), checks=("SQ-6",)),
    Case("many dicts", Step("/dicts?last=121"), Step("/dicts?last=99999999")),
    Case("a value of another type", Step("/dicts?last=x"), Step("/dicts?last=1%20OR%201")),
    Case("a streamed export", Step("/users.csv"), Step("/users"), checks=("SQ-1", "SQ-2")),
    Case(
        "a new user is stored",
        _user("ada", "ada@localhost"),
        Step("/users/ada"),
        Step("/users"),
        checks=("SQ-1", "SQ-2", "SQ-6"),
    ),
    Case(
        "a new user by form",
        _form({"name": "grace", "email": "grace@localhost"}),
        Step("/users/grace"),
        Step("/", compare="html"),
    ),
    Case(
        "a new user by a multipart form",
        Step("/", method="POST", form={"name": "joan", "email": "joan@localhost"}, files={}),
        Step("/users/joan"),
    ),
    Case(
        "an injection is stored as a name",
        *(_user(name, name) for name in INJECTIONS),
        Step("/users"),
        checks=("SQ-6",),
    ),
    Case(
        "markup is escaped",
        _user(MARKUP, f"\"'{MARKUP}"),
        Step("/", compare="html"),
        Step("/users/%3Cimg%20src=x%20onerror=alert(1)%3E"),
    ),
    Case(
        "a name that needs quotes in CSV",
        _user('a,"b"', "line separator \u2028"),
        Step("/users.csv"),
    ),
    Case(
        "what is not committed is rolled back",
        Step("/forgotten", method="POST"),
        Step("/forgotten", method="POST"),
        Step("/users/forgotten"),
        checks=("SQ-2", "SQ-3"),
    ),
    Case("a name that is taken", _user("admin"), Step("/users/admin"), _user("next")),
    Case("a taken name, by form", _form({"name": "admin", "email": "x"})),
    Case(
        "several scripts",
        _user("Ada Løvelace 洛芙莱斯 \u200c 👩\u200d💻", "løve@localhost"),
    ),
    Case("the longest name and email", _user("n" * 50, "e" * 120)),
    Case("a name and an email that are too long", _user("n" * 51), _user("n", "e" * 121)),
    Case("two invalid fields", _user("n" * 51, ["e"]), _form({"name": "", "email": "e" * 121})),
    Case("a missing name or email", _post({"email": "x"}), _post({}), _user(""), _user("  ")),
    Case("names of other types", *(_user(name) for name in NOT_TEXT)),
    Case("emails of other types", *(_user(f"mail {email}", email) for email in NOT_TEXT)),
    Case("a name with control characters", _user("a\0b"), _user("a\nb"), _user("a\x85b")),
    Case("half of a surrogate pair", _user("\ud800"), _user("a", "\udc00")),
    Case(
        "an additional field", _post({"name": "extra", "email": "e", "id": 1}), _form({"id": "1"})
    ),
    Case("a key twice", Step("/users", method="POST", body=b'{"name":1,"name":"a"}', headers=JSON)),
    Case("JSON that is not an object", *(_post(value) for value in NOT_OBJECTS)),
    Case(
        "invalid JSON",
        Step("/users", method="POST", body=b"{", headers=JSON),
        Step("/users", method="POST", body=b"", headers=JSON),
        Step("/users", method="POST", body=b'{"name": "\xff"}', headers=JSON),
        Step("/users", method="POST", body=b"null", headers=JSON),
        Step("/users", method="POST", body=b"[NaN, 1e999]", headers=JSON),
    ),
    Case(
        "JSON nested too deep",
        Step(
            "/users",
            method="POST",
            body=b"[" * 100_000,
            headers=JSON,
        ),
        differs=(
            Difference("status", 500, 400, DEEP, kind="input"),
            Difference("body", error_page(500), error_page(400), DEEP, kind="input"),
        ),
    ),
    Case(
        "other types of content",
        Step("/users", method="POST", body=b"name=x", headers={"Content-Type": "text/plain"}),
        Step("/users", method="POST", body=b"name=x"),
        Step("/users", method="POST", body=b""),
        Step("/users", method="POST", form={"name": "x", "email": "y"}),
        Step(
            "/users",
            method="POST",
            body=b'{"name": "typed", "email": "e"}',
            headers={"Content-Type": "application/vnd.user+json; charset=utf-8"},
        ),
    ),
    Case(
        "a form of another type",
        Step("/", method="POST", json={"name": "x", "email": "y"}),
        Step("/", method="POST", body=b"name=x&email=y", headers={"Content-Type": "text/plain"}),
        Step("/", method="POST", body=b"name=x&email=y"),
        Step("/", method="POST"),
    ),
    Case(
        "unusual forms",
        _form({"name": ["a", "b"], "email": "x"}),
        _form({"name": "x"}),
        Step(
            "/",
            method="POST",
            body=b"name=%ff&email=%00",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ),
        Step("/", method="POST", files={"name": File(b"a", "a.txt")}, form={"email": "x"}),
    ),
    Case(
        "other methods",
        Step("/users", method="DELETE"),
        Step("/", method="PUT"),
        Step("/forgotten"),
        Step("/users/admin", method="OPTIONS"),
        Step("/users", method="OPTIONS"),
    ),
    Case("a HEAD request", Step("/users", method="HEAD"), Step("/users?page=x", method="HEAD")),
    Case("pages that load scripts of other hosts", Step("/redocs"), Step("/scalar")),
)

EXTRAS = openapi_cases(Path(__file__).parent)
