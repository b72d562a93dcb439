"""What original and port must answer alike."""

from __future__ import annotations

import re

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

KEPT = re.compile(r"(flash-[0-9a-f]{24}=[^;]+; HttpOnly; Path=/\n?)+")
TAKEN = re.compile(r"(flash-[0-9a-f]{24}=; Expires=Thu, 01 Jan 1970 .*; Max-Age=0; Path=/\n?)+")
OWN = "each message has a cookie of its own, which no other answer can overwrite"
PEEK = "nobody sees the answer to HEAD, so that the port keeps the messages"

LOGIN = Step("/login", method="POST", form={"username": "admin", "password": "secret"})
SHOWN = Step("/", compare="html")


def say(message: str, category: str = "message") -> Step:
    """The request that flashes *message*."""
    return Step("/say", method="POST", form={"message": message, "category": category})


def kept(step: int) -> Difference:
    """The answer of *step* carries a message."""
    session = re.compile(r"session=signed\(.*\); HttpOnly; Path=/")
    return Difference("header:set-cookie", session, KEPT, OWN, step)


def taken(step: int) -> Difference:
    """The answer of *step* has shown the messages."""
    session = re.compile(r"session=; Expires=.*; HttpOnly; Max-Age=0; Path=/")
    return Difference("header:set-cookie", session, TAKEN, OWN, step)


CASES: tuple[Case, ...] = (
    Case("the index", SHOWN, checks=("FL-1", "FL-2")),
    Case("the login form", Step("/login", compare="html"), checks=("FL-1", "FL-2")),
    Case(
        "a login that is said once",
        LOGIN,
        SHOWN,
        SHOWN,
        checks=("FL-1", "FL-2", "FL-3"),
        differs=[kept(0), taken(1)],
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
        say("It is late", "warning"),
        say("<b>Grüße</b> \u2713"),
        say('", onclick="', '" onclick="'),
        Step("/categories", compare="html"),
        Step("/categories", compare="html"),
        checks=("FL-3", "FL-5"),
        differs=[kept(0), kept(1), kept(2), taken(3)],
    ),
    Case(
        "the default category",
        Step("/say", method="POST", form={"message": "Hello"}),
        Step("/categories", compare="html"),
        checks=("FL-3",),
        differs=[kept(0), taken(1)],
    ),
    Case(
        "a filter takes all of them",
        say("one"),
        say("two", "error"),
        say("three", "error"),
        Step("/filtered", compare="html"),
        SHOWN,
        checks=("FL-4",),
        differs=[kept(0), kept(1), kept(2), taken(3)],
    ),
    Case("an empty message", say("", ""), SHOWN, differs=[kept(0), taken(1)], checks=("FL-3",)),
    Case("no message", Step("/say", method="POST", form={}), checks=("FL-1",)),
    Case(
        "a redirect keeps them",
        LOGIN,
        Step("/hop"),
        Step("/hop"),
        SHOWN,
        checks=("FL-5",),
        differs=[kept(0), taken(3)],
    ),
    Case(
        "a cookie that nobody signed",
        Step("/", headers={"Cookie": f"session=forged; flash-{'0' * 24}=forged"}, compare="html"),
        checks=("FL-5",),
    ),
    Case(
        "HEAD shows nothing",
        LOGIN,
        Step("/", method="HEAD"),
        # The original has forgotten the message.
        Step("/", compare="ignore", ignore_headers=("content-length",)),
        checks=("FL-9",),
        differs=[
            kept(0),
            Difference(
                "header:set-cookie", re.compile("session=; Expires=.*", re.DOTALL), None, PEEK, 1
            ),
            Difference("header:set-cookie", None, TAKEN, PEEK, 2),
        ],
    ),
)
