"""The cases in which original and port must respond alike, and the declared differences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from quartpatterns.compare import Case, Difference, File, Step

__all__ = ["CASES"]

REMEDY = "the message names the remedy"
LANGUAGES = "messages are in the visitor's language, which Flask-WTF leaves to Flask-Babel"
ORIGIN = "the browser's headers name another site; Flask-WTF does not check them"
SESSION_FIRST = "the session is checked first, because it must have a token"
EARLY = "without a token the body is not read, so its size is unknown"
FILE = "text fields see no files, which Flask-WTF passes to their validators"
LIMIT = "the message names the limit in units that people read"
NUMBER = "a number in JSON becomes a text"
JSON = "JSON that is not a form is refused; Flask-WTF fails"

MISSING = "The CSRF token is missing."
LENGTH = re.compile(r"\d+")
TOKEN = {"token": r'name="csrf-token" content="([^"]+)"'}
# The session holds random bytes.
SESSION = ("set-cookie",)
PNG = File(b"\x89PNG\r\n", "ada.png", "image/png")
ADA = {
    "username": "adalove",
    "email": "ada@example.com",
    "password": "engine",
    "confirm": "engine",
    "accept_tos": "y",
}


def page(path: str, **options: Any) -> Step:
    """The request for a page with a token."""
    return Step(path, compare="html", capture=TOKEN, ignore_headers=SESSION, **options)


def post(
    path: str,
    form: Mapping[str, str | Sequence[str]] = {},
    *,
    token: str | Sequence[str] = "{token}",
    **options: Any,
) -> Step:
    """A request with a form and the token of the page before; the response is a page."""
    fields: dict[str, str | Sequence[str]] = {"csrf_token": token, **form}
    return page(path, method="POST", form=fields, **options)


def varies(step: int = 0) -> Difference:
    """The response depends on the visitor's language."""
    return Difference("header:vary", "Cookie", "Accept-Language, Cookie", LANGUAGES, step)


def limit(original: str, port: str, step: int) -> list[Difference]:
    """Both refuse what is too large, and the port names the limit."""
    return [
        Difference(
            "body", re.compile(original, re.DOTALL), re.compile(port, re.DOTALL), LIMIT, step
        ),
        Difference("header:content-length", LENGTH, LENGTH, LIMIT, step),
    ]


def refused(message: str, step: int) -> list[Difference]:
    """Both refuse for the same reason, and the message of the port is longer."""
    original = re.compile(rf".*<p>{re.escape(message)}</p>\n", re.DOTALL)
    port = re.compile(rf".*<p>{re.escape(message)} \w.*</p>\n", re.DOTALL)
    return [
        Difference("body", original, port, REMEDY, step),
        Difference("header:content-length", LENGTH, LENGTH, REMEDY, step),
    ]


def bad_token(name: str, step: Step, message: str, *, is_form: bool = True) -> Case:
    """A request without a valid token, after the page that has one."""
    differs = refused(message, 1)
    if message == MISSING and is_form:
        differs.append(Difference("header:vary", None, "Cookie", SESSION_FIRST, 1))
    return Case(name, page("/register"), step, checks=("WT-9",), differs=differs)


def multipart(*parts: bytes) -> bytes:
    """A multipart body that is written by hand."""
    return b"".join(b"--b\r\n" + part for part in parts) + b"--b--\r\n"


def raw(path: str, body: bytes, kind: str, *, ignore: Sequence[str] = (), **options: Any) -> Step:
    """A request with a body as it is, and with the token in a header."""
    if options.get("compare") == "html":
        # A token contains the second in which it was signed, so each page has a token of its own.
        options["capture"] = TOKEN
    headers = {"Content-Type": kind, "X-CSRFToken": "{token}"}
    ignored = (*SESSION, *ignore)
    return Step(path, method="POST", body=body, headers=headers, ignore_headers=ignored, **options)


URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"


