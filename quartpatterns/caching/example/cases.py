"""The cases in which original and port must answer alike, and the differences on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quartpatterns.compare import Case, Difference, Step
from quartpatterns.compare.case import Kind, same_settings
from quartpatterns.compare.error_page import error_page
from quartpatterns.compare.redirect_page import redirect_page

__all__ = ["CASES", "EXTRAS", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost", "other.example"])

METHODS = "the port stores no response to HEAD, because the view may leave out its body"
HOST = "each host has its own response, because a page may contain links to its host"
PRIVATE = "a request with credentials calls the view, as its response may be for one visitor"
QUERY = "the key of Flask-Caching ignores the order of two values; the view shows the first one"


def made(name: str, times: int) -> str:
    """Return the page with *name*, made *times* times."""
    return f"<p>{name}, made {times} times</p>"


def unequal(
    original: str, port: str, reason: str, kind: Kind, step: int = 1
) -> tuple[Difference, ...]:
    """Return the difference between two bodies."""
    return (Difference("body", original, port, reason, step=step, kind=kind),)


CASES: tuple[Case, ...] = (
    Case(
        "a host that is not trusted",
        Step("/page/i", headers={"Host": "evil.example"}),
        checks=("CA-8",),
    ),
    Case("an item", Step("/item", compare="json"), checks=("CA-2",)),
    Case(
        "an item, made once",
        Step("/item", compare="json"),
        Step("/item", compare="json"),
        checks=("CA-2", "CA-3"),
    ),
    Case(
        "a function, called once",
        Step("/headlines", compare="json"),
        Step("/headlines", compare="json"),
        checks=("CA-4",),
    ),
    Case("values by key", Step("/values", compare="json"), checks=("CA-1", "CA-2")),
    Case("a page", Step("/page/a"), Step("/page/a"), checks=("CA-4",)),
    Case(
        "pages by path",
        Step("/page/b"),
        Step("/page/c"),
        Step("/page/%C3%A4"),
        Step("/page/%25s"),
        Step("/page/%FF"),
        Step("/page/b"),
        checks=("CA-4",),
    ),
    Case(
        "a page with markup in its name",
        Step("/page/%3Cimg%20src=x%20onerror=alert(1)%3E"),
        Step("/page/%3Cimg%20src=x%20onerror=alert(1)%3E"),
        Step("/page/%26lt;img%26gt;"),
        checks=("CA-4", "CA-17"),
    ),
    Case(
        "names of 100 and of 101 characters",
        Step(f"/page/{'x' * 100}"),
        Step(f"/page/{'x' * 101}"),
        Step(f"/fragment/{'x' * 101}"),
        checks=("CA-17",),
    ),
    Case(
        "the query is ignored",
        Step("/page/d"),
        Step("/page/d?for=%3Cimg%20src=x%20onerror=alert(1)%3E"),
        Step("/page/d"),
        checks=("CA-4", "CA-17"),
    ),
    Case(
        "the query is part of the key, its order is not",
        Step("/search?q=tea&page=1"),
        Step("/search?page=1&q=tea"),
        Step("/search?q=tea&page=2"),
        Step("/search?q=tea"),
        Step("/search?q=tea&q="),
        Step("/search"),
        checks=("CA-4",),
    ),
    Case(
        "markup in a query",
        Step("/search?q=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E"),
        Step("/search?q=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E"),
        Step("/search?q=%26lt%3B"),
        checks=("CA-4", "CA-17"),
    ),
    Case(
        "two values in another order",
        Step("/search?q=green&q=black"),
        Step("/search?q=black&q=green"),
        checks=("CA-4",),
        differs=unequal("<p>search 8 for green</p>", "<p>search 9 for black</p>", QUERY, "input"),
    ),
    Case(
        "timeout of a second",
        Step("/short"),
        Step("/short", until="made 2 times"),
        checks=("CA-2", "CA-4"),
    ),
    Case(
        "a memoized function",
        Step("/square/3", compare="json"),
        Step("/square/3", compare="json"),
        Step("/square/4", compare="json"),
        Step("/cube/3", compare="json"),
        Step("/cube/3", compare="json"),
        Step("/square/-3", compare="json"),
        Step("/cube/-3", compare="json"),
        checks=("CA-6",),
    ),
    Case(
        "a fragment of a template",
        Step("/fragment/tea", compare="html"),
        Step("/fragment/tea", compare="html"),
        Step("/fragment/coffee", compare="html"),
        Step("/fragment/%3Cb%3E", compare="html"),
        checks=("CA-7",),
    ),
    Case(
        "HEAD after GET",
        Step("/page/f"),
        Step("/page/f", method="HEAD"),
        Step("/page/f"),
        checks=("CA-8",),
    ),
    Case(
        "HEAD before GET",
        Step("/page/g", method="HEAD"),
        Step("/page/g"),
        checks=("CA-8",),
        differs=unequal(made("g", 1), made("g", 2), METHODS, "http"),
    ),
    Case(
        "other methods",
        Step("/page/h", method="POST"),
        Step("/page/h", method="DELETE"),
        Step("/page/h", method="OPTIONS"),
        Step("/page/h"),
        checks=("CA-8",),
    ),
    Case(
        "another host",
        Step("/page/i"),
        Step("/page/i", headers={"Host": "other.example"}),
        checks=("CA-8",),
        differs=unequal(made("i", 1), made("i", 2), HOST, "security"),
    ),
    Case(
        "a request with a session",
        Step("/page/j"),
        Step("/page/j", headers={"Cookie": "session=somebody"}),
        checks=("CA-9",),
    ),
    Case(
        "a request with credentials",
        Step("/page/k"),
        Step("/page/k", headers={"Authorization": "Basic YTpi"}),
        checks=("CA-9",),
        differs=unequal(made("k", 1), made("k", 2), PRIVATE, "security"),
    ),
    Case("not found", Step("/nothing"), Step("/square/x"), Step("/page/"), checks=("CA-10",)),
    Case(
        "a number with thousands of digits",
        Step(f"/square/{10**2150}"),
        Step(f"/cube/-{10**2150}"),
        Step(f"/square/{'9' * 4000}"),
        Step("/square/1000001"),
        Step("/square/1000000", compare="json"),
        Step("/cube/-1000000", compare="json"),
        checks=("CA-10",),
    ),
    Case(
        "a client that has the response",
        Step("/page/l"),
        Step("/page/l", headers={"If-None-Match": "*"}),
        Step("/page/l", headers={"If-None-Match": '"other"'}),
        checks=("CA-11",),
    ),
)

TEXT = "text/html; charset=utf-8"
JSON = "application/json"
REDIRECTION = redirect_page("/")
TO_INDEX: dict[str, Any] = {"status": 302, "header:location": "/"}
STREAM = "part 0 of {0}\npart 1 of {0}\npart 2 of {0}\n"
VISITS = 'session=signed({{"visits":{}}}); HttpOnly; Path=/'
VARY: dict[str, Any] = {"header:vary": "Accept-Language"}
ITEM: dict[str, Any] = {"number": 2, "parts": [1, 2, 3]}
EXPECTED = Path(__file__).parent / "expected"
INDEX, DOCUMENT = ((EXPECTED / f"{name}.html").read_text() for name in ("index", "document"))


def answer(path: str, body: Any, expected: dict[str, Any] | None = None, **options: Any) -> Step:
    """Return a step of which the status, the body and its type are expected.

    Arguments:
        path: The path.
        body: The body.
        expected: Other aspects than status 200 and the type of *body*.
        options: What else :class:`Step` has.
    """
    content_type, form = (TEXT, "text") if isinstance(body, str) else (JSON, "json")
    all_expected = {"status": 200, "header:content-type": content_type, "body": body}
    return Step(path, expected=all_expected | (expected or {}), **{"compare": form, **options})


def deletion(path: str, body: Any, expected: dict[str, Any] | None = None) -> Step:
    """Return a step that deletes something."""
    return answer(path, body, expected, method="POST")


def square(number: int, calls: int) -> Step:
    """Return a step that gets the square of *number*, which was computed so often."""
    return answer(f"/square/{number}", {"result": number**2, "calls": calls})


def hostile(path: str) -> Step:
    """Return a step in which the page of another site sends a form."""
    headers = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    return answer(path, error_page(403), {"status": 403}, method="POST", headers=headers)


# What is not on Flask's pages: how results are deleted, and what is not stored.
EXTRAS: tuple[Case, ...] = (
    Case("index", answer("/", INDEX, compare="html"), answer("/", INDEX, compare="html")),
    Case(
        "a page, deleted",
        answer("/page/m", made("m", 1)),
        deletion("/page/m/delete", {"deleted": True}),
        deletion("/page/m/delete", {"deleted": False}),
        answer("/page/m", made("m", 2)),
        checks=("CA-5",),
    ),
    Case(
        "an item, deleted",
        deletion("/item/delete", REDIRECTION, TO_INDEX),
        answer("/item", ITEM),
        answer("/item", ITEM),
        checks=("CA-2", "CA-5"),
    ),
    Case(
        "a memoized function, deleted",
        square(5, 1),
        square(6, 1),
        deletion("/square/delete?number=5", "deleted"),
        square(5, 2),
        square(6, 1),
        deletion("/square/delete", "deleted"),
        square(6, 2),
        square(5, 3),
        checks=("CA-6",),
    ),
    Case(
        "forms of other sites",
        answer("/page/n", made("n", 1)),
        hostile("/page/n/delete"),
        hostile("/item/delete"),
        hostile("/square/delete"),
        answer("/page/n", made("n", 1)),
        answer("/item", ITEM),
        square(6, 2),
        checks=("CA-17",),
    ),
    Case(
        "a document of 10 kB",
        answer("/document", DOCUMENT, compare="html"),
        answer("/document", DOCUMENT, compare="html"),
        checks=("CA-4",),
    ),
    Case(
        "unless",
        answer("/unless", "made 1 times"),
        answer("/unless?fresh", "made 2 times"),
        answer("/unless", "made 1 times"),
        checks=("CA-4",),
    ),
    Case(
        "hit indication",
        answer("/hit", "look at the headers", {"header:hit_cache": None}),
        answer("/hit", "look at the headers", {"header:hit_cache": "True"}),
        checks=("CA-4",),
    ),
    Case(
        "a redirect",
        answer("/moved", REDIRECTION, TO_INDEX),
        answer("/moved", REDIRECTION, TO_INDEX),
        checks=("CA-4",),
    ),
    Case(
        "a response with a session",
        answer(
            "/visits", "visit 1", {"header:vary": "Cookie", "header:set-cookie": VISITS.format(1)}
        ),
        answer(
            "/visits", "visit 2", {"header:vary": "Cookie", "header:set-cookie": VISITS.format(2)}
        ),
        checks=("CA-9",),
    ),
    Case(
        "a cookie is not shared",
        answer("/cookie", "visitor 1", {"header:set-cookie": "visitor=1; Path=/"}),
        answer("/cookie", "visitor 2", {"header:set-cookie": "visitor=2; Path=/"}),
        checks=("CA-9",),
    ),
    Case(
        "by language",
        answer("/language", "de", VARY, headers={"Accept-Language": "de"}),
        answer("/language", "en", VARY, headers={"Accept-Language": "en"}),
        answer("/language", "de", VARY, headers={"Accept-Language": "de"}),
        answer("/language", "en", VARY),
        checks=("CA-9",),
    ),
    Case(
        "an error",
        answer("/gone", "gone 1", {"status": 410}),
        answer("/gone", "gone 2", {"status": 410}),
        checks=("CA-10",),
    ),
    Case(
        "a stream",
        answer("/stream", STREAM.format(1), {"header:content-length": None}),
        answer("/stream", STREAM.format(2), {"header:content-length": None}),
        checks=("CA-10",),
    ),
)
