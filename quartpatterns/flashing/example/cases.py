"""The cases of message flashing."""

from __future__ import annotations

import re

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

SET = re.compile(r"(flash-[0-9a-f]{24}=[^;]+; HttpOnly; Path=/\n?)+")
DELETED = re.compile(r"(flash-[0-9a-f]{24}=; Expires=Thu, 01 Jan 1970 .*; Max-Age=0; Path=/\n?)+")
OWN = "each message has its own cookie, which no other response can overwrite"
HEAD = "nobody sees the response to HEAD, so the port deletes no message"

LOGIN = Step("/login", method="POST", form={"username": "admin", "password": "secret"})
SHOWN = Step("/", compare="html")


def say(message: str, category: str = "message") -> Step:
    """Return the request that flashes *message*."""
    return Step("/say", method="POST", form={"message": message, "category": category})


def sets(step: int) -> Difference:
    """The response of *step* sets the cookie of a message."""
    session = re.compile(r"session=signed\(.*\); HttpOnly; Path=/")
    return Difference("header:set-cookie", session, SET, OWN, step)


def deletes(step: int) -> Difference:
    """The response of *step* deletes the cookies of shown messages."""
    session = re.compile(r"session=; Expires=.*; HttpOnly; Max-Age=0; Path=/")
    return Difference("header:set-cookie", session, DELETED, OWN, step)


CASES: tuple[Case, ...] = (
    Case("the index", SHOWN, checks=("FL-1", "FL-2")),
    Case("the login form", Step("/login", compare="html"), checks=("FL-1", "FL-2")),
    Case(
        "a login is shown once",
        LOGIN,
        SHOWN,
        SHOWN,
        checks=("FL-1", "FL-2", "FL-3"),
        differs=[sets(0), deletes(1)],
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
        differs=[sets(0), sets(1), sets(2), deletes(3)],
    ),
    Case(
        "the default category",
        Step("/say", method="POST", form={"message": "Hello"}),
        Step("/categories", compare="html"),
        checks=("FL-3",),
        differs=[sets(0), deletes(1)],
    ),
    Case(
        "a filter marks all messages as shown",
        say("one"),
        say("two", "error"),
        say("three", "error"),
        Step("/filtered", compare="html"),
        SHOWN,
        checks=("FL-4",),
        differs=[sets(0), sets(1), sets(2), deletes(3)],
    ),
    Case("an empty message", say("", ""), SHOWN, differs=[sets(0), deletes(1)], checks=("FL-3",)),
    Case("no message", Step("/say", method="POST", form={}), checks=("FL-1",)),
    Case(
        "a redirect keeps the messages",
        LOGIN,
        Step("/redirect"),
        Step("/redirect"),
        SHOWN,
        checks=("FL-5",),
        differs=[sets(0), deletes(3)],
    ),
    Case(
        "a forged cookie",
        Step("/", headers={"Cookie": f"session=forged; flash-{'0' * 24}=forged"}, compare="html"),
        checks=("FL-5",),
    ),
    Case(
        "HEAD deletes no message",
        LOGIN,
        Step("/", method="HEAD"),
        # The original has deleted the message.
        Step("/", compare="ignore", ignore_headers=("content-length",)),
        checks=("FL-9",),
        differs=[
            sets(0),
            Difference(
                "header:set-cookie", re.compile("session=; Expires=.*", re.DOTALL), None, HEAD, 1
            ),
            Difference("header:set-cookie", None, DELETED, HEAD, 2),
        ],
    ),
)
