"""The cases in which original and port must answer alike, and the differences on purpose."""

from __future__ import annotations

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

METHODS = "only GET and HEAD get cached responses, and only those to GET are stored"
HOST = "each host has its own response, because a page may contain links to its host"
PRIVATE = "a private response is not stored, so that nobody gets the cookie of somebody else"
SESSION = "a request with credentials calls the view, which may know the visitor"
QUERY = "a response that depends on the query is not for other queries"
VARY = "each value of a header in vary has its own response"
ERROR = "an error is not stored"
STREAM = "a stream is passed on and not stored"


def unequal(original: str, port: str, reason: str, step: int = 0) -> list[Difference]:
    """Return the difference between two bodies, and between their lengths."""
    found = [Difference("body", original, port, reason, step)]
    lengths = str(len(original)), str(len(port))
    if lengths[0] != lengths[1]:
        found.append(Difference("header:content-length", *lengths, reason, step))
    return found


def posted(path: str) -> Step:
    return Step(path, method="POST", compare="json")


CASES: tuple[Case, ...] = (
    Case("index", Step("/", compare="html"), Step("/", compare="html"), checks=("CA-3",)),
    Case("an item", Step("/item", compare="json"), checks=("CA-2",)),
    Case(
        "an item, deleted",
        Step("/item", compare="json"),
        Step("/item", compare="json"),
        Step("/item/delete", method="POST"),
        Step("/item", compare="json"),
        Step("/", compare="html"),
        checks=("CA-2", "CA-3"),
    ),
    Case("values by key", Step("/values", compare="json"), checks=("CA-1", "CA-2")),
    Case(
        "a document of 10 kB",
        Step("/document", compare="html"),
        checks=("CA-4",),
    ),
    Case("a page", Step("/page/a"), Step("/page/a"), checks=("CA-4",)),
    Case(
        "pages by path",
        Step("/page/b"),
        Step("/page/c"),
        Step("/page/%C3%A4"),
        Step("/page/%25s"),
        Step("/page/b"),
        checks=("CA-4",),
    ),
    Case(
        "the query is ignored",
        Step("/page/d"),
        Step("/page/d?for=ada"),
        checks=("CA-4",),
        differs=unequal("d, made 1 times, for nobody", "d, made 2 times, for ada", QUERY, 1),
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
        "timeout of three seconds",
        Step("/short"),
        Step("/short"),
        Step("/short", until="made 2 times"),
        checks=("CA-2", "CA-4"),
    ),
    Case(
        "a page, deleted",
        Step("/page/e"),
        posted("/page/e/delete"),
        posted("/page/e/delete"),
        Step("/page/e"),
        checks=("CA-5",),
    ),
    Case(
        "a memoized function",
        Step("/square/3", compare="json"),
        Step("/square/3", compare="json"),
        Step("/square/4", compare="json"),
        Step("/cube/3", compare="json"),
        Step("/cube/3", compare="json"),
        Step("/square/-3", compare="json"),
        checks=("CA-6",),
    ),
    Case(
        "a memoized function, deleted",
        Step("/square/5", compare="json"),
        Step("/square/6", compare="json"),
        Step("/square/delete?number=5", method="POST"),
        Step("/square/5", compare="json"),
        Step("/square/6", compare="json"),
        Step("/square/delete", method="POST"),
        Step("/square/6", compare="json"),
        Step("/square/5", compare="json"),
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
        "unless",
        Step("/unless"),
        Step("/unless?fresh"),
        Step("/unless"),
        checks=("CA-4",),
    ),
    Case(
        "hit indication",
        Step("/hit"),
        Step("/hit"),
        checks=("CA-4",),
    ),
    Case(
        "a redirect",
        Step("/moved"),
        Step("/moved"),
        checks=("CA-4",),
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
        differs=[
            *unequal("g, made 1 times, for nobody", "g, made 2 times, for nobody", METHODS, 1),
        ],
    ),
    Case(
        "POST to a cached page",
        Step("/page/h"),
        Step("/page/h", method="POST"),
        Step("/page/h"),
        checks=("CA-8",),
        differs=[
            *unequal("h, made 1 times, for nobody", "h, made 2 times, for nobody", METHODS, 1),
        ],
    ),
    Case("another method", Step("/page/a", method="DELETE"), Step("/page/a", method="OPTIONS")),
    Case(
        "another host",
        Step("/page/i"),
        Step("/page/i", headers={"Host": "evil.example"}),
        checks=("CA-8",),
        differs=[
            *unequal("i, made 1 times, for nobody", "i, made 2 times, for nobody", HOST, 1),
        ],
    ),
    Case(
        "a response with a session",
        Step("/visits"),
        Step("/visits"),
        checks=("CA-9",),
        differs=[
            Difference(
                "header:set-cookie",
                None,
                'session=signed({"visits":2}); HttpOnly; Path=/',
                PRIVATE,
                1,
            ),
            Difference("header:vary", None, "Cookie", PRIVATE, 1),
            *unequal("visit 1", "visit 2", PRIVATE, 1),
        ],
    ),
    Case(
        "a request with a session or credentials",
        Step("/page/j"),
        Step("/page/j", headers={"Cookie": "session=somebody"}),
        Step("/page/j", headers={"Authorization": "Basic YTpi"}),
        checks=("CA-9",),
        differs=unequal("j, made 1 times, for nobody", "j, made 2 times, for nobody", SESSION, 2),
    ),
    Case(
        "a cookie is not shared",
        Step("/cookie"),
        Step("/cookie"),
        checks=("CA-9",),
        differs=[
            Difference("header:set-cookie", "visitor=1; Path=/", "visitor=2; Path=/", PRIVATE, 1),
            *unequal("visitor 1", "visitor 2", PRIVATE, 1),
        ],
    ),
    Case(
        "by language",
        Step("/language", headers={"Accept-Language": "de"}),
        Step("/language", headers={"Accept-Language": "en"}),
        Step("/language", headers={"Accept-Language": "de"}),
        checks=("CA-9",),
        differs=[*unequal("de", "en", VARY, 1)],
    ),
    Case(
        "an error",
        Step("/gone"),
        Step("/gone"),
        checks=("CA-10",),
        differs=unequal("gone 1", "gone 2", ERROR, 1),
    ),
    Case("not found", Step("/nothing"), Step("/square/x"), checks=("CA-10",)),
    Case(
        "a number with thousands of digits",
        Step(f"/square/{10**2150}"),
        Step(f"/cube/-{10**2150}"),
        Step(f"/square/{'9' * 4000}"),
        Step("/square/1000001"),
        checks=("CA-10",),
    ),
    Case(
        "a stream",
        Step("/stream"),
        checks=("CA-10",),
        differs=[Difference("header:content-length", "36", None, STREAM)],
    ),
    Case(
        "a client that has the response",
        Step("/page/k"),
        Step("/page/k", headers={"If-None-Match": "*"}),
        checks=("CA-11",),
    ),
    Case(
        "a client that has another response",
        Step("/page/l"),
        Step("/page/l", headers={"If-None-Match": '"other"'}),
        checks=("CA-11",),
    ),
)
