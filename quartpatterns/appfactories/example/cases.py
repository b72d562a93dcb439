"""The requests that original and port must answer alike."""

from __future__ import annotations

from quartpatterns.compare import Case, Step

__all__ = ["CASES"]


def entry(text: str, name: str) -> Case:
    """Return a case that writes an entry and reads the page."""
    write = Step("/entries", method="POST", form={"text": text})
    return Case(name, write, Step("/"), checks=("AF-1", "AF-5"))


CASES: tuple[Case, ...] = (
    Case("the index", Step("/"), checks=("AF-1", "AF-7")),
    Case("the administrator's page", Step("/admin/"), checks=("AF-2", "AF-4")),
    Case("the administrator's page without its slash", Step("/admin"), checks=("AF-2",)),
    Case("HEAD of the administrator's page", Step("/admin/", method="HEAD"), checks=("AF-2",)),
    Case("POST to the administrator's page", Step("/admin/", method="POST"), checks=("AF-2",)),
    Case("the middleware on an error", Step("/nope"), checks=("AF-7",)),
    Case("the middleware on a file", Step("/static/style.css"), checks=("AF-7",)),
    entry("Hello!", "an entry"),
    entry("<b>ж & \N{PILE OF POO}</b>", "an entry that is not ASCII"),
    entry("x" * 200, "the longest entry"),
    entry("x" * 201, "an entry that is too long"),
    entry("  \r\n ", "an empty entry"),
    Case("no entry", Step("/entries", method="POST", form={}), Step("/admin/"), checks=("AF-1",)),
    Case(
        "two entries in one form",
        Step("/entries", method="POST", form={"text": ["one", "two"]}),
        Step("/"),
        checks=("AF-1",),
    ),
    Case("an entry as JSON", Step("/entries", method="POST", json={"text": "x"}), checks=("AF-1",)),
    Case("GET of the form's URL", Step("/entries"), checks=("AF-1",)),
    Case("OPTIONS", Step("/entries", method="OPTIONS"), checks=("AF-1",)),
)
