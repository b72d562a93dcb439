"""The pages of the gallery in process: what they contain, how large they are, and their headers."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from quart import Quart

from quartpatterns import catalog
from quartpatterns.gallery import create_app
from quartpatterns.gallery.content import (
    declared_cases,
    pattern_content,
    source_files,
)
from quartpatterns.gallery.declared import declared_differences, differences_of, grouped
from quartpatterns.gallery.pages import FLASK_PATTERNS
from quartpatterns.gallery.quart_guides import PAGES, QUART, TITLES, quart_guides
from quartpatterns.gallery.recorded import benchmark, parity
from quartpatterns.subclassing import ProxyFix

NAMES = [pattern.name for pattern in catalog.PATTERNS]
MOST = 100_000
"""Bytes of a page with its style sheet, script and icon, uncompressed."""
STATIC = Path("quartpatterns/gallery/static")
SHARED = sum((STATIC / name).stat().st_size for name in ("gallery.css", "gallery.js", "icon.svg"))


@pytest.fixture(scope="module")
def app() -> Quart:
    # The pages read in threads; the tests below use what was read.
    declared_differences()
    benchmark()
    for pattern in catalog.PATTERNS:
        pattern_content(pattern)
    return create_app({})


@pytest.fixture
def app_with_prefix() -> Quart:
    app = create_app({})
    app.asgi_app = ProxyFix(app.asgi_app, prefix="/demo")  # type: ignore[method-assign]
    return app


class Page(HTMLParser):
    """The text, the ids and the links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.ids: list[str] = []
        self.links: list[str] = []
        self.forbidden: list[str] = []  # by the Content-Security-Policy
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values[name] for name in ("href", "src", "action") if name in values]
        self.forbidden += [name for name in values if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in values):
            self.forbidden.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


async def page(app: Quart, path: str) -> tuple[str, Page]:
    """Return the HTML of *path*, which has no inline scripts and styles and no broken fragments."""
    response = await app.test_client().get(path)
    assert response.status_code == 200, path
    html = await response.get_data(as_text=True)
    assert len(html.encode()) + SHARED < MOST, path
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "<th></th>" not in html, path
    found = Page(html)
    assert found.forbidden == [], path
    assert [id for id, count in Counter(found.ids).items() if count > 1] == [], path
    fragments = {link[1:] for link in found.links if link.startswith("#")}
    assert fragments - set(found.ids) == set(), path
    return html, found


async def test_pattern(app: Quart) -> None:
    """A page has the import, the README, each name, and links to the port and its pages."""
    for pattern in catalog.PATTERNS:
        html, found = await page(app, f"/gallery/{pattern.name}")
        content = pattern_content(pattern)
        assert content.introduction in html
        assert all(section.html in html for section in content.sections)
        assert f"from quartpatterns.{pattern.name}" in found.text
        assert all(f"<code>{helper.name}</code>" in html for helper in content.helpers)
        assert f"/{pattern.name}/" in found.links
        # A link to a file of the project leads to a page of the gallery, or is none.
        assert not [link for link in found.links if re.match(r"\.\.|[^:]*\.md\b", link)]
        for current in (each for each in pattern.pages if "HEAD" in each.versions):
            assert f"{FLASK_PATTERNS}{current.name}/" in found.links
        guides = quart_guides(pattern.name)
        assert all(f"{QUART}{path}.html" in found.links for path, _ in guides)
    assert set(PAGES) <= set(NAMES)
    assert {path for paths in PAGES.values() for path in paths} < set(TITLES)


def read(name: str, path: str) -> str:
    return Path(f"quartpatterns/{name}/{path}").read_text()


async def test_code(app: Quart) -> None:
    """A page has each line of original and port in order, and links to all files."""
    for pattern in catalog.PATTERNS:
        html, found = await page(app, f"/gallery/{pattern.name}/code")
        assert html.count('class="hunk changed"') > 0
        lines = [re.sub("^(?:Flask|Quart): ", "", line) for line in found.text.splitlines()]
        for name in ("original", "port"):
            source = read(pattern.name, f"example/{name}.py")
            rest = iter(lines)
            assert [line for line in source.splitlines() if line not in rest] == []
        for file in source_files(pattern):
            assert f"/gallery/{pattern.name}/code/{file.path}" in found.links


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_sources(app: Quart, name: str) -> None:
    """Each file has a page."""
    for file in source_files(catalog.get(name)):
        _, found = await page(app, f"/gallery/{name}/code/{file.path}")
        source = read(name, file.path)
        assert source.strip() in found.text


