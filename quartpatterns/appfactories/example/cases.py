"""The requests that original and port must answer alike."""

from __future__ import annotations

from quartpatterns.compare.case import Case, Step, same_settings

__all__ = ["CASES", "arrange"]

arrange = same_settings(
    TRUSTED_HOSTS=["localhost"], MAX_ENTRIES=3, OF_ANOTHER_APPLICATION="not a setting of this one"
)


def entry(text: str, name: str) -> Case:
    """Return a case that writes an entry and reads the page."""
    write = Step("/entries", method="POST", form={"text": text})
    return Case(name, write, Step("/"), checks=("AF-1", "AF-5"))


def eleven_entries(root: str) -> list[Step]:
    """Return steps that write one entry more than ``MAX_ENTRIES`` of ``dev``, and read them."""
    forms = ({"text": f"entry {number}"} for number in range(11))
    writes = [Step(f"{root}/entries", method="POST", form=form) for form in forms]
    return [*writes, Step(f"{root}/admin/"), Step(f"{root}/")]


CASES: tuple[Case, ...] = (
    Case("the index", Step("/"), checks=("AF-1", "AF-7")),
    Case("the administrator's page", Step("/admin/"), checks=("AF-2", "AF-4")),
    Case("the administrator's page without its slash", Step("/admin"), checks=("AF-2",)),
    Case("HEAD of the administrator's page", Step("/admin/", method="HEAD"), checks=("AF-2",)),
    Case("POST to the administrator's page", Step("/admin/", method="POST"), checks=("AF-2",)),
    Case("the middleware on an error", Step("/nope"), checks=("AF-7",)),
    Case("the middleware on a file", Step("/static/style.css"), checks=("AF-7",)),
    entry("Hello!", "an entry"),
    entry("x", "the shortest entry"),
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
    Case("a host that is not trusted", Step("/", headers={"Host": "untrusted.example"})),
    Case("OPTIONS", Step("/entries", method="OPTIONS"), checks=("AF-1",)),
    Case("an instance with another file", Step("/dev/"), Step("/dev/admin/"), checks=("AF-3",)),
    Case("an instance with a third file", Step("/prod/"), Step("/prod/admin/"), checks=("AF-3",)),
    Case("the settings of its file", *eleven_entries("/dev"), checks=("AF-3", "AF-5")),
    Case(
        "entries of one instance only",
        Step("/dev/entries", method="POST", form={"text": "of dev"}),
        Step("/dev/"),
        Step("/prod/"),
        Step("/"),
        checks=("AF-3", "AF-5"),
    ),
    Case("the root of an instance", Step("/dev"), checks=("AF-3",)),
    Case("the middleware of an instance", Step("/prod/nope"), checks=("AF-7",)),
)
