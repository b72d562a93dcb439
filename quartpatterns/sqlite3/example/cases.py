"""Requests that original and port must answer alike, each with a database of its own."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from quart.utils import run_sync

from quartpatterns.compare import Arrangement, Case, Difference, Step

__all__ = ["CASES", "arrange", "fill"]

SCHEMA = Path(__file__).with_name("schema.sql")
INJECTIONS = ("x' OR '1'='1", "admin'--", "'; DROP TABLE users; --", "x%00' OR 1=1", '" OR ""="')
NOT_TEXT: tuple[object, ...] = (1, None, [], {}, True)
NOT_OBJECTS: tuple[object, ...] = ([], "text", 1, True)
TOO_LARGE = 10**30


@asynccontextmanager
async def arrange(folder: Path) -> AsyncIterator[Arrangement]:
    """Two databases with the same table and users."""
    files = {side: str(folder / f"{side}.db") for side in ("original", "port")}
    for file in files.values():
        await run_sync(fill)(file)
    yield Arrangement({"DATABASE": files["original"]}, {"DATABASE": files["port"]})


def fill(file: str) -> None:
    """Create the database with the users of the schema."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(SCHEMA.read_text())


def _post(value: object) -> Step:
    return Step("/users", method="POST", json=value)


def _user(name: object, email: object = "x@localhost") -> Step:
    return _post({"name": name, "email": email})


_reason = "A number that the database can't store is an error of the client."
OVERFLOW = (
    Difference("status", 500, 400, _reason),
    Difference("header:content-length", "265", re.compile(r"\d+"), _reason),
    Difference(
        "body",
        re.compile(r"(?s).*Internal Server Error.*"),
        re.compile(r"(?s).*too large for the database.*"),
        _reason,
    ),
)

CASES: tuple[Case, ...] = (
    Case("one row", Step("/users/admin"), checks=("SQ-5", "SQ-6")),
    Case("a page of 50", Step("/users"), checks=("SQ-1", "SQ-2")),
    Case("the HTML page", Step("/", compare="html"), checks=("SQ-8",)),
    Case("the last page of the list", Step("/?page=3", compare="html")),
    Case("later pages", Step("/users?page=2"), Step("/users?page=3"), Step("/users?page=4")),
    Case("invalid pages", *(Step(f"/users?page={page}") for page in ("x", "", "1.5", "1e3"))),
    Case("pages before the first", Step("/users?page=0"), Step("/users?page=-1")),
    Case("a page number that is too large", Step(f"/users?page={TOO_LARGE}"), differs=OVERFLOW),
    Case("a missing row", Step("/users/nobody"), checks=("SQ-6",)),
    Case(
        "a name is a value, not a statement",
        *(Step(f"/users/{name}") for name in INJECTIONS),
        Step("/users"),
        checks=("SQ-6",),
    ),
    Case(
        "unusual names", *(Step(f"/users/{name}") for name in ("%25", "%C3%B8", "n" * 3000, "%ED"))
    ),
    Case("rows as dicts", Step("/dicts"), checks=("SQ-5",)),
    Case("an empty result", Step("/dicts?last=0"), checks=("SQ-6",)),
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
        Step("/users", method="POST", form={"name": "grace", "email": "grace@localhost"}),
        Step("/users/grace"),
    ),
    Case(
        "an injection is stored as a name",
        *(_user(name, name) for name in INJECTIONS),
        Step("/users"),
        checks=("SQ-6",),
    ),
    Case(
        "what is not committed is rolled back",
        Step("/forgotten", method="POST"),
        Step("/forgotten", method="POST"),
        Step("/users/forgotten"),
        checks=("SQ-2", "SQ-3"),
    ),
    Case("a name that is taken", _user("admin"), Step("/users/admin"), _user("next")),
    Case(
        "a taken name, by form", Step("/users", method="POST", form={"name": "admin", "email": "x"})
    ),
    Case(
        "several scripts",
        _user("Ada Løvelace 洛芙莱斯 \u200c 👩\u200d💻", "løve@localhost"),
    ),
    Case("the longest name and email", _user("n" * 50, "e" * 120)),
    Case("a name and an email that are too long", _user("n" * 51), _user("n", "e" * 121)),
    Case("a missing name or email", _post({"email": "x"}), _post({}), _user(""), _user("  ")),
    Case("names of other types", *(_user(name) for name in NOT_TEXT)),
    Case("a name with a NUL", _user("a\0b"), _user("\ud800")),
    Case("JSON that is not an object", *(_post(value) for value in NOT_OBJECTS)),
    Case(
        "invalid JSON",
        Step("/users", method="POST", body=b"{", headers={"Content-Type": "application/json"}),
        Step("/users", method="POST", body=b"name=x", headers={"Content-Type": "text/plain"}),
        Step("/users", method="POST", body=b""),
        Step("/users", method="POST", body=b"null", headers={"Content-Type": "application/json"}),
    ),
    Case("other methods", Step("/users", method="DELETE"), Step("/users/admin", method="OPTIONS")),
    Case("a HEAD request", Step("/users", method="HEAD")),
)
