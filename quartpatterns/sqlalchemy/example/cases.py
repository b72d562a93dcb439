"""The cases that original and port answer alike, each with a database of its own."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from quart.utils import run_sync
from sqlalchemy import NullPool, make_url, text

from quartpatterns.compare import Arrangement, Case, Difference, File, Step, services
from quartpatterns.compare.error_page import error_page
from quartpatterns.compare.openapi_cases import openapi_cases
from quartpatterns.compare.processes import in_thread
from quartpatterns.sqlalchemy import async_url, make_engine
from quartpatterns.sqlalchemy.migrations import upgrade

USERS = 45
TOO_LARGE = 10**30
ID = {"id": r'"id":(\d+)'}
JSON = {"Content-Type": "application/json"}
MARKUP = "<img src=x onerror=alert(1)>"
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


def _post(value: object, path: str = "/users") -> Step:
    return Step(path, method="POST", json=value)


def _user(name: object, email: object, path: str = "/users") -> Step:
    return _post({"name": name, "email": email}, path)


def _form(fields: dict[str, str | Sequence[str]]) -> Step:
    return Step("/", method="POST", form=fields)


TOO_LARGE_VALUE = error_page(
    400, "The database can't store a value: it is too large, or has invalid text."
)
OVERFLOW = "A number that the database can't store is an error of the client."
DEEP = "JSON that is nested too deeply is an error of the client; Flask answers 500 to it."


def _too_large(name: str, path: str, status: int, page: str) -> Case:
    return Case(
        name,
        Step(path),
        differs=(
            Difference("status", 500, status, OVERFLOW, kind="input"),
            Difference("body", error_page(500), page, OVERFLOW, kind="input"),
        ),
    )


UNICODE = "Input should be a valid string, unable to parse raw data as a unicode string"


def _invalid(*errors: dict[str, str]) -> str:
    detail = "The JSON body of the request is not valid."
    problem = {"detail": detail, "errors": errors, "status": 400, "title": "Bad Request"}
    return json.dumps(problem, separators=(",", ":")) + "\n"


FORMS = ("declarative", "manual", "core")


CASES: tuple[Case, ...] = (
    Case("the page", Step("/", compare="html"), checks=("SA-1",)),
    Case("the page's other pages", Step("/?page=2&per_page=7", compare="html")),
    Case("the first page", Step("/users"), checks=("SA-1",)),
    Case("a later page", Step("/users?page=2")),
    Case("the last page", Step("/users?page=3")),
    Case("after the last page", Step("/users?page=4")),
    Case("a small page", Step("/users?page=5&per_page=3")),
    Case("a page above the maximum size", Step("/users?per_page=100000")),
    Case(
        "invalid pages",
        *(Step(f"/users?page={page}") for page in ("x", "-1", "0", "1.5", "1e1", "%ff", "[]")),
        Step("/?page=x"),
    ),
    Case("invalid sizes", *(Step(f"/users?per_page={size}") for size in ("x", "-1", "0", "1.0"))),
    Case("page names without a value", Step("/users?page="), Step("/users?per_page=")),
    Case(
        "numbers that Python reads",
        *(Step(f"/users?page={page}") for page in ("%2B1", "%201", "0_2", "%D9%A2")),
        Step("/users?page=2&page=x"),
        Step("/users?page[]=2"),
    ),
    _too_large("a page that is too large", f"/users?page={TOO_LARGE}", 404, error_page(404)),
    Case("an enormous size", Step(f"/users?per_page={TOO_LARGE}")),
    Case("a page of fifty", Step("/users?per_page=50")),
    Case("all users as CSV", Step("/users.csv")),
    Case("a user", Step("/users/1"), checks=("SA-4",)),
    Case("a missing user", Step("/users/4711"), Step("/users/0"), Step("/users/-1")),
    _too_large(
        "an id that is too large",
        f"/users/{TOO_LARGE}",
        404,
        error_page(404, "There is no such user."),
    ),
    Case("a user by name", Step("/users/by-name/admin"), checks=("SA-5",)),
    Case("a missing name", Step("/users/by-name/nobody"), checks=("SA-5",)),
    Case(
        "a name is a value, not a statement",
        *(
            Step(f"/{form}/x' OR '1'='1")
            for form in ("users/by-name", "declarative/users", "core/users/by-name")
        ),
    ),
    Case("the declarative form", Step("/declarative/users/admin"), checks=("SA-2", "SA-5")),
    Case("the declarative form, no user", Step("/declarative/users/nobody"), checks=("SA-2",)),
    Case("the declarative form, all users", Step("/declarative/users"), checks=("SA-4", "SA-5")),
    Case(
        "the declarative form, a new user",
        _user("by declaration", "declared@localhost", "/declarative/users"),
        Step("/declarative/users/by declaration"),
        Step("/declarative/users"),
        checks=("SA-2", "SA-5"),
    ),
    Case("the manual form", Step("/manual/users/1"), checks=("SA-6",)),
    Case("the manual form, no user", Step("/manual/users/4711"), checks=("SA-6",)),
    Case("the manual form, all users", Step("/manual/users"), checks=("SA-6",)),
    Case(
        "the manual form, a new user",
        _user("by hand", "mapped@localhost", "/manual/users"),
        Step("/manual/users"),
        Step("/users/by-name/by hand"),
        checks=("SA-6",),
    ),
    _too_large(
        "the manual form, an id that is too large",
        f"/manual/users/{TOO_LARGE}",
        400,
        TOO_LARGE_VALUE,
    ),
    Case("the core form", Step("/core/users/1"), checks=("SA-7",)),
    Case("the core form, no user", Step("/core/users/4711"), checks=("SA-7",)),
    Case("the core form in text", Step("/core/users/by-name/admin"), checks=("SA-7",)),
    Case(
        "the core form in text, no user",
        Step("/core/users/by-name/nobody"),
        checks=("SA-7",),
    ),
    Case(
        "the core form, a new user",
        _user("by statement", "inserted@localhost", "/core/users"),
        Step("/core/users/by-name/by statement"),
        checks=("SA-7",),
    ),
    _too_large(
        "the core form, an id that is too large", f"/core/users/{TOO_LARGE}", 400, TOO_LARGE_VALUE
    ),
    *(
        Case(
            f"all forms find a new user of the {form} form",
            Step(
                f"/{form}/users",
                method="POST",
                json={"name": f"{form} ada", "email": f"{form}@localhost"},
                capture=ID,
            ),
            Step("/users/{id}"),
            Step(f"/declarative/users/{form} ada"),
            Step("/manual/users/{id}"),
            Step("/core/users/{id}"),
            checks=("SA-3", "SA-5"),
        )
        for form in FORMS
    ),
    *(
        Case(
            f"a name that is taken, in the {form} form",
            _user("admin", f"{form}.admin@localhost", f"/{form}/users"),
            _user(f"{form} other", "admin@localhost", f"/{form}/users"),
            Step(f"/users/by-name/{form} other"),
            _user(f"{form} next", f"{form}.next@localhost", f"/{form}/users"),
            checks=("SA-3", "SA-5"),
        )
        for form in FORMS
    ),
    *(
        Case(
            f"invalid input of the {form} form",
            _user("n" * 51, "e" * 121, f"/{form}/users"),
            _post({}, f"/{form}/users"),
            _post([], f"/{form}/users"),
            Step(f"/{form}/users", method="POST", form={"name": "x", "email": "y"}),
            Step(f"/{form}/users", method="DELETE"),
        )
        for form in FORMS
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
        _form({"name": "grace", "email": "grace@localhost"}),
        Step("/users/by-name/grace"),
        Step("/?page=3", compare="html"),
    ),
    Case("a name that is taken, by form", _form({"name": "admin", "email": "x"})),
    Case("any language", _user("Ada Løvelace 洛芙莱斯 \u200c 👩\u200d💻", "løve@localhost")),
    Case(
        "markup is escaped",
        _user(MARKUP, f"\"'{MARKUP}"),
        Step("/?per_page=100", compare="html"),
        Step("/users.csv"),
    ),
    Case("the longest name", _user("n" * 50, "e" * 120)),
    Case("a name that is too long", _user("n" * 51, "long@localhost")),
    Case("an email that is too long", _user("long", "e" * 121)),
    Case("a missing name field", _post({"email": "nameless@localhost"}), _post({})),
    Case("an empty name", _user("", "empty@localhost"), _user("  ", "empty@localhost")),
    Case("names of other types", *(_user(name, "x@localhost") for name in NOT_STRINGS)),
    Case("emails of other types", *(_user("x", email) for email in NOT_STRINGS)),
    Case(
        "a name with control characters",
        *(_user(name, "c@localhost") for name in ("a\0b", "a\nb", "a\x85b", "\ud800")),
    ),
    Case(
        "additional fields",
        _post({"name": "extra", "email": "e", "id": 1}),
        _post({"a/b~ c": {}, "name": "extra"}),
        _form({"name": "extra", "email": "e", "a/b~ c": ["1", "2"]}),
        Step("/users/by-name/extra"),
    ),
    Case(
        "a field whose name is half of a surrogate pair",
        Step("/users", method="POST", json={"\ud800": 1}),
        differs=(
            Difference(
                "body",
                _invalid(
                    {"detail": "Field required", "pointer": "#/name"},
                    {"detail": "Field required", "pointer": "#/email"},
                    {"detail": "Extra inputs are not permitted", "pointer": "#/%3F"},
                ),
                _invalid({"detail": UNICODE, "pointer": "#"}),
                "pydantic checks the names of fields first.",
                kind="text",
            ),
        ),
    ),
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
        Step("/", method="POST", json={"name": "x", "email": "y"}),
        Step("/", method="POST"),
    ),
    Case(
        "unusual forms",
        _form({"name": ["a", "b"], "email": "x"}),
        Step(
            "/",
            method="POST",
            body=b"name=%ff&email=%00",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ),
        Step("/", method="POST", files={"name": File(b"a", "a.txt")}, form={"email": "x"}),
    ),
    Case(
        "methods",
        Step("/users", method="DELETE"),
        Step("/users/1", method="OPTIONS"),
        Step("/", method="OPTIONS"),
        Step("/core/users", method="GET"),
    ),
    Case("a head", Step("/users", method="HEAD"), Step("/users?page=x", method="HEAD")),
    Case("pages that load scripts of other hosts", Step("/redocs"), Step("/scalar")),
)

NEXT = r'"next":"([^"]+)"'
INVALID_CURSOR = error_page(400, "This cursor is invalid. Start from the first page.")


def _newest(number: int) -> tuple[str, Step]:
    """Return a new user as text, and the step that creates it."""
    fields = f'"email":"newest{number}@localhost","id":{{id{number}}},"name":"newest {number}"'
    step = Step(
        "/users",
        method="POST",
        json={"name": f"newest {number}", "email": f"newest{number}@localhost"},
        capture={f"id{number}": ID["id"]},
        expected={"status": 201, "body": f"{{{fields}}}\n"},
    )
    return fields, step


def _cursor_page(query: str, *users: int) -> Step:
    """Return the step of a page with the new *users* and a cursor."""
    shown = ",".join(f"{{{_newest(number)[0]}}}" for number in users)
    return Step(
        f"/newest?{query}",
        capture={"cursor": NEXT},
        mask={f"id{number}": [rf'"id":(\d+),"name":"newest {number}"'] for number in users},
        expected={"status": 200, "body": f'{{"next":"{{cursor}}","users":[{shown}]}}\n'},
    )


def _refused(query: str, message: str) -> Case:
    problem = {
        "title": "Bad Request",
        "status": 400,
        "detail": "The query string of the request is not valid.",
        "errors": [{"detail": message, "parameter": "per_page"}],
    }
    step = Step(f"/newest?{query}", compare="json", expected={"status": 400, "body": problem})
    return Case(f"the newest, with {query}", step)


EXTRAS: tuple[Case, ...] = (
    Case(
        "the newest users, by cursor",
        *(_newest(number)[1] for number in (1, 2, 3)),
        _cursor_page("per_page=2", 3, 2),
        _cursor_page("per_page=1&cursor={cursor}", 1),
    ),
    Case(
        "an invalid cursor",
        *(
            Step(f"/newest?cursor={cursor}", expected={"status": 400, "body": INVALID_CURSOR})
            for cursor in ("x", "%00", "WzFd.x.y", "n" * 2500)
        ),
    ),
    _refused("per_page=x", "Input should be a valid integer, unable to parse string as an integer"),
    _refused("per_page=0", "Input should be greater than or equal to 1"),
    _refused("per_page=101", "Input should be less than or equal to 100"),
    *openapi_cases(Path(__file__).parent),
)
