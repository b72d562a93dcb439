"""The cases in which original and port must respond alike, and the declared differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quartpatterns.compare import Capture, Case, Difference, File, Step
from quartpatterns.compare.case import same_settings
from quartpatterns.compare.error_page import error_page
from quartpatterns.compare.redirect_page import redirect_page

__all__ = ["CASES", "EXTRAS", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])

ORIGIN = "the browser's headers name another site; Flask-WTF does not check them"
SESSION_FIRST = "the token at the start of the form is checked before all of the form is read"
EARLY = "without a token the body is not read, so its size is unknown"
FILE = "a text field gets no file; Flask-WTF passes the file to its validators, which fail"
LIMIT = "the message names the limit in units that people read"
NUMBER = "a number in JSON is converted to a text; with Flask-WTF it is a server error"
JSON = "JSON that is not a form is refused; with Flask-WTF it is a server error"

LARGER = "The form is larger than 1 MB. Choose smaller files."
MISSING = "The CSRF token is missing."
HTML = "text/html; charset=utf-8"
TOKEN: dict[str, str | Capture] = {"token": r'name="csrf-token" content="([^"]+)"'}
# The token of the session, which is 20 random bytes, when the session is stored.
SESSION = Capture(r'"csrf_token":"([0-9a-f]{40})"', "header:set-cookie")
HIDDEN = r'name="?csrf_token"?(?: type="hidden")? value="([^"]+)"'
WITH_FORM = ("/register", "/plain/register", "/login", "/picture", "/extras/anmelden")
PNG = File(b"\x89PNG\r\n", "ada.png", "image/png")
ADA = {
    "username": "adalove",
    "email": "ada@example.com",
    "password": "engine",
    "confirm": "engine",
    "accept_tos": "y",
}
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"


def page(path: str, *, shows_message: bool = False, known: bool = False, **options: Any) -> Step:
    """Return the request for a page, whose token contains the time of the response.

    Arguments:
        path: Its path.
        shows_message: Whether it shows a flashed message, so that the session is stored again.
        known: Whether the session has a token already.
        options: The other arguments of the step.
    """
    mask: dict[str, list[str | Capture]] = {}
    if path.partition("?")[0] in WITH_FORM:
        mask["token"] = [HIDDEN]
    if shows_message:
        mask["session"] = [SESSION]
    capture = TOKEN if known or shows_message else {**TOKEN, "session": SESSION}
    return Step(path, compare="html", capture=capture, mask=mask, **options)


def send(path: str, form: Mapping[str, str | Sequence[str]], **options: Any) -> Step:
    """Return a request with a form and the token of the page before; it stores a message."""
    fields: dict[str, str | Sequence[str]] = {"csrf_token": "{token}", **form}
    return Step(path, method="POST", form=fields, mask={"session": [SESSION]}, **options)


def post(
    path: str,
    form: Mapping[str, str | Sequence[str]] = {},
    *,
    token: str | Sequence[str] = "{token}",
    **options: Any,
) -> Step:
    """Return a request with a form and the token of the page before; the response is a page."""
    fields: dict[str, str | Sequence[str]] = {"csrf_token": token, **form}
    return page(path, known=True, method="POST", form=fields, **options)


def answered(reason: str) -> list[Difference]:
    """Return the differences of a request on which Flask-WTF fails, and that the port answers."""
    body = '{"errors":["Field must be between 4 and 25 characters long."],"free":false}\n'
    return [
        Difference("status", 500, 200, reason, 1, kind="input"),
        Difference("header:content-type", HTML, "application/json", reason, 1, kind="input"),
        Difference("body", error_page(500), body, reason, 1, kind="input"),
    ]


def refused(name: str, step: Step) -> Case:
    """Return the case of a request without a valid token, after the page that has one."""
    return Case(name, page("/register"), step, checks=("WT-9",))


def multipart(*parts: bytes) -> bytes:
    """Return a multipart body that is written by hand."""
    return b"".join(b"--b\r\n" + part for part in parts) + b"--b--\r\n"


def raw(path: str, body: bytes, kind: str, **options: Any) -> Step:
    """Return a request with a body as it is, and with the token in a header."""
    headers = {"Content-Type": kind, "X-CSRFToken": "{token}"}
    return Step(path, method="POST", body=body, headers=headers, **options)


def raw_page(path: str, body: bytes, kind: str) -> Step:
    """Return the request of :func:`raw`, whose response is a page."""
    return raw(path, body, kind, compare="html", capture=TOKEN, mask={"token": [HIDDEN]})


FORMS = (
    Case("a host that is not trusted", Step("/", headers={"Host": "untrusted.example"})),
    Case("the index", page("/"), checks=("WT-2",)),
    Case("the registration form", page("/register"), checks=("WT-1", "WT-2", "WT-4")),
    Case("the plain form", page("/plain/register"), checks=("WT-1", "WT-2", "WT-4")),
    Case("the login form", page("/login"), checks=("WT-2",)),
    Case(
        "a registration",
        page("/register"),
        send("/register", ADA),
        page("/login", shows_message=True),
        page("/", known=True),
        checks=("WT-2", "WT-8"),
    ),
    Case(
        "a registration with the plain form",
        page("/plain/register"),
        send("/plain/register", {**ADA, "username": "marylou", "email": "mary@example.com"}),
        page("/login", shows_message=True),
        post("/plain/register", {**ADA, "username": "marylou"}),
        checks=("WT-2", "WT-8"),
    ),
    Case(
        "invalid values in the plain form",
        page("/plain/register"),
        post("/plain/register"),
        post("/plain/register", {**ADA, "username": "<i>", "email": '"><b>', "confirm": "x"}),
        post("/plain/register", {**ADA, "username": ["abc", "abcd"], "accept_tos": "false"}),
        page("/plain/register?username=ada", known=True),
        checks=("WT-1", "WT-2", "WT-4"),
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
        send("/login", {"username": "adalove", "password": "engine"}),
        page("/", shows_message=True),
        page("/", known=True),
        checks=("WT-2", "WT-5"),
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
        post("/register", {**ADA, "username": "u" * 26, "email": "a@b.c"}),
        checks=("WT-1", "WT-2", "WT-4", "WT-5"),
    ),
    Case(
        "a search by the query",
        page("/", query={"q": "lov"}),
        page("/", known=True, query={"q": "nobody"}),
        page("/", known=True, query={"q": "<b>" * 9}),
        page("/", known=True, query=[("q", "ada"), ("q", "x")]),
        checks=("WT-3",),
    ),
    Case(
        "a picture",
        page("/picture"),
        send("/picture", {}, files={"picture": PNG}),
        page("/", shows_message=True),
        checks=("WT-7", "WT-8"),
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
    ),
    Case(
        "the largest picture",
        page("/picture"),
        send("/picture", {}, files={"picture": File(b"x" * 10_000, "ADA.JPG")}),
        checks=("WT-7",),
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
        ),
        Step(
            "/check",
            method="POST",
            json={"username": "adalove"},
            headers={"X-CSRF-Token": "{token}"},
        ),
        checks=("WT-8", "WT-5"),
    ),
    Case(
        "a token for a script",
        Step(
            "/csrf-token",
            compare="json",
            capture={"token": r'"csrf_token":"([^"]+)"', "session": SESSION},
        ),
        Step(
            "/check",
            method="POST",
            form={"username": "ada"},
            headers={"X-CSRFToken": "{token}"},
        ),
        checks=("WT-12",),
    ),
    Case("HEAD of a page", Step("/login", method="HEAD", capture={"session": SESSION})),
    Case(
        "the token of a form with a prefix",
        page("/register"),
        Step(
            "/check",
            method="POST",
            form={"one-csrf_token": "", "two-csrf_token": "{token}", "username": "gracehop"},
        ),
        checks=("WT-8",),
    ),
    refused(
        "no token",
        Step("/register", method="POST", form=ADA),
    ),
    refused(
        "an empty token",
        Step("/register", method="POST", form={"csrf_token": ["", "{token}"]}),
    ),
    refused(
        "a forged token",
        Step("/register", method="POST", form={"csrf_token": "forged.\x00.tok\u00e9n", **ADA}),
    ),
    refused(
        "a forged token before a valid one",
        Step("/register", method="POST", form={"csrf_token": ["{token}x", "{token}"]}),
    ),
    refused(
        "a huge token",
        Step("/register", method="POST", form={"csrf_token": "A" * 400_000}),
    ),
    refused(
        "a token in the query",
        Step("/register", method="POST", query={"csrf_token": "{token}"}, form=ADA),
    ),
    refused(
        "a token in JSON",
        Step("/check", method="POST", json={"csrf_token": "{token}", "username": "gracehop"}),
    ),
    refused(
        "a token in a body that is not a form",
        Step(
            "/register",
            method="POST",
            body=b"csrf_token=x",
            headers={"Content-Type": "text/plain"},
        ),
    ),
    refused(
        "multipart without a boundary",
        Step(
            "/picture",
            method="POST",
            body=multipart(b'Content-Disposition: form-data; name="csrf_token"\r\n\r\nx\r\n'),
            headers={"Content-Type": "multipart/form-data"},
        ),
    ),
    refused(
        "malformed multipart",
        Step(
            "/picture",
            method="POST",
            body=b"\x00\xff" * 1000,
            headers={"Content-Type": MULTIPART},
        ),
    ),
    Case(
        "a token without its session",
        Step("/register", method="POST", form={"csrf_token": "x.y.z", **ADA}),
        checks=("WT-9",),
    ),
    Case("another method", Step("/check", method="DELETE"), Step("/check", method="OPTIONS")),
    Case("no such page", Step("/nothing", method="POST", form=ADA)),
    Case(
        "another site with a valid token",
        page("/register"),
        Step(
            "/check",
            method="POST",
            form={"username": "gracehop"},
            headers={
                "X-CSRFToken": "{token}",
                "Sec-Fetch-Site": "cross-site",
                "Origin": "https://evil.example",
            },
        ),
        checks=("WT-10",),
        differs=[
            Difference("status", 200, 400, ORIGIN, 1, kind="security"),
            Difference("header:content-type", "application/json", HTML, ORIGIN, 1, kind="security"),
            Difference("header:vary", "Cookie", None, ORIGIN, 1, kind="security"),
            Difference(
                "body",
                '{"errors":[],"free":true}\n',
                error_page(400, "The request comes from another site, https://evil.example."),
                ORIGIN,
                1,
                kind="security",
            ),
        ],
    ),
)

BAD_INPUT = (
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
        raw_page("/login", b"username=\xff\xfe%ff%fe&password=%00", URLENCODED),
        raw_page(
            "/login",
            multipart(b'Content-Disposition: form-data; name="username"\r\n\r\n\xff\xfe\x00\r\n'),
            MULTIPART,
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
        "a byte more than is allowed",
        page("/register"),
        raw("/register", (b"username=" + b"u" * 1_000_000)[:1_000_001], URLENCODED),
        checks=("WT-14",),
        differs=[
            Difference("header:vary", None, "Cookie", SESSION_FIRST, 1, kind="interface"),
            Difference("body", error_page(413), error_page(413, LARGER), LIMIT, 1, kind="text"),
        ],
    ),
    Case(
        "more than is allowed, without a token",
        page("/register"),
        Step("/register", method="POST", form={"username": "u" * 1_100_000}),
        checks=("WT-11",),
        differs=[
            Difference("status", 413, 400, EARLY, 1, kind="interface"),
            Difference(
                "body", error_page(413), error_page(400, MISSING), EARLY, 1, kind="interface"
            ),
        ],
    ),
    Case(
        "a file in place of a text",
        page("/register"),
        Step(
            "/check",
            method="POST",
            form={"csrf_token": "{token}"},
            files={"username": PNG},
        ),
        checks=("WT-14",),
        differs=answered(FILE),
    ),
    *(
        Case(
            f"JSON that is not a form: {body.decode()}",
            page("/register"),
            raw("/check", body, "application/json"),
            checks=("WT-14",),
            differs=[
                Difference("status", 500, 400, JSON, 1, kind="input"),
                Difference("body", error_page(500), error_page(400, text), JSON, 1, kind="input"),
            ],
        )
        for body, text in (
            (b"[1]", "The form can't be read: its JSON is not an object."),
            (
                b'{"username": {"a": 1}}',
                "The form can't be read: the value of 'username' must be a string, a number, a"
                " boolean, or a list of these.",
            ),
        )
    ),
    Case(
        "a number in JSON",
        page("/register"),
        raw("/check", b'{"username": 5}', "application/json"),
        checks=("WT-14",),
        differs=answered(NUMBER),
    ),
    Case(
        "malformed JSON",
        page("/register"),
        raw("/check", b'{"username": ', "application/json"),
        checks=("WT-14",),
    ),
)

CASES: tuple[Case, ...] = FORMS + TOKENS + BAD_INPUT


def shown(name: str) -> dict[str, object]:
    """Return what is expected of a page: that in ``expected/<name>.html``."""
    body = (Path(__file__).parent / "expected" / f"{name}.html").read_text()
    return {"status": 200, "header:content-type": HTML, "header:vary": "Cookie", "body": body}


def redirected(location: str) -> dict[str, object]:
    """Return what is expected of a redirect to *location*."""
    return {"status": 302, "header:location": location, "body": redirect_page(location)}


EXTRAS: tuple[Case, ...] = (
    Case(
        "a form in German",
        page("/extras/anmelden", expected=shown("anmelden")),
        post(
            "/extras/anmelden",
            headers={"Accept-Language": "fr"},
            expected=shown("anmelden_empty"),
        ),
        post(
            "/extras/anmelden",
            {"username": "nobody", "password": "guess"},
            expected=shown("anmelden_wrong_password"),
        ),
        checks=("WT-13",),
    ),
    Case(
        "a login in German",
        page("/register", expected=shown("register")),
        send(
            "/register",
            {**ADA, "username": "augusta", "email": "augusta@example.com"},
            expected=redirected("/login"),
        ),
        Step(
            "/extras/anmelden",
            method="POST",
            form={"csrf_token": "{token}", "username": "augusta", "password": "engine"},
            expected=redirected("/"),
        ),
        checks=("WT-13",),
    ),
    Case(
        "a number in JSON of the right length",
        page("/register", expected=shown("register")),
        raw(
            "/check",
            b'{"username": 12345, "csrf_token": null}',
            "application/json",
            expected={"status": 200, "body": '{"errors":[],"free":true}\n'},
        ),
        checks=("WT-14",),
    ),
)
