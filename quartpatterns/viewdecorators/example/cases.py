"""The cases in which original and port must answer alike, and the differences on purpose."""

from __future__ import annotations

import re
from html import escape
from urllib.parse import quote

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

HERE = "http://localhost"
THEIR_SESSION = re.compile(r'session=signed\(\{"since":\d+,"user_id":"\w+"\}\); HttpOnly; Path=/')
OUR_SESSION = re.compile(
    r'session=signed\(\{"_fresh":true,"_fresh_since":\d+,"_id":"[0-9a-f]{128}","_user_id":"\w+"\}\);'
    " HttpOnly; Path=/"
)
ANY_TAG = re.compile(r'"[0-9a-f]{32}"')
LENGTH_OF_REDIRECT = 267 - 2 * len(f"/login?next={HERE}/secret_page")
RELATIVE = "next has no scheme and host, as in Flask-Login, and all of it is percent-encoded"
KEYS = "the session has the keys of Flask-Login, with a hash of the browser that has logged in"
OWN_SITE = "after a login the redirect leads to a path of the own site, whatever next contains"
JSON_CLIENT = "a client that prefers JSON can't fill in a form, so that it gets 401 as JSON"
KEY = "the cache key contains more than the path"
TAG = "a cached response has an ETag, so that a client that has it gets 304"
VARY = "the header Vary tells other caches what the response depends on"
PRIVATE = "a response that depends on the session of one visitor is not stored"
ERROR = "an error is not stored"


def login(name: str = "ada", password: str = "engine") -> Step:
    form = {"username": name, "password": password}
    return Step("/login", method="POST", form=form)


def tagged(*steps: int) -> list[Difference]:
    """Return the difference that the responses to *steps* have an ``ETag``."""
    return [Difference("header:etag", None, ANY_TAG, TAG, step) for step in steps]


def wrong_password(name: str) -> Step:
    form = {"username": name, "password": "guess", "next": '"><b>'}
    return Step("/login", method="POST", form=form, compare="html")


def logged_in(step: int = 0) -> Difference:
    """Return the difference between the contents of the two session cookies."""
    return Difference("header:set-cookie", THEIR_SESSION, OUR_SESSION, KEYS, step)


def relative_next(path: str, step: int = 0, *, method: str = "GET") -> list[Difference]:
    """Return the differences between two redirects to the login page.

    Arguments:
        path: The protected path, with its query, as ``next`` contains it.
        step: The step that is redirected.
        method: Its method.
    """
    theirs = f"/login?next={HERE}{quote(path, safe='/?')}"
    ours = f"/login?next={quote(path, safe='')}"
    lengths = [str(LENGTH_OF_REDIRECT + 2 * len(escape(each))) for each in (theirs, ours)]
    found = [
        Difference("header:location", theirs, ours, RELATIVE, step),
        Difference("header:content-length", lengths[0], lengths[1], RELATIVE, step),
    ]
    if method != "HEAD":
        bodies = [re.compile(f".*{re.escape(escape(each))}.*", re.S) for each in (theirs, ours)]
        found.append(Difference("body", bodies[0], bodies[1], RELATIVE, step))
    return found


def login_with_next(target: str, *, original: str | None = None, port: str) -> Case:
    """Return the case of a login with *target* as ``next``, and the two redirects."""
    form = {"username": "ada", "password": "engine", "next": target}
    differs = [logged_in()]
    if original is not None:
        differs.append(Difference("header:location", original, port, OWN_SITE))
    # The body contains the location.
    ignored: tuple[str, ...] = ("content-length",)
    step = Step("/login", method="POST", form=form, compare="ignore", ignore_headers=ignored)
    return Case(f"next is {target!r}", step, checks=("VD-2",), differs=differs)


def unequal(original: str, port: str, reason: str, step: int = 0) -> list[Difference]:
    """Return the difference between two bodies, and between their lengths."""
    found = [Difference("body", original, port, reason, step)]
    lengths = str(len(original)), str(len(port))
    if lengths[0] != lengths[1]:
        found.append(Difference("header:content-length", *lengths, reason, step))
    return found


