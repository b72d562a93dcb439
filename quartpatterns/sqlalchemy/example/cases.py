"""The cases that original and port answer alike, each with a database of its own."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from quart.utils import run_sync
from sqlalchemy import NullPool, make_url, text

from quartpatterns.compare import Arrangement, Case, Difference, Step, services
from quartpatterns.compare.processes import in_thread
from quartpatterns.sqlalchemy import async_url, make_engine
from quartpatterns.sqlalchemy.migrations import upgrade

USERS = 45
TOO_LARGE = 10**30
NEXT = r'"next":"([^"]+)"'
NOT_STRINGS: tuple[object, ...] = (1, None, [], {}, True)
NOT_OBJECTS: tuple[object, ...] = ([], "text", 1, True)


@asynccontextmanager
async def arrange(folder: Path, *, postgres_url: str | None = None) -> AsyncIterator[Arrangement]:
    """Create two databases with the same tables and users.

    The environment variable ``QUARTPATTERNS_POSTGRES`` is the URL of a PostgreSQL server to use
    instead of SQLite, or ``start`` to start one. ``QUARTPATTERNS_USERS`` is the number of users.

    Arguments:
        folder: The folder of the SQLite files.
        postgres_url: The URL of a PostgreSQL server to use instead, with a user who may create
            databases. They are dropped at the end.
    """
    users = int(os.environ.get("QUARTPATTERNS_USERS", USERS))
    async with AsyncExitStack() as stack:
        postgres_url = postgres_url or os.environ.get("QUARTPATTERNS_POSTGRES") or None
        if postgres_url == "start":
            postgres_url = await stack.enter_async_context(in_thread(services.postgres()))
        urls = {}
        for side in ("original", "port"):
            if postgres_url is None:
                urls[side] = f"sqlite:///{folder / side}.db"
            else:
                urls[side] = await stack.enter_async_context(_database(postgres_url, side))
            await run_sync(upgrade)(urls[side])
            await add_users(urls[side], users)
        yield Arrangement(
            original={"SQLALCHEMY_DATABASE_URI": urls["original"]},
            port={"SQLALCHEMY_DATABASE_URI": urls["port"]},
        )


async def add_users(url: str, count: int = USERS) -> None:
    """Insert *count* users. The name of the first is ``admin``."""
    insert = text(
        "INSERT INTO users (name, email)"
        " WITH RECURSIVE numbers (n) AS"
        " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count),"
        " names (n, name) AS (SELECT n, CASE WHEN n = 1 THEN 'admin'"
        " WHEN n < 10 THEN 'user0' || n ELSE 'user' || n END FROM numbers)"
        " SELECT name, name || '@localhost' FROM names ORDER BY n"
    )
    engine = make_engine(async_url(url))
    async with engine.begin() as connection:
        await connection.execute(insert, {"count": count})
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE"))
    await engine.dispose()


@asynccontextmanager
async def _database(url: str, side: str) -> AsyncIterator[str]:
    given = make_url(url)
    name = f"{given.database}_{side}_{secrets.token_hex(4)}"
    options = {"poolclass": NullPool, "isolation_level": "AUTOCOMMIT"}
    engine = make_engine(async_url(given), options=options)
    async with engine.connect() as connection:
        await connection.execute(text(f'CREATE DATABASE "{name}"'))
        try:
            yield given.set(database=name).render_as_string(hide_password=False)
        finally:
            await connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))


def _post(value: object) -> Step:
    return Step("/users", method="POST", json=value)


def _user(name: object, email: object) -> Step:
    return _post({"name": name, "email": email})


def _overflow(status: int) -> tuple[Difference, ...]:
    reason = "A number that the database can't store is an error of the client."
    page = re.compile(r"(?s).*Internal Server Error.*")
    return (
        Difference("status", 500, status, reason),
        Difference("header:content-length", "265", re.compile(r"\d+"), reason),
        Difference("body", page, re.compile(r"(?s).*(Not Found|Bad Request).*"), reason),
    )


CASES: tuple[Case, ...] = (
    Case("the page", Step("/", compare="html"), checks=("SA-1",)),
    Case("the page's other pages", Step("/?page=2&per_page=7", compare="html")),
    Case("the first page", Step("/users"), checks=("SA-1",)),
    Case("a later page", Step("/users?page=2")),
    Case("the last page", Step("/users?page=3")),
    Case("after the last page", Step("/users?page=4")),
    Case("a small page", Step("/users?page=5&per_page=3")),
    Case("a page above the maximum size", Step("/users?per_page=100000")),
    Case("invalid pages", *(Step(f"/users?page={page}") for page in ("x", "-1", "0", "1.5"))),
    Case("invalid sizes", *(Step(f"/users?per_page={size}") for size in ("x", "-1", "0"))),
    Case("page names without a value", Step("/users?page="), Step("/users?per_page=")),
    Case(
        "a page that is too large",
        Step(f"/users?page={TOO_LARGE}"),
        differs=_overflow(404),
    ),
    Case("an enormous size", Step(f"/users?per_page={TOO_LARGE}")),
    Case("a page of fifty", Step("/users?per_page=50")),
    Case("the newest", Step("/newest?per_page=50")),
    Case(
        "the newest, page by page",
        # The lengths of cursors differ, and so those of the answers that hold one.
        Step("/newest", capture={"cursor": NEXT}, ignore_headers=("content-length",)),
        Step("/newest?cursor={cursor}", capture={"last": NEXT}, ignore_headers=("content-length",)),
        Step("/newest?cursor={last}"),
    ),
    Case(
        "invalid cursors",
        *(Step(f"/newest?cursor={cursor}") for cursor in ("x", "%00", "WzFd.x.y", "n" * 2500)),
        Step("/newest?cursor=&per_page=50"),
    ),
    Case("all users as CSV", Step("/users.csv")),
    Case("a user", Step("/users/1"), checks=("SA-4",)),
    Case("a missing user", Step("/users/4711"), Step("/users/0"), Step("/users/-1")),
    Case(
        "an id that is too large",
        Step(f"/users/{TOO_LARGE}"),
        differs=_overflow(404),
    ),
    Case("a user by name", Step("/users/by-name/admin"), checks=("SA-5",)),
    Case("a missing name", Step("/users/by-name/nobody"), checks=("SA-5",)),
    Case("a name is a value, not a statement", Step("/users/by-name/x' OR '1'='1")),
    Case("the declarative form", Step("/declarative/users/admin"), checks=("SA-2", "SA-5")),
    Case("the declarative form, no user", Step("/declarative/users/nobody"), checks=("SA-2",)),
    Case("the manual form", Step("/manual/users/1"), checks=("SA-6",)),
    Case("the manual form, no user", Step("/manual/users/4711"), checks=("SA-6",)),
    Case("the core form", Step("/core/users/1"), checks=("SA-7",)),
    Case("the core form, no user", Step("/core/users/4711"), checks=("SA-7",)),
    Case("the core form in text", Step("/core/users/by-name/admin"), checks=("SA-7",)),
    Case(
        "the core form in text, no user",
        Step("/core/users/by-name/nobody"),
        checks=("SA-7",),
    ),
    Case(
        "the core form, an id that is too large",
        Step(f"/core/users/{TOO_LARGE}"),
        differs=_overflow(400),
    ),
    Case(
        "all forms find a new user",
        Step(
            "/users",
            method="POST",
            json={"name": "ada", "email": "ada@localhost"},
            capture={"id": r'"id":(\d+)'},
        ),
        Step("/users/{id}"),
        Step("/declarative/users/ada"),
        Step("/manual/users/{id}"),
        Step("/core/users/{id}"),
        checks=("SA-3", "SA-5"),
    ),
    Case(
        "a name that is taken",
        _user("admin", "other@localhost"),
        _user("other", "admin@localhost"),
        Step("/users/by-name/other"),
        checks=("SA-3", "SA-5"),
    ),
    Case("a request after a failure", _user("admin", "admin@localhost"), Step("/users/1")),
    Case(
        "a new user by form",
        Step("/users", method="POST", form={"name": "grace", "email": "grace@localhost"}),
        Step("/users/by-name/grace"),
    ),
    Case("a name that is taken, by form", Step("/users", method="POST", form={"name": "admin"})),
    Case("any language", _user("Ada Løvelace 洛芙莱斯 \u200c 👩\u200d💻", "løve@localhost")),
    Case("the longest name", _user("n" * 50, "e" * 120)),
    Case("a name that is too long", _user("n" * 51, "long@localhost")),
    Case("an email that is too long", _user("long", "e" * 121)),
    Case("a missing name field", _post({"email": "nameless@localhost"}), _post({})),
    Case("an empty name", _user("", "empty@localhost"), _user("  ", "empty@localhost")),
    Case("names of other types", *(_user(name, "x@localhost") for name in NOT_STRINGS)),
    Case("a name with a NUL", _user("a\0b", "nul@localhost"), _user("\ud800", "half@localhost")),
    Case("JSON that is not an object", *(_post(value) for value in NOT_OBJECTS)),
    Case(
        "a body that is not JSON",
        Step("/users", method="POST", body=b"{", headers={"Content-Type": "application/json"}),
        Step("/users", method="POST", body=b"name=x", headers={"Content-Type": "text/plain"}),
        Step("/users", method="POST", body=b""),
        Step("/users", method="POST", body=b"null", headers={"Content-Type": "application/json"}),
    ),
    Case("methods", Step("/users", method="DELETE"), Step("/users/1", method="OPTIONS")),
    Case("a head", Step("/users", method="HEAD")),
)
