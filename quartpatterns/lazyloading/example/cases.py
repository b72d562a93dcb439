"""The cases of this pattern."""

from __future__ import annotations

from quartpatterns.compare.case import Case, Step, same_settings

__all__ = ["CASES", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])


def shout(name: str, **form: str) -> Case:
    """Return a case that sends a form to the class of views."""
    return Case(name, Step("/shout", method="POST", form=form), checks=("LL-6",))


CASES: tuple[Case, ...] = (
    Case("the index", Step("/"), checks=("LL-1", "LL-4")),
    Case("again, after the import", Step("/"), Step("/"), checks=("LL-1",)),
    Case("a view without its argument", Step("/user/"), checks=("LL-3",)),
    Case("a view with its argument", Step("/user/Ada"), checks=("LL-1", "LL-3")),
    Case("without the slash", Step("/user"), checks=("LL-3",)),
    Case("an argument that is not ASCII", Step("/user/%D0%96%3Cb%3E"), checks=("LL-3",)),
    Case("an argument with a backslash", Step("/user/..%5C..%5Cetc"), checks=("LL-3",)),
    Case("a long argument", Step(f"/user/{'x' * 3000}"), checks=("LL-3",)),
    Case("two segments", Step("/user/a/b"), checks=("LL-3",)),
    Case("HEAD", Step("/user/Ada", method="HEAD"), checks=("LL-1",)),
    Case("OPTIONS", Step("/user/Ada", method="OPTIONS"), checks=("LL-1",)),
    Case("POST to a view of GET", Step("/user/Ada", method="POST"), checks=("LL-1",)),
    Case("the form", Step("/shout"), checks=("LL-6",)),
    Case("HEAD of the form", Step("/shout", method="HEAD"), checks=("LL-6",)),
    Case("PUT to the form", Step("/shout", method="PUT"), checks=("LL-6",)),
    Case("OPTIONS of the form", Step("/shout", method="OPTIONS"), checks=("LL-6",)),
    shout("a text", text="hello"),
    shout("a text that is not ASCII", text="stra\N{LATIN SMALL LETTER SHARP S}e <b>"),
    shout("no text"),
    Case("a missing view", Step("/broken"), Step("/broken"), checks=("LL-5",)),
    Case("a host that is not trusted", Step("/", headers={"Host": "untrusted.example"})),
    Case("an unknown path", Step("/nope"), checks=("LL-1",)),
    Case("the central map", Step("/central/"), checks=("LL-1",)),
    Case("the central map without its slash", Step("/central"), checks=("LL-1",)),
    Case("a view of the central map", Step("/central/user/Ada%3Cb%3E"), checks=("LL-1",)),
    Case("its view without its argument", Step("/central/user/"), checks=("LL-1",)),
    Case("POST to the central map", Step("/central/", method="POST"), checks=("LL-1",)),
)