FORMS = (
    Case("the index", page("/"), checks=("WT-2",), differs=[varies()]),
    Case("the registration form", page("/register"), checks=("WT-1", "WT-2", "WT-4")),
    Case("the login form", page("/login"), checks=("WT-2",)),
    Case(
        "a registration",
        page("/register"),
        Step(
            "/register",
            method="POST",
            form={"csrf_token": "{token}", **ADA},
            ignore_headers=SESSION,
        ),
        page("/login"),
        page("/"),
        checks=("WT-2", "WT-8"),
        differs=[varies(3)],
    ),
    Case(
        "a name and an address that are in use",
        page("/register"),
        post("/register", ADA),
        checks=("WT-5",),
    ),
    Case(
        "a login",
        page("/login"),
        Step(
            "/login",
            method="POST",
            form={"csrf_token": "{token}", "username": "adalove", "password": "engine"},
            ignore_headers=SESSION,
        ),
        page("/"),
        checks=("WT-2", "WT-5"),
        differs=[varies(2)],
    ),
    Case(
        "a wrong password",
        page("/login"),
        post("/login", {"username": "adalove", "password": "guess"}),
        post("/login", {"username": '"><b>', "password": "guess"}),
        post("/login", {"password": "guess"}),
        checks=("WT-2", "WT-5"),
    ),
    Case("an empty form", page("/register"), post("/register"), checks=("WT-1", "WT-2", "WT-4")),
    Case(
        "invalid values",
        page("/register"),
        post(
            "/register",
            {
                "username": "<i>",
                "email": '"><script>',
                "password": "secret",
                "confirm": "guess",
                "accept_tos": "",
            },
        ),
        post("/register", {**ADA, "username": "grace", "password": "", "confirm": ""}),
        post("/register", {**ADA, "username": "grüße\u2713" * 4, "email": "a" * 36}),
        post("/register", {**ADA, "username": "gracehop", "accept_tos": "false"}),
        checks=("WT-1", "WT-2", "WT-4", "WT-5"),
    ),
    Case(
        "a search by the query",
        page("/", query={"q": "lov"}),
        page("/", query={"q": "nobody"}),
        page("/", query={"q": "<b>" * 9}),
        page("/", query=[("q", "ada"), ("q", "x")]),
        checks=("WT-3",),
        differs=[varies(step) for step in range(4)],
    ),
    Case(
        "a picture",
        page("/picture"),
        Step(
            "/picture",
            method="POST",
            form={"csrf_token": "{token}"},
            files={"picture": PNG},
            ignore_headers=SESSION,
        ),
        page("/"),
        checks=("WT-7", "WT-8"),
        differs=[varies(2)],
    ),
    Case(
        "invalid pictures",
        page("/picture"),
        post("/picture"),
        post("/picture", files={"picture": File(b"", "")}),
        post("/picture", files={"picture": File(b"GIF", "ada.gif")}),
        post("/picture", files={"picture": File(b"x" * 10_001, "ada.png")}),
        post("/picture", files={"picture": File(b"", "ADA.PNG.exe")}),
        post("/picture", {"picture": "ada.png"}, files={"other": PNG}),
        checks=("WT-7",),
        differs=limit(
            ".*File must be between 0 and 10000 bytes.*",
            ".*File must not be larger than 10 kB.*",
            4,
        ),
    ),
)

TOKENS = (
    Case(
        "a token in a header",
        page("/register"),
        Step(
            "/check",
            method="POST",
            form={"username": "gracehop"},
            headers={"X-CSRFToken": "{token}"},
            ignore_headers=SESSION,
        ),
        Step(
            "/check",
            method="POST",
            json={"username": "adalove"},
            headers={"X-CSRF-Token": "{token}"},
            ignore_headers=SESSION,
        ),
        checks=("WT-8", "WT-5"),
    ),
    Case(
        "a token for a script",
        Step(
            "/csrf-token",
            compare="json",
            capture={"token": r'"csrf_token":"([^"]+)"'},
            ignore_headers=SESSION,
        ),
        Step(
            "/check",
            method="POST",
            form={"username": "ada"},
            headers={"X-CSRFToken": "{token}"},
            ignore_headers=SESSION,
        ),
        checks=("WT-12",),
    ),
    Case(
        "the token of a form with a prefix",
        page("/register"),
        Step(
            "/check",
            method="POST",
            form={"one-csrf_token": "", "two-csrf_token": "{token}", "username": "gracehop"},
            ignore_headers=SESSION,
        ),
        checks=("WT-8",),
    ),
    bad_token(
        "no token",
        Step("/register", method="POST", form=ADA),
        MISSING,
    ),
    bad_token(
        "an empty token",
        Step("/register", method="POST", form={"csrf_token": ["", "{token}"]}),
        MISSING,
    ),
    bad_token(
        "a forged token",
        Step("/register", method="POST", form={"csrf_token": "forged.\x00.tok\u00e9n", **ADA}),
        "The CSRF token is invalid.",
    ),
    bad_token(
        "a forged token before a valid one",
        Step("/register", method="POST", form={"csrf_token": ["{token}x", "{token}"]}),
        "The CSRF token is invalid.",
    ),
    bad_token(
        "a huge token",
        Step("/register", method="POST", form={"csrf_token": "A" * 400_000}),
        "The CSRF token is invalid.",
    ),
    bad_token(
        "a token in the query",
        Step("/register", method="POST", query={"csrf_token": "{token}"}, form=ADA),
        MISSING,
    ),
    bad_token(
        "a token in JSON",
        Step("/check", method="POST", json={"csrf_token": "{token}", "username": "gracehop"}),
        MISSING,
        is_form=False,
    ),
    bad_token(
        "a token in a body that is not a form",
        Step(
            "/register",
            method="POST",
            body=b"csrf_token=x",
            headers={"Content-Type": "text/plain"},
        ),
        MISSING,
        is_form=False,
    ),
    bad_token(
        "multipart without a boundary",
        Step(
            "/picture",
            method="POST",
            body=multipart(b'Content-Disposition: form-data; name="csrf_token"\r\n\r\nx\r\n'),
            headers={"Content-Type": "multipart/form-data"},
        ),
        MISSING,
        is_form=False,
    ),
    bad_token(
        "malformed multipart",
        Step(
            "/picture",
            method="POST",
            body=b"\x00\xff" * 1000,
            headers={"Content-Type": MULTIPART},
        ),
        MISSING,
    ),
    Case(
        "a token without its session",
        Step("/register", method="POST", form={"csrf_token": "x.y.z", **ADA}),
        checks=("WT-9",),
        differs=refused("The CSRF session token is missing.", 0),
    ),
    Case("another method", Step("/check", method="DELETE"), Step("/check", method="OPTIONS")),
    Case("no such page", Step("/nothing", method="POST", form=ADA)),
    Case(
        "another site with a valid token",
        page("/register"),
        Step(
            "/register",
            method="POST",
            form={"csrf_token": "{token}"},
            headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
            compare="ignore",
            ignore_headers=("content-length", "set-cookie"),
        ),
        checks=("WT-10",),
        differs=[
            Difference("status", 200, 400, ORIGIN, 1),
            Difference("header:vary", "Cookie", None, ORIGIN, 1),
        ],
    ),
)

