"""The cases of message flashing."""

from __future__ import annotations

import hashlib
import json
import re

from quartpatterns.compare import Case, Difference, Step
from quartpatterns.compare.case import same_settings
from quartpatterns.compare.error_page import error_page

__all__ = ["CASES", "EXTRAS", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])

GONE = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Max-Age=0; Path=/"
OWN = "each message has its own cookie, which no other response can overwrite"
HEAD = "nobody sees the response to HEAD, so the port deletes no message"

LOGIN = Step("/login", method="POST", form={"username": "admin", "password": "secret"})
SHOWN = Step("/", compare="html")
LOGGED_IN = ("message", "You were successfully logged in")
FLASHES = f"<ul class=flashes role=status><li>{LOGGED_IN[1]}</li></ul>"
INDEX = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>My Application</title>
<link rel="stylesheet" href="/static/style.css">
<main>
{}
<h1>Overview</h1>
<p>Do you want to <a href="/login">log in?</a></p>
<form action="/say" method=post>
<p><label>Message <input name=message required></label>
<label>Category <select name=category>
<option>message</option><option>error</option><option>warning</option>
</select></label>
<button>Flash it</button></p>
</form>
<p>The message is shown on the page that you open next. You can also show the messages
<a href="/categories">with their categories</a>,
<a href="/filtered">the errors first</a>,
or return <a href="/redirect">through a redirect</a>.</p>
</main>
</html>
"""


def say(message: str, category: str = "message") -> Step:
    """Return the request that flashes *message*."""
    return Step("/say", method="POST", form={"message": message, "category": category})


def sets(step: int, *messages: tuple[str, str]) -> Difference:
    """The response of *step* stores the last of *messages*, each a category and a text.

    The session of the original has all of them. The cookie of the port has the last one. The
    original could not verify it, because it is signed with another salt.
    """
    session = json.dumps(
        {"_flashes": [{" t": message} for message in messages]}, separators=(",", ":")
    )
    content = json.dumps({" t": messages[-1]}, separators=(",", ":"))
    cookie = re.compile(
        rf"flash-[0-9a-f]{{24}}=signed, not verified\({re.escape(content)}\); HttpOnly; Path=/"
    )
    original = f"session=signed({session}); HttpOnly; Path=/"
    return Difference("header:set-cookie", original, cookie, OWN, step, kind="interface")


def deletes(step: int, number: int = 1) -> Difference:
    """The response of *step* deletes the cookies of *number* messages, which it shows."""
    cookies = re.compile(rf"(?:flash-[0-9a-f]{{24}}=; {re.escape(GONE)}\n?){{{number}}}")
    return Difference(
        "header:set-cookie", f"session=; {GONE}", cookies, OWN, step, kind="interface"
    )


CASES: tuple[Case, ...] = (
    Case("a host that is not trusted", Step("/", headers={"Host": "untrusted.example"})),
    Case("the index", SHOWN, checks=("FL-1", "FL-2")),
    Case("the login form", Step("/login", compare="html"), checks=("FL-1", "FL-2")),
    Case(
        "a login is shown once",
        LOGIN,
        SHOWN,
        SHOWN,
        checks=("FL-1", "FL-2", "FL-3"),
        differs=[sets(0, LOGGED_IN), deletes(1)],
    ),
    Case(
        "a wrong password",
        Step(
            "/login",
            method="POST",
            form={"username": '"><b>admin', "password": "guess"},
            compare="html",
        ),
        checks=("FL-1", "FL-2"),
    ),
    Case("no password", Step("/login", method="POST", form={"username": "a"}), checks=("FL-1",)),
    Case("no form", Step("/login", method="POST"), checks=("FL-1",)),
    Case(
        "JSON instead of a form",
        Step("/login", method="POST", json={"username": "admin", "password": "secret"}),
        checks=("FL-1",),
    ),
    Case("another method", Step("/login", method="DELETE"), checks=("FL-1",)),
    Case("OPTIONS", Step("/login", method="OPTIONS"), checks=("FL-1",)),
    Case("HEAD", Step("/login", method="HEAD"), checks=("FL-1",)),
    Case(
        "categories",
        say("<b>Grüße</b> \u2713"),
        say('"x', '" id="y'),
        Step("/categories"),
        Step("/categories"),
        checks=("FL-3", "FL-5"),
        differs=[
            sets(0, ("message", "<b>Grüße</b> \u2713")),
            sets(1, ("message", "<b>Grüße</b> \u2713"), ('" id="y', '"x')),
            deletes(2, 2),
        ],
    ),
    Case(
        "the default category",
        Step("/say", method="POST", form={"message": "Hello"}),
        Step("/categories"),
        checks=("FL-3",),
        differs=[sets(0, ("message", "Hello")), deletes(1)],
    ),
    Case(
        "a filter marks all messages as shown",
        say("one"),
        say("two", "error"),
        Step("/filtered"),
        SHOWN,
        checks=("FL-4",),
        differs=[
            sets(0, ("message", "one")),
            sets(1, ("message", "one"), ("error", "two")),
            deletes(2, 2),
        ],
    ),
    Case("no message to filter", Step("/filtered"), checks=("FL-4",)),
    Case(
        "an empty message",
        say("", ""),
        Step("/categories"),
        checks=("FL-3",),
        differs=[sets(0, ("", "")), deletes(1)],
    ),
    Case("no message", Step("/say", method="POST", form={}), checks=("FL-1",)),
    Case(
        "a redirect keeps the messages",
        LOGIN,
        Step("/redirect"),
        SHOWN,
        checks=("FL-5",),
        differs=[sets(0, LOGGED_IN), deletes(2)],
    ),
    Case(
        "a forged cookie",
        Step("/", headers={"Cookie": f"session=forged; flash-{'0' * 24}=forged"}),
        checks=("FL-5",),
    ),
    Case(
        "HEAD deletes no message",
        LOGIN,
        Step("/", method="HEAD"),
        SHOWN,
        checks=("FL-9",),
        differs=[
            sets(0, LOGGED_IN),
            Difference("header:set-cookie", f"session=; {GONE}", None, HEAD, 1, kind="http"),
            Difference(
                "header:set-cookie",
                None,
                re.compile(rf"flash-[0-9a-f]{{24}}=; {re.escape(GONE)}"),
                HEAD,
                2,
                kind="http",
            ),
            Difference("body", INDEX.format(""), INDEX.format(FLASHES), HEAD, 2, kind="http"),
        ],
    ),
)

# Text that does not become shorter by compression.
LONG = "".join(hashlib.sha512(bytes([number])).hexdigest() for number in range(60))

EXTRAS: tuple[Case, ...] = (
    Case(
        "a message that is too long for a cookie",
        Step(
            "/say",
            method="POST",
            form={"message": LONG},
            expected={
                "status": 400,
                "header:set-cookie": None,
                "body": error_page(
                    400, "The message is too long, or too many messages are pending."
                ),
            },
        ),
        checks=("FL-6",),
    ),
)
