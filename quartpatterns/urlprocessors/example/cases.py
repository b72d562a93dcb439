"""What original and port must answer alike, and where Flask's page answers 500."""

from __future__ import annotations

import re

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

BUG = "the page's processor takes the language out of None where no URL matches; the port looks"
EARLY = "the page's url_for asks for g.lang_code before there is one; the port has a default"
KNOWN = "the page takes every text for a language; the port knows those there are"
NONE = "the page's url_for has no language to put in; the port puts in the default"
ORDER = "Werkzeug prefers any exact match; RFC 4647 takes the ranges in their order"
VARY = "a page that depends on Accept-Language says so to caches (RFC 9110, 12.5.5)"


def alike(path: str, check: str, *, method: str = "GET") -> Case:
    """A case without a difference."""
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
    """A case in which only the port answers as it should, with *headers* that are its own."""
    # One body at least is an error page, as long as it is.
    step = Step(path, method=method, compare="ignore", ignore_headers=("content-length",))
    differences = [Difference("status", original, port, reason)]
    differences += (
        Difference(f"header:{key}", None, value, reason) for key, value in headers.items()
    )
    return Case(f"{method} {path}", step, checks=(check,), differs=differences)


def wanted(name: str, header: str, *more: Difference) -> Case:
    """A case in which the start page finds the language that *header* asks for."""
    step = Step("/", headers={"Accept-Language": header})
    vary = Difference("header:vary", None, "Accept-Language", VARY)
    return Case(name, step, checks=("URL-9",), differs=[vary, *more])


def finds(language: str) -> re.Pattern[str]:
    return re.compile(f'.*id="wanted">{language}<.*', re.DOTALL)


CASES: tuple[Case, ...] = (
    alike("/en/", "URL-1"),
    alike("/de/about", "URL-3"),
    alike("/fr/about", "URL-4"),
    alike("/de/about?page=2&lang_code=fr", "URL-4"),
    alike("/static/style.css", "URL-4"),
    alike("/static/nope.css", "URL-4"),
    alike("/de/", "URL-1", method="HEAD"),
    alike("/de/", "URL-1", method="OPTIONS"),
    alike("/blueprint", "URL-5"),
    alike("/blueprint/de", "URL-5"),
    alike("/blueprint/de/", "URL-5"),
    alike("/blueprint/fr/about", "URL-5"),
    alike("/blueprint/de/nope", "URL-6"),
    alike("/blueprint/nope", "URL-6"),
    alike("/blueprint/de/", "URL-5", method="POST"),
    Case(
        "links to the host that was asked",
        Step("/de/about", headers={"Host": "example.com:8080"}),
        checks=("URL-10",),
    ),
    differs("/de/nope", 500, 404, BUG, "URL-6"),
    differs("/nope/x/y", 500, 404, BUG, "URL-6"),
    differs("/de/about/", 500, 404, BUG, "URL-6"),
    differs("/en", 500, 308, BUG, "URL-6", location="http://localhost/en/"),
    differs("/en?q=%C3%A9", 500, 308, BUG, "URL-6", location="http://localhost/en/?q=%C3%A9"),
    differs("//evil.example", 500, 308, BUG, "URL-6", location="http://localhost/evil.example/"),
    differs("/de/", 500, 405, BUG, "URL-6", method="POST", allow="GET, HEAD, OPTIONS"),
    differs("/imprint", 500, 200, NONE, "URL-7"),
    differs("/blueprint/", 500, 200, EARLY, "URL-7"),
    differs("/xx/", 200, 404, KNOWN, "URL-8"),
    differs("/xx/about", 200, 404, KNOWN, "URL-8"),
    differs("/DE/", 200, 404, KNOWN, "URL-8"),
    differs("/%C3%A9/", 200, 404, KNOWN, "URL-8"),
    differs("/de%00/", 200, 404, KNOWN, "URL-8"),
    differs("/..%5Cde/about", 200, 404, KNOWN, "URL-8"),
    differs("/favicon.ico/", 200, 404, KNOWN, "URL-8"),
    differs("/blueprint/xx/", 200, 404, KNOWN, "URL-8"),
    wanted("a browser that wants German", "de-DE,de;q=0.9,en;q=0.8"),
    wanted("a browser that wants Japanese", "ja"),
    wanted("a browser that wants anything", "*"),
    wanted("a header that is none", ";;q=, ,*;q=x"),
    wanted(
        "a browser that wants Austrian German before English",
        "de-AT, en;q=0.5",
        Difference("body", finds("en"), finds("de"), ORDER),
    ),
)
