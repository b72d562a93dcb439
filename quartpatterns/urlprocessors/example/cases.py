"""The cases of URL processors; Flask's code answers many of them with 500."""

from __future__ import annotations

from typing import Any

from quartpatterns.compare.case import Case, Difference, Step, same_settings
from quartpatterns.compare.error_page import error_page
from quartpatterns.compare.redirect_page import redirect_page

__all__ = ["CASES", "EXTRAS", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost", "example.com"])

BUG = "Flask's preprocessor fails for URLs that match no rule, because their values are None"
UNKNOWN = "Flask's code accepts every text as a language; the port has a list of languages"
HTML = "text/html; charset=utf-8"
PAGE = """<!doctype html>
<html lang="{lang}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="stylesheet" href="{root}/static/style.css">
{head}
</head>
<body>
<main>
{main}
</main>
</body>
</html>
"""
UNKNOWN_INDEX = """
<nav aria-label="Languages">
  <a href="{root}/en/" hreflang="en" lang="en">en</a>
  <a href="{root}/de/" hreflang="de" lang="de">de</a>
  <a href="{root}/fr/" hreflang="fr" lang="fr">fr</a>
</nav>
<h1>?</h1>
<p><a href="{root}/xx/about">{root}/xx/about</a></p>
"""


def equal(path: str, check: str, *, method: str = "GET") -> Case:
    """Return a case without a difference."""
    return Case(f"{method} {path}", Step(path, method=method), checks=(check,))


def differs(
    path: str,
    original: tuple[int, str],
    port: tuple[int, str],
    reason: str,
    check: str,
    *,
    method: str = "GET",
    **headers: tuple[str | None, str | None],
) -> Case:
    """Return a case with different responses.

    Arguments:
        path: The path.
        original: Status and body of the original.
        port: Status and body of the port.
        reason: Why they differ.
        check: The id of the check.
        method: The HTTP method.
        headers: Other headers that differ: the values of the original and the port.
    """
    aspects: dict[str, tuple[Any, Any]] = {
        "status": (original[0], port[0]),
        "body": (original[1], port[1]),
        **{f"header:{key}": values for key, values in headers.items()},
    }
    differences = [
        Difference(aspect, *values, reason, kind="input") for aspect, values in aspects.items()
    ]
    step = Step(path, method=method, compare="html")
    return Case(f"{method} {path}", step, checks=(check,), differs=differences)


def page(lang: str, title: str, main: str, *, root: str = "", head: str = "") -> str:
    """Return a page in the layout of the port."""
    return PAGE.format(lang=lang, title=title, main=main, root=root, head=head)


def error(status: int) -> tuple[int, str]:
    """Return a status and its page."""
    return status, error_page(status)


def redirection(location: str) -> tuple[int, str]:
    """Return the status and the page of a redirect to the path with a slash."""
    return 308, redirect_page(location)


def unknown_index(root: str = "") -> tuple[int, str]:
    """Return the status and the index of the original in the language xx."""
    return 200, page("xx", "?", UNKNOWN_INDEX.format(root=root), root=root)


CASES: tuple[Case, ...] = (
    equal("/en/", "URL-1"),
    equal("/de/", "URL-1"),
    equal("/fr/", "URL-1"),
    equal("/de/about", "URL-3"),
    equal("/fr/about", "URL-4"),
    equal("/de/about?page=2&lang_code=fr", "URL-4"),
    equal("/static/style.css", "URL-4"),
    equal("/static/nope.css", "URL-4"),
    equal("/de/", "URL-1", method="HEAD"),
    equal("/de/", "URL-1", method="OPTIONS"),
    equal("/de/about", "URL-1", method="OPTIONS"),
    equal("//de/", "URL-1"),
    equal("/blueprint/de", "URL-5"),
    equal("/blueprint/de/", "URL-5"),
    equal("/blueprint/en/", "URL-5"),
    equal("/blueprint/fr/about", "URL-5"),
    equal("/blueprint/de/about/", "URL-6"),
    equal("/blueprint/de/nope", "URL-6"),
    equal("/blueprint/static/style.css", "URL-5"),
    Case(
        "a host that is not trusted, of a blueprint",
        Step("/blueprint/de/", headers={"Host": "untrusted.example"}),
        checks=("URL-5",),
    ),
    equal("/blueprint/de/", "URL-5", method="POST"),
    equal("/blueprint/de/about", "URL-5", method="OPTIONS"),
    differs("/de/nope", error(500), error(404), BUG, "URL-6"),
    differs(
        "/en",
        error(500),
        redirection("http://localhost/en/"),
        BUG,
        "URL-6",
        location=(None, "http://localhost/en/"),
    ),
    differs(
        "/de/",
        error(500),
        error(405),
        BUG,
        "URL-6",
        method="POST",
        allow=(None, "GET, HEAD, OPTIONS"),
    ),
    differs("/xx/", unknown_index(), error(404), UNKNOWN, "URL-8"),
    differs("/blueprint/xx/", unknown_index("/blueprint"), error(404), UNKNOWN, "URL-8"),
    differs(
        "/blueprint/nope",
        redirection("http://localhost/blueprint/nope/"),
        error(404),
        UNKNOWN,
        "URL-8",
        location=("http://localhost/blueprint/nope/", None),
    ),
)

START = """
<h1>URL processors</h1>
<p>Each page has its language in its URL. Your browser asks for
<a href="/{wanted}/" id="wanted">{wanted}</a>.</p>
<ul>
  <li><a href="/en/" hreflang="en" lang="en">Hello!</a></li>
  <li><a href="/de/" hreflang="de" lang="de">Guten Tag!</a></li>
  <li><a href="/fr/" hreflang="fr" lang="fr">Bonjour !</a></li>
</ul>
<p><a href="/en/contact">A page</a> names its other languages in its head.</p>
<p><a href="/imprint">The imprint</a> has no language, and the links in it get the default one.</p>
<p><a href="/blueprint/">Another site</a> has languages in the URLs of one blueprint only.</p>
"""
IMPRINT = """
<h1>Imprint</h1>
<p><a href="/en/about">About this site</a></p>
"""
FRONTEND = """
<h1>Languages of a blueprint</h1>
<ul>
  <li><a href="/blueprint/en/" hreflang="en" lang="en">Hello!</a></li>
  <li><a href="/blueprint/de/" hreflang="de" lang="de">Guten Tag!</a></li>
  <li><a href="/blueprint/fr/" hreflang="fr" lang="fr">Bonjour !</a></li>
</ul>
"""
CONTACT = """
<nav aria-label="Languages">
  <a href="/en/contact" hreflang="en" lang="en">en</a>
  <a href="/de/contact" hreflang="de" lang="de" aria-current="true">de</a>
  <a href="/fr/contact" hreflang="fr" lang="fr">fr</a>
</nav>
<h1>de</h1>
<p>The head of this page has links to its other languages.</p>
"""
LINKS = """
<link rel="canonical" href="http://{host}/de/contact">
<link rel="alternate" hreflang="en" href="http://{host}/en/contact">
<link rel="alternate" hreflang="de" href="http://{host}/de/contact">
<link rel="alternate" hreflang="fr" href="http://{host}/fr/contact">
<link rel="alternate" hreflang="x-default" href="http://{host}/en/contact">
"""


def extra(
    name: str,
    path: str,
    check: str,
    body: str,
    *,
    status: int = 200,
    vary: str | None = None,
    **headers: str,
) -> Case:
    """Return an extra whose body is a page of the port."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    expected = {
        "status": status,
        "header:content-type": HTML,
        "header:vary": vary,
        "header:location": None,
        "body": body,
    }
    step = Step(path, headers=named, compare="html", expected=expected)
    return Case(name, step, checks=(check,))


def negotiates(name: str, header: str, language: str) -> Case:
    """Return an extra in which the start page chooses *language* for *header*."""
    body = page("en", "URL processors", START.format(wanted=language))
    vary = "Accept-Language"
    return extra(name, "/", "URL-9", body, vary=vary, Accept_Language=header)


EXTRAS: tuple[Case, ...] = (
    negotiates("a browser that prefers German", "de-DE,de;q=0.9,en;q=0.8", "de"),
    negotiates("a browser that prefers Japanese", "ja", "en"),
    negotiates("a browser that accepts anything", "*", "en"),
    negotiates("an invalid header", ";;q=, ,*;q=x", "en"),
    negotiates("a browser that prefers Austrian German to English", "de-AT, en;q=0.5", "de"),
    extra("a page without a language", "/imprint", "URL-7", page("en", "Imprint", IMPRINT)),
    extra(
        "links into the blueprint",
        "/blueprint/",
        "URL-7",
        page("en", "Languages of a blueprint", FRONTEND, root="/blueprint"),
    ),
    extra(
        "links to other languages",
        "/de/contact",
        "URL-10",
        page("de", "de", CONTACT, head=LINKS.format(host="localhost")),
    ),
    extra(
        "links contain the host of the request",
        "/de/contact?q=1",
        "URL-10",
        page("de", "de", CONTACT, head=LINKS.format(host="example.com:8080")),
        Host="example.com:8080",
    ),
    extra(
        "a host that is not trusted",
        "/de/",
        "URL-6",
        error_page(400, "Host 'untrusted.example' is not trusted."),
        status=400,
        Host="untrusted.example",
    ),
    *(
        extra(f"no page for {path}", path, "URL-8", error_page(404), status=404)
        for path in (
            "/nope/x/y",
            "/de/about/",
            "//evil.example",
            "/robots.txt",
            "/xx/about",
            "/DE/",
            "/%C3%A9/",
            "/de%00/",
            "/..%5Cde/about",
            "/favicon.ico/",
            "/blueprint/xx/",
            "/blueprint/nope",
        )
    ),
)
