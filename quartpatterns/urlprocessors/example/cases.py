"""The cases of URL processors; Flask's code answers many of them with 500."""

from __future__ import annotations

import re

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

BUG = "Flask's preprocessor fails for URLs that match no rule, because their values are None"
EARLY = "Flask's url_for reads g.lang_code before it is set; the port has a default"
UNKNOWN = "Flask's code accepts every text as a language; the port has a list of languages"
MISSING = "Flask's url_for has no language to add; the port adds the default"
ORDER = "Werkzeug prefers any exact match; RFC 4647 tries the ranges in their order"
VARY = "a page that depends on Accept-Language needs a Vary header (RFC 9110, 12.5.5)"


def equal(path: str, check: str, *, method: str = "GET") -> Case:
    """Return a case without a difference."""
    return Case(f"{method} {path}", Step(path, method=method), checks=(check,))


def differs(
    path: str,
    original: int,
    port: int,
    reason: str,
    check: str,
    *,
    method: str = "GET",
    **headers: str,
) -> Case:
    """Return a case with different statuses, and with *headers* that only the port sends."""
    # The bodies differ, because at least one is an error page.
    step = Step(path, method=method, compare="ignore", ignore_headers=("content-length",))
    differences = [Difference("status", original, port, reason)]
    differences += (
        Difference(f"header:{key}", None, value, reason) for key, value in headers.items()
    )
    return Case(f"{method} {path}", step, checks=(check,), differs=differences)


def negotiates(name: str, header: str, *more: Difference) -> Case:
    """Return a case in which the start page chooses the language for *header*."""
    step = Step("/", headers={"Accept-Language": header})
    vary = Difference("header:vary", None, "Accept-Language", VARY)
    return Case(name, step, checks=("URL-9",), differs=[vary, *more])


def finds(language: str) -> re.Pattern[str]:
    return re.compile(f'.*id="wanted">{language}<.*', re.DOTALL)


CASES: tuple[Case, ...] = (
    equal("/en/", "URL-1"),
    equal("/de/about", "URL-3"),
    equal("/fr/about", "URL-4"),
    equal("/de/about?page=2&lang_code=fr", "URL-4"),
    equal("/static/style.css", "URL-4"),
    equal("/static/nope.css", "URL-4"),
    equal("/de/", "URL-1", method="HEAD"),
    equal("/de/", "URL-1", method="OPTIONS"),
    equal("/blueprint", "URL-5"),
    equal("/blueprint/de", "URL-5"),
    equal("/blueprint/de/", "URL-5"),
    equal("/blueprint/fr/about", "URL-5"),
    equal("/blueprint/de/nope", "URL-6"),
    Case(
        "GET /blueprint/nope",
        Step("/blueprint/nope", compare="ignore", ignore_headers=("content-length", "location")),
        checks=("URL-8",),
        differs=[Difference("status", 308, 404, UNKNOWN)],
    ),
    equal("/blueprint/de/", "URL-5", method="POST"),
    Case(
        "links contain the host of the request",
        Step("/de/about", headers={"Host": "example.com:8080"}),
        checks=("URL-10",),
    ),
    differs("/de/nope", 500, 404, BUG, "URL-6"),
    differs("/nope/x/y", 500, 404, BUG, "URL-6"),
    differs("/de/about/", 500, 404, BUG, "URL-6"),
    differs("/en", 500, 308, BUG, "URL-6", location="http://localhost/en/"),
    differs("/en?q=%C3%A9", 500, 308, BUG, "URL-6", location="http://localhost/en/?q=%C3%A9"),
    differs("//evil.example", 500, 404, BUG, "URL-6"),
    differs("/robots.txt", 500, 404, BUG, "URL-8"),
    differs("/de/", 500, 405, BUG, "URL-6", method="POST", allow="GET, HEAD, OPTIONS"),
    differs("/imprint", 500, 200, MISSING, "URL-7"),
    differs("/blueprint/", 500, 200, EARLY, "URL-7"),
    differs("/xx/", 200, 404, UNKNOWN, "URL-8"),
    differs("/xx/about", 200, 404, UNKNOWN, "URL-8"),
    differs("/DE/", 200, 404, UNKNOWN, "URL-8"),
    differs("/%C3%A9/", 200, 404, UNKNOWN, "URL-8"),
    differs("/de%00/", 200, 404, UNKNOWN, "URL-8"),
    differs("/..%5Cde/about", 200, 404, UNKNOWN, "URL-8"),
    differs("/favicon.ico/", 200, 404, UNKNOWN, "URL-8"),
    differs("/blueprint/xx/", 200, 404, UNKNOWN, "URL-8"),
    negotiates("a browser that prefers German", "de-DE,de;q=0.9,en;q=0.8"),
    negotiates("a browser that prefers Japanese", "ja"),
    negotiates("a browser that accepts anything", "*"),
    negotiates("an invalid header", ";;q=, ,*;q=x"),
    negotiates(
        "a browser that prefers Austrian German to English",
        "de-AT, en;q=0.5",
        Difference("body", finds("en"), finds("de"), ORDER),
    ),
)