CASES: tuple[Case, ...] = (
    Case("index", Step("/", compare="html")),
    Case("index of a user", login(), Step("/", compare="html"), differs=[logged_in()]),
    Case(
        "secret page without a login",
        Step("/secret_page"),
        checks=("VD-1",),
        differs=relative_next("/secret_page"),
    ),
    Case(
        "next is the whole URL",
        Step("/secret_page?a=1&b=2"),
        Step("/secret_page?n=%C3%A4%20%26&x=%2F%2Fevil.example"),
        Step("/secret_page", method="HEAD"),
        checks=("VD-1", "VD-2"),
        differs=[
            *relative_next("/secret_page?a=1&b=2"),
            *relative_next("/secret_page?n=ä%20%26&x=//evil.example", 1),
            *relative_next("/secret_page", 2, method="HEAD"),
        ],
    ),
    Case("secret page, wrong method", Step("/secret_page", method="POST"), checks=("VD-1",)),
    Case("secret page, OPTIONS", Step("/secret_page", method="OPTIONS"), checks=("VD-1",)),
    Case(
        "a client that prefers JSON",
        Step("/secret_page", headers={"Accept": "application/json"}),
        checks=("VD-1",),
        differs=[
            Difference("status", 302, 401, JSON_CLIENT),
            Difference("header:content-length", "267", "50", JSON_CLIENT),
            Difference(
                "header:content-type", "text/html; charset=utf-8", "application/json", JSON_CLIENT
            ),
            Difference("header:location", f"/login?next={HERE}/secret_page", None, JSON_CLIENT),
            Difference("header:www-authenticate", None, "Cookie", JSON_CLIENT),
            Difference(
                "body",
                re.compile("<!doctype html>.*", re.DOTALL),
                '{"error":"unauthorized","message":"log in first"}\n',
                JSON_CLIENT,
            ),
        ],
    ),
    Case(
        "login and back",
        Step("/login?next=/secret_page%3Fa%3D1", compare="html"),
        login(),
        Step("/secret_page?a=1", compare="html"),
        checks=("VD-1", "VD-2", "VD-3"),
        differs=[logged_in(1)],
    ),
    Case("login without next", login(), checks=("VD-2",), differs=[logged_in()]),
    login_with_next("", port="/"),
    login_with_next("/admin?a=b&c=%C3%A4#d", port="/admin?a=b&c=%C3%A4#d"),
    login_with_next(
        f"{HERE}/secret_page?a=1&b=2",
        original=f"{HERE}/secret_page?a=1&b=2",
        port="/secret_page?a=1&b=2",
    ),
    login_with_next("/%2F/evil.example/", port="/%2F/evil.example/"),
    login_with_next("https://evil.example/", original="https://evil.example/", port="/"),
    login_with_next("//evil.example/", original="//evil.example/", port="/"),
    login_with_next("/\\evil.example/", original="/%5Cevil.example/", port="/"),
    login_with_next("\\\\evil.example/", original="%5C%5Cevil.example/", port="/"),
    login_with_next("/\t/evil.example/", original="//evil.example/", port="/"),
    login_with_next(f"{HERE}.evil.example/", original=f"{HERE}.evil.example/", port="/"),
    login_with_next(f"{HERE}@evil.example/", original=f"{HERE}@evil.example/", port="/"),
    login_with_next(f"{HERE}//evil.example/", original=f"{HERE}//evil.example/", port="/"),
    Case("login, wrong password", wrong_password("ada"), checks=("VD-1",)),
    Case("login of an unknown user", wrong_password("eve"), checks=("VD-1",)),
    Case("login without a form", Step("/login", method="POST", compare="html")),
    Case(
        "login with JSON",
        Step("/login", method="POST", json={"username": "ada"}, compare="html"),
    ),
    Case("hostile query", Step("/login", query={"next": '"><script>'}, compare="html")),
    Case(
        "a forged session",
        Step("/secret_page", headers={"Cookie": "session=forged.e30.x"}),
        checks=("VD-1",),
        differs=relative_next("/secret_page"),
    ),
    Case(
        "log out",
        login(),
        Step("/logout", method="POST"),
        Step("/secret_page"),
        checks=("VD-1",),
        differs=[logged_in(), *relative_next("/secret_page", 2)],
    ),
    Case(
        "admins only, without a login",
        Step("/admin"),
        checks=("VD-1",),
        differs=relative_next("/admin"),
    ),
    Case(
        "admins only, another user",
        login("bob", "builder"),
        Step("/admin"),
        checks=("VD-1",),
        differs=[logged_in()],
    ),
    Case("admins only", login(), Step("/admin"), checks=("VD-1",), differs=[logged_in()]),
    Case(
        "a fresh login",
        Step("/password"),
        login(),
        Step("/password"),
        Step("/confirm", method="POST", form={"password": "guess"}),
        Step("/confirm", method="POST", form={"password": "engine"}),
        checks=("VD-1",),
        differs=[*relative_next("/password"), logged_in(1), logged_in(4)],
    ),
    Case(
        "cached",
        Step("/cached/a"),
        Step("/cached/a"),
        checks=("VD-4",),
        differs=tagged(0, 1),
    ),
    Case(
        "cached by query",
        Step("/cached/b"),
        Step("/cached/b?name=ada"),
        Step("/cached/b"),
        Step("/cached/b?name=ada"),
        checks=("VD-4", "VD-5"),
        differs=[
            *unequal("b, made 1 times, for nobody", "b, made 2 times, for ada", KEY, 1),
            *unequal("b, made 1 times, for nobody", "b, made 2 times, for ada", KEY, 3),
            *tagged(0, 1, 2, 3),
        ],
    ),
    Case(
        "cached by host",
        Step("/cached/c"),
        Step("/cached/c", headers={"Host": "other.example"}),
        checks=("VD-5",),
        differs=[
            *unequal("c, made 1 times, for nobody", "c, made 2 times, for nobody", KEY, 1),
            *tagged(0, 1),
        ],
    ),
    Case(
        "cached by method",
        Step("/cached/d", method="HEAD"),
        Step("/cached/d"),
        checks=("VD-5",),
        differs=[
            *unequal("d, made 1 times, for nobody", "d, made 2 times, for nobody", KEY, 1),
            *tagged(1),
        ],
    ),
    Case(
        "cached by language",
        Step("/cached/language", headers={"Accept-Language": "de"}),
        Step("/cached/language", headers={"Accept-Language": "en"}),
        checks=("VD-5",),
        differs=[
            Difference("header:vary", "Cookie", "Accept-Language, Cookie", VARY),
            Difference("header:vary", "Cookie", "Accept-Language, Cookie", VARY, 1),
            *unequal("de", "en", KEY, 1),
            *tagged(0, 1),
        ],
    ),
    Case(
        "cached, of a session",
        Step("/cached/visits"),
        Step("/cached/visits"),
        checks=("VD-5",),
        differs=[
            Difference(
                "header:set-cookie",
                None,
                'session=signed({"visits":2}); HttpOnly; Path=/',
                PRIVATE,
                1,
            ),
            *unequal("visit 1", "visit 2", PRIVATE, 1),
        ],
    ),
    Case(
        "cached error",
        Step("/cached/gone"),
        Step("/cached/gone"),
        checks=("VD-5",),
        differs=unequal("gone 1", "gone 2", ERROR, 1),
    ),
    Case("template of the view", Step("/rendered", compare="html"), checks=("VD-6",)),
    Case("template by name", Step("/named", compare="html"), checks=("VD-6",)),
    Case("template by endpoint", Step("/value", compare="html"), checks=("VD-6",)),
    Case(
        "template by endpoint of a blueprint",
        Step("/pages/value", compare="html"),
        checks=("VD-6",),
    ),
    Case("template without variables", Step("/templated/nothing", compare="html")),
    Case("text through templated", Step("/templated/text"), checks=("VD-6",)),
    Case("redirect through templated", Step("/templated/redirect"), checks=("VD-6",)),
    Case("tuple through templated", Step("/templated/other"), checks=("VD-6",)),
    Case(
        "endpoint, every method",
        *(
            Step("/endpoint", method=method)
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
        ),
        checks=("VD-7",),
    ),
    Case("endpoint, unknown method", Step("/endpoint", method="BREW"), checks=("VD-7",)),
)
