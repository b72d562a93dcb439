"""The cases of this pattern."""

from __future__ import annotations

from quartpatterns.compare import Case, Step
from quartpatterns.compare.case import same_settings

__all__ = ["CASES", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])

CASES = (
    Case("a host that is not trusted", Step("/", headers={"Host": "untrusted.example"})),
    Case("index", Step("/")),
    *(
        Case(f"index in {language}", Step("/", headers={"Accept-Language": language}))
        for language in ("de", "fr", "pl")
    ),
    Case(
        "language is guessed once",
        Step("/language", headers={"Accept-Language": "fr;q=0.9, de"}),
        Step("/language", headers={"Accept-Language": "fr"}),
        checks=("DC-3",),
    ),
    Case("no language is accepted", Step("/language"), checks=("DC-3",)),
    Case(
        "unknown language",
        Step("/language", headers={"Accept-Language": "tlh"}),
        checks=("DC-3",),
    ),
    Case(
        "language in the cookie",
        Step("/language", headers={"Cookie": "user_lang=de"}),
        checks=("DC-3",),
    ),
    Case(
        "hostile cookie",
        Step("/language", headers={"Cookie": 'user_lang="; Path=/evil"'}),
        checks=("DC-3",),
    ),
    Case("callback that returns nothing", Step("/first-form"), checks=("DC-1",)),
    Case("callback that replaces the response", Step("/replaced"), checks=("DC-2",)),
    Case(
        "in order of registration, for one request",
        Step("/order-of-callbacks"),
        Step("/language"),
        checks=("DC-4",),
    ),
    Case("unknown page", Step("/nowhere"), checks=("DC-4",)),
    Case("wrong method", Step("/language", method="POST"), checks=("DC-4",)),
    Case(
        "after the response",
        Step("/orders", method="POST", form={"name": "a book"}),
        Step("/orders", until="a book"),
    ),
    Case(
        "the last hundred orders",
        *(Step("/orders", method="POST", form={"name": "a pen"}) for _ in range(101)),
        # What came before them is forgotten.
        Step("/orders", until=r'^\["a pen"(,"a pen"){99,}\]'),
    ),
    Case("order without a name", Step("/orders", method="POST", form={})),
)