BAD_INPUT = (
    Case(
        "a language",
        page("/login"),
        post("/login", headers={"Accept-Language": "de-AT, en;q=0.5"}),
        checks=("WT-13",),
        differs=[
            Difference(
                "body",
                re.compile(".*This field is required.*", re.DOTALL),
                re.compile(".*Dieses Feld wird benötigt.*", re.DOTALL),
                LANGUAGES,
                1,
            ),
            # The pages have different lengths.
            Difference("header:content-length", LENGTH, LENGTH, LANGUAGES, 1),
        ],
    ),
    Case(
        "repeated fields",
        page("/login"),
        post("/login", {"username": ["one", "two"], "password": ["three", ""]}),
        checks=("WT-14",),
    ),
    Case(
        "ten thousand fields",
        page("/login"),
        post("/login", {f"field-{number}": "x" for number in range(10_000)}),
        checks=("WT-14",),
    ),
    Case(
        "zero bytes and invalid text",
        page("/login"),
        post("/login", {"username": "a\x00b", "password": "\x00"}),
        raw("/login", b"username=\xff\xfe%ff%fe&password=%00", URLENCODED, compare="html"),
        raw(
            "/login",
            multipart(b'Content-Disposition: form-data; name="username"\r\n\r\n\xff\xfe\x00\r\n'),
            MULTIPART,
            compare="html",
        ),
        checks=("WT-14",),
    ),
    Case(
        "a huge text",
        page("/register"),
        post("/register", {**ADA, "username": "u" * 450_000, "email": "e" * 400_000}),
        checks=("WT-14",),
    ),
    Case(
        "more than is allowed",
        page("/register"),
        Step(
            "/register",
            method="POST",
            form={"csrf_token": "{token}", "username": "u" * 1_100_000},
        ),
        checks=("WT-14",),
        differs=[
            Difference("header:vary", None, "Cookie", SESSION_FIRST, 1),
            *limit(".*exceeds the capacity limit.*", ".*The form is larger than 1 MB.*", 1),
        ],
    ),
    Case(
        "more than is allowed, without a token",
        page("/register"),
        Step(
            "/register",
            method="POST",
            form={"username": "u" * 1_100_000},
            compare="ignore",
            ignore_headers=("content-length",),
        ),
        checks=("WT-11",),
        differs=[
            Difference("status", 413, 400, EARLY, 1),
            Difference("header:vary", None, "Cookie", EARLY, 1),
        ],
    ),
    Case(
        "a file in place of a text",
        page("/register"),
        Step(
            "/register",
            method="POST",
            form={"csrf_token": "{token}"},
            files={"username": PNG},
            compare="ignore",
            ignore_headers=("content-length", "set-cookie"),
        ),
        checks=("WT-14",),
        differs=[Difference("status", 500, 200, FILE, 1)],
    ),
    Case(
        "JSON that is not a form",
        page("/register"),
        *(
            # The body is Flask's page for a 500.
            raw("/check", body, "application/json", compare="ignore", ignore=("content-length",))
            for body in (b"[1]", b'{"username": {"a": 1}}', b'{"username": 5}', b'{"username": ')
        ),
        checks=("WT-14",),
        differs=[
            Difference("status", 500, 400, JSON, 1),
            Difference("status", 500, 400, JSON, 2),
            Difference("status", 500, 200, NUMBER, 3),
            Difference(
                "header:content-type", "text/html; charset=utf-8", "application/json", NUMBER, 3
            ),
        ],
    ),
)

CASES: tuple[Case, ...] = FORMS + TOKENS + BAD_INPUT