async def test_cases(app: Quart) -> None:
    """A page has each case and each difference, with the answers of both applications."""
    for pattern in catalog.PATTERNS:
        html, found = await page(app, f"/gallery/{pattern.name}/cases")
        assert all(case.name in found.text for case in declared_cases(pattern))
        groups = grouped(differences_of(pattern))
        assert html.count('class="panel difference"') == len(groups)
        for group in groups:
            assert group.difference.reason[1:] in found.text
            for values, _ in group.answers:
                assert all(value.text is None or value.text in found.text for value in values)


def test_groups() -> None:
    """Cases with the same reason are one group; equal values are shown once."""
    found = grouped(differences_of(catalog.get("fileuploads")))
    group = next(
        each for each in found if each.difference.aspect == "header:x-content-type-options"
    )
    assert len(group.members) > 5
    ((values, members),) = group.answers
    assert ([value.text for value in values], len(members)) == (
        [None, "nosniff"],
        len(group.members),
    )


async def test_numbers(app: Quart) -> None:
    """The numbers of the index are those of the recorded data."""
    text, _ = await page(app, "/")
    found = parity()
    assert set(found) == set(NAMES)
    declared = [case for pattern in catalog.PATTERNS for case in declared_cases(pattern)]
    both = [case for case in declared if not case.extra]
    equal = sum(not case.differs for case in both)
    assert f"<dd>{len(both):,}</dd>" in text
    assert f"{equal:,} answered equally, {len(both) - equal:,} with declared differences" in text
    assert f"{len(declared) - len(both):,} more that only the port answers" in text
    assert f">{len(declared_differences())}</a>" in text
    score = benchmark().in_process.score
    assert f"×\N{NO-BREAK SPACE}{score.mean:.2f}" in text
    assert f"Quart wins {score.wins}, Flask {score.losses}, {score.ties} tie" in text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=celery", ["tasks"]),
        ("q=CELERY", ["tasks"]),
        ("q=url+language", ["urlprocessors"]),
        ("q=%3Cscript%3E", []),
        ("group=operations", ["tasks", "packaging", "deployment"]),
        ("group=operations&q=wheel", ["packaging", "deployment"]),
        ("group=nothing", []),
        ("sort=nothing", NAMES),
        ("sort=name&group=operations", ["tasks", "deployment", "packaging"]),
    ],
)
async def test_search(app: Quart, query: str, names: list[str]) -> None:
    """The query of the URL selects and sorts the cards; JavaScript is not needed."""
    text, _ = await page(app, f"/?{query}")
    assert re.findall(r'<h3><a href="/gallery/(\w+)"', text) == names
    assert "<script>" not in text


async def test_order(app: Quart) -> None:
    """The cards are sorted by their numbers."""
    text, _ = await page(app, "/?sort=speed")
    ratios = [float(ratio) for ratio in re.findall(r"CPU <b>×\s([\d.]+)", text)]
    assert len(ratios) > 20
    assert ratios == sorted(ratios)
    text, _ = await page(app, "/?sort=differences")
    counts = [int(count) for count in re.findall(r"(\d+) differences?</p>", text)]
    assert len(counts) == len(NAMES)
    assert counts == sorted(counts, reverse=True)


async def test_differences(app: Quart) -> None:
    """The pages have all differences; the filters select some of them."""
    everything = declared_differences()
    groups = grouped(everything)
    shown, path = 0, "/gallery/differences"
    while path:
        text, found = await page(app, path)
        assert f"{len(everything)} differences." in found.text
        shown += text.count('class="panel difference"')
        following = re.search(r'rel="next" href="([^"]+)"', text)
        path = unescape(following[1]) if following else ""
    assert shown == len(groups)
    security = [each for each in everything if each.difference.kind == "security"]
    text, found = await page(app, "/gallery/differences?kind=security")
    assert f"{len(security)} differences of {len(everything)}" in found.text
    assert text.count('class="panel difference"') == len(grouped(security))
    one = [each for each in everything if each.pattern.name == "wtforms"]
    text, _ = await page(app, "/gallery/differences?pattern=wtforms&page=99")
    assert text.count('class="panel difference"') == len(grouped(one))
    text, _ = await page(app, "/gallery/differences?q=zzzz&page=x")
    assert "No difference matches" in text


async def test_prefix(app_with_prefix: Quart) -> None:
    """Behind a proxy with a prefix, each link to the gallery has it."""
    for path in ("", "gallery/streaming", "gallery/streaming/code", "gallery/differences"):
        response = await app_with_prefix.test_client().get(f"/demo/{path}")
        links = [
            link
            for link in Page(await response.get_data(as_text=True)).links
            if link.startswith("/")
        ]
        assert len(links) > 5
        assert [link for link in links if not link.startswith("/demo/")] == []
