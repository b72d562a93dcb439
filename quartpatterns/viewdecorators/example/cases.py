"""The cases in which original and port must answer alike, and the differences on purpose."""

from __future__ import annotations

import re
from typing import Any

from quartpatterns.compare import Case, Difference, Step
from quartpatterns.compare.case import same_settings
from quartpatterns.compare.error_page import error_page
from quartpatterns.compare.redirect_page import redirect_page

__all__ = ["CASES", "EXTRAS", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost", "other.example"])

HERE = "http://localhost"
OUR_SESSION = re.compile(
    r'session=signed\(\{"_fresh":true,"_fresh_since":1[0-9]{9},"_id":"[0-9a-f]{128}",'
    r'"_user_id":"ada"\}\); HttpOnly; Path=/'
)
STALE_SESSION = re.compile(OUR_SESSION.pattern.replace("true", "false"))
KEYS = "the session has the keys of Flask-Login, with a hash of the browser that has logged in"
STATIC = "the port loads no user for a static file, so that caches may share it"
VARY = "Accept-Language, Cookie"
KEY = "the cache key contains more than the path"


def login(name: str = "ada", password: str = "engine", **more: str) -> Step:
    form = {"username": name, "password": password, **more}
    return Step("/login", method="POST", form=form)


def wrong_password(name: str) -> Step:
    form = {"username": name, "password": "guess", "next": '"><b>'}
    return Step("/login", method="POST", form=form, compare="html")


def logged_in(step: int = 0) -> Difference:
    """Return the difference between the contents of the two session cookies."""
    theirs = 'session=signed({"user_id":"ada"}); HttpOnly; Path=/'
    return Difference("header:set-cookie", theirs, OUR_SESSION, KEYS, step, kind="interface")


def login_with_next(target: str) -> Case:
    """Return the case of a login with *target* as ``next``."""
    return Case(f"next is {target!r}", login(next=target), checks=("VD-2",), differs=[logged_in()])


def from_another_site(name: str, **headers: str) -> Case:
    """Return the case of a login by a form of another site."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    form = {"username": "ada", "password": "engine"}
    return Case(name, Step("/login", method="POST", form=form, headers=named), checks=("VD-8",))


CASES: tuple[Case, ...] = (
    Case("a host that is not trusted", Step("/", headers={"Host": "untrusted.example"})),
    Case("index", Step("/")),
    Case("index of a user", login(), Step("/"), differs=[logged_in()]),
    Case("secret page without a login", Step("/secret_page"), checks=("VD-1",)),
    Case(
        "next is the whole URL",
        Step("/secret_page?a=1&b=2"),
        Step("/secret_page?n=%C3%A4%20%26&x=%2F%2Fevil.example"),
        Step("/secret_page", method="HEAD"),
        Step("/secret_page", headers={"Host": "other.example:81"}),
        checks=("VD-1", "VD-2"),
    ),
    Case("no POST to the secret page", Step("/secret_page", method="POST"), checks=("VD-1",)),
    Case(
        "a program without a login",
        Step("/secret_page", headers={"Accept": "application/json"}),
        Step("/secret_page", headers={"Content-Type": "application/json"}),
        Step("/secret_page", headers={"X-Requested-With": "XMLHttpRequest"}),
        checks=("VD-1",),
    ),
    Case(
        "login and back",
        Step("/login?next=/secret_page%3Fa%3D1"),
        login(next=f"{HERE}/secret_page?a=1"),
        Step("/secret_page?a=1&%3Cb%3E=%3C"),
        checks=("VD-1", "VD-2", "VD-3"),
        differs=[logged_in(1)],
    ),
    Case("the login form", Step("/login"), checks=("VD-2",)),
    Case("login without next", login(), checks=("VD-2",), differs=[logged_in()]),
    login_with_next("/admin?a=b&c=%C3%A4#d"),
    login_with_next("https://evil.example/"),
    login_with_next("/\\evil.example/"),
    login_with_next("/\t/evil.example/"),
    login_with_next(f"{HERE}@evil.example/"),
    login_with_next(f"{HERE}//evil.example/"),
    Case("login, wrong password", wrong_password("ada"), checks=("VD-1",)),
    Case("login of an unknown user", wrong_password("eve"), checks=("VD-1",)),
    Case("login without a form", Step("/login", method="POST"), checks=("VD-1",)),
    Case("login with JSON", Step("/login", method="POST", json={"username": "ada"})),
    Case(
        "login with a repeated field",
        Step("/login", method="POST", form={"username": ["eve", "ada"], "password": "engine"}),
        checks=("VD-1",),
    ),
    from_another_site("login by another site", Sec_Fetch_Site="cross-site"),
    from_another_site(
        "login by a sibling", Sec_Fetch_Site="same-site", Origin="http://a.localhost"
    ),
    from_another_site("login by the origin of another site", Origin="https://evil.example"),
    from_another_site("login by a sandboxed page", Origin="null"),
    Case(
        "login by the own site",
        Step(
            "/login",
            method="POST",
            form={"username": "ada", "password": "guess"},
            headers={"Sec-Fetch-Site": "same-origin", "Origin": "http://behind-a-proxy"},
        ),
        checks=("VD-8",),
    ),
    Case("hostile query", Step("/login", query={"next": '"><script>'})),
    Case(
        "a forged session",
        Step("/secret_page", headers={"Cookie": "session=forged.e30.x"}),
        checks=("VD-1",),
    ),
    Case("cached", Step("/cached/a"), Step("/cached/a"), checks=("VD-4",)),
    Case(
        "cached HTML",
        Step("/cached/%3Cimg%20src=x%20onerror=alert(1)%3E?name=%3Cscript%3E"),
        checks=("VD-4",),
    ),
    Case(
        "cached by query",
        Step("/cached/b"),
        Step("/cached/b?name=ada"),
        Step("/cached/b"),
        checks=("VD-4", "VD-5"),
        differs=[
            Difference(
                "body",
                "b, made 1 times, for nobody",
                "b, made 2 times, for ada",
                KEY,
                1,
                kind="security",
            )
        ],
    ),
    Case(
        "cached by host",
        Step("/cached/c"),
        Step("/cached/c", headers={"Host": "other.example"}),
        checks=("VD-5",),
        differs=[
            Difference(
                "body",
                "c, made 1 times, for nobody",
                "c, made 2 times, for nobody",
                KEY,
                1,
                kind="security",
            )
        ],
    ),
    Case(
        "cached by method",
        Step("/cached/d", method="HEAD"),
        Step("/cached/d"),
        checks=("VD-5",),
        differs=[
            Difference(
                "body",
                "d, made 1 times, for nobody",
                "d, made 2 times, for nobody",
                KEY,
                1,
                kind="security",
            )
        ],
    ),
    Case("no POST to a cached page", Step("/cached/a", method="POST"), checks=("VD-4",)),
    Case(
        "a static file",
        Step("/static/style.css"),
        differs=[Difference("header:vary", "Cookie", None, STATIC, kind="http")],
    ),
    Case("template of the view", Step("/rendered"), checks=("VD-6",)),
    Case("template by name", Step("/named"), checks=("VD-6",)),
    Case("template by endpoint", Step("/value"), checks=("VD-6",)),
    Case("template by endpoint of a blueprint", Step("/pages/value"), checks=("VD-6",)),
    Case("template without variables", Step("/templated/nothing"), checks=("VD-6",)),
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
    Case(
        "endpoint, unknown method",
        Step("/endpoint", method="BREW"),
        differs=tuple(
            Difference(
                aspect,
                original,
                port,
                "The parser of Uvicorn, httptools, refuses a method that is not registered.",
                where="uvicorn",
                kind="interface",
            )
            for aspect, original, port in (
                ("status", 200, 400),
                ("header:content-length", "11", "30"),
                ("header:content-type", "text/html; charset=utf-8", "text/plain; charset=utf-8"),
                ("header:vary", "Cookie", None),
                ("body", "Hello world", "Invalid HTTP request received."),
            )
        ),
        checks=("VD-7",),
    ),
)


def extra(path: str, status: int, body: object, **more: Any) -> Step:
    """Return a request to the port alone. Headers are expected as ``location``, ``set_cookie``."""
    names = ("allow", "location", "set_cookie", "vary")
    expected = {
        f"header:{name.replace('_', '-')}": more.pop(name) for name in names if name in more
    }
    return Step(path, expected={"status": status, "body": body, **expected}, **more)


def redirected(path: str, location: str, **more: Any) -> Step:
    """Return a request to the port alone, which is answered by a redirect."""
    return extra(path, 302, redirect_page(location), location=location, **more)


def user_logs_in(name: str, password: str) -> Step:
    form = {"username": name, "password": password}
    return redirected("/login", "/", method="POST", form=form)


def page(title: str, *lines: str) -> str:
    """Return a page of the application, as it is compared: without white space between tags."""
    return (
        f"<!doctype html><html lang=en><head><meta charset=utf-8>"
        f"<meta name=viewport content='width=device-width, initial-scale=1'><title>{title}</title>"
        f"<link rel=icon href='data:,'><link rel=stylesheet href=/static/style.css></head>"
        f"<body><main>{''.join(lines)}</main></body></html>"
    )


LOG_OUT = (
    "<form action=/extras/logout method=post>"
    "<p>You are logged in as ada. <button>Log out</button></p></form>"
)
LINKS = (
    "<ul><li>A page <a href=/extras/admin>for admins</a>, such as ada, and"
    " <a href=/extras/password>one for a fresh login</a></li>"
    "<li>A cached page <a href=/extras/language>in your language</a>,"
    " <a href=/extras/visits>one of your session</a>, which is not stored, and"
    " <a href=/extras/gone>one that is gone</a></li></ul>"
)
MORE = "<h1>More than Flask's page has</h1>"
SECRET = page(
    "A page behind a login",
    "<h1>A page behind a login</h1><p>ada sees it, with the query <q></q>.</p>",
    "<p><a href=/>Back</a></p>",
)
CONFIRM = (
    "<form action=/extras/confirm method=post><p><label>Password"
    " <input name=password type=password autocomplete=current-password required></label></p>"
    "<p><button>Confirm</button></p></form>"
)
AGAIN = "<h1>Your password again</h1>"
WRONG = "<p class=error role=alert>This is not your password.</p>"
ADA = user_logs_in("ada", "engine")
BOB = user_logs_in("bob", "builder")

EXTRAS: tuple[Case, ...] = (
    Case(
        "the extras",
        extra("/extras", 200, page("View decorators", MORE, LINKS), compare="html"),
        ADA,
        extra("/extras", 200, page("View decorators", MORE, LOG_OUT, LINKS), compare="html"),
    ),
    Case(
        "log out",
        ADA,
        extra("/secret_page", 200, SECRET, compare="html"),
        redirected("/extras/logout", "/", method="POST"),
        redirected("/secret_page", f"/login?next={HERE}/secret_page"),
        checks=("VD-1",),
    ),
    Case(
        "log out by another site",
        ADA,
        extra(
            "/extras/logout",
            403,
            error_page(403),
            method="POST",
            headers={"Sec-Fetch-Site": "cross-site"},
        ),
        extra("/secret_page", 200, SECRET, compare="html"),
        checks=("VD-8",),
    ),
    Case(
        "log out by a link",
        extra("/extras/logout", 405, error_page(405), allow="OPTIONS, POST"),
    ),
    Case(
        "admins only",
        redirected("/extras/admin", f"/login?next={HERE}/extras/admin"),
        ADA,
        extra("/extras/admin", 200, "ada is an admin"),
        checks=("VD-1",),
    ),
    Case(
        "admins only, another user",
        BOB,
        extra("/extras/admin", 403, error_page(403)),
        checks=("VD-1",),
    ),
    Case(
        "a fresh login",
        redirected("/extras/password", f"/login?next={HERE}/extras/password"),
        redirected("/extras/confirm", f"/login?next={HERE}/extras/confirm"),
        BOB,
        extra("/extras/password", 200, "bob may change the password"),
        extra("/extras/confirm", 200, page("Your password again", AGAIN, CONFIRM), compare="html"),
        extra(
            "/extras/confirm",
            401,
            page("Your password again", AGAIN, WRONG, CONFIRM),
            method="POST",
            form={"password": "engine"},
            compare="html",
        ),
        extra(
            "/extras/confirm",
            403,
            error_page(403),
            method="POST",
            form={"password": "builder"},
            headers={"Origin": "https://evil.example"},
        ),
        redirected(
            "/extras/confirm", "/extras/password", method="POST", form={"password": "builder"}
        ),
        checks=("VD-1", "VD-8"),
    ),
    Case(
        "a login that is not fresh",
        ADA,
        redirected(
            "/extras/password",
            "/extras/confirm?next=%2Fextras%2Fpassword",
            headers={"User-Agent": "another browser"},
            set_cookie=STALE_SESSION,
        ),
        extra(
            "/extras/password",
            401,
            '{"error":"unauthorized","message":"log in again"}\n',
            headers={"User-Agent": "another browser", "Accept": "application/json"},
        ),
        redirected(
            "/extras/confirm",
            "/extras/password",
            method="POST",
            form={"password": "engine"},
            headers={"User-Agent": "another browser"},
        ),
        extra(
            "/extras/password",
            200,
            "ada may change the password",
            headers={"User-Agent": "another browser"},
        ),
        checks=("VD-1",),
    ),
    Case(
        "cached by language",
        extra("/extras/language", 200, "de", vary=VARY, headers={"Accept-Language": "de"}),
        extra("/extras/language", 200, "en", vary=VARY, headers={"Accept-Language": "en"}),
        extra("/extras/language", 200, "de", vary=VARY, headers={"Accept-Language": "de"}),
        extra(
            "/extras/language", 200, "en", vary=VARY, headers={"Accept-Language": "de;q=0.5, en"}
        ),
        extra("/extras/language", 200, "en", vary=VARY),
        checks=("VD-5",),
    ),
    Case(
        "cached, of a session",
        extra("/extras/visits", 200, "visit 1"),
        extra("/extras/visits", 200, "visit 2"),
        checks=("VD-5",),
    ),
    Case(
        "cached error",
        extra("/extras/gone", 410, "gone 1"),
        extra("/extras/gone", 410, "gone 2"),
        checks=("VD-5",),
    ),
)
