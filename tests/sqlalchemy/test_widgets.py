"""The links to the pages of a list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
from quart import Quart, render_template_string
from sqlalchemy import select

from tests.sqlalchemy.shop import Item, db, make_app, registration

PAGES = '{% from "sqlalchemy/pagination.html" import pages with context %}{{ pages(page) }}'
CURSORS = (
    '{% from "sqlalchemy/pagination.html" import neighbours with context %}{{ neighbours(page) }}'
)
GERMAN = PAGES.replace("pages(page)", 'pages(page, "Seiten", "Zurück", "Weiter", "Seite %s")')


class Links(HTMLParser):
    """The attributes of all tags, and the text of links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[dict[str, str | None]] = []
        self.nav: list[dict[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append(dict(attrs))
        if tag == "nav":
            self.nav.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.texts += [data.strip()] if data.strip() else []


@pytest.fixture
async def app(app_class: type[Quart], sqlite_url: str) -> AsyncIterator[Quart]:
    app = make_app(app_class, sqlite_url, SECRET_KEY="secret")

    @app.get("/list/<kind>")
    async def show(kind: str) -> str:
        count = kind != "uncounted"
        page = await db.paginate(select(Item).order_by(Item.id), count=count, per_page=10)
        return await render_template_string(GERMAN if kind == "german" else PAGES, page=page)

    @app.get("/cursors")
    async def cursors() -> str:
        page = await db.keyset_paginate(select(Item).order_by(Item.id), per_page=10)
        return await render_template_string(CURSORS, page=page)

    async with app.app_context():
        await db.create_all()
        db.session.add_all(Item(name=f"{n}") for n in range(200))
        await db.session.commit()
    yield app
    await registration(app).close()


async def get(app: Quart, path: str) -> Links:
    answer = await app.test_client().get(path)
    assert answer.status_code == 200
    return Links(await answer.get_data(as_text=True))


async def test_numbers(app: Quart) -> None:
    """Numbers with gaps, the current one marked, and the neighbours at the ends."""
    found = await get(app, "/list/all?page=10")
    assert found.texts == [
        "Previous", "1", "2", "…", "8", "9", "10", "11", "12", "13", "14", "…", "19", "20", "Next",
    ]  # fmt: skip
    current = [link for link in found.links if "aria-current" in link]
    assert [link["aria-current"] for link in current] == ["page"]
    assert current[0]["href"] == "?page=10"
    assert current[0]["aria-label"] == "Page 10"
    assert [link.get("rel") for link in (found.links[0], found.links[-1])] == ["prev", "next"]
    assert found.nav == [{"class": "pages", "aria-label": "Pages"}]


async def test_ends(app: Quart) -> None:
    """The first page has nothing before it, the last nothing after it, a single one no links."""
    assert "Previous" not in (await get(app, "/list/all")).texts
    assert "Next" not in (await get(app, "/list/all?page=20")).texts
    async with app.app_context():
        await db.session.execute(Item.__table__.delete().where(Item.id > 10))
        await db.session.commit()
    assert (await get(app, "/list/all")).texts == []


async def test_query_is_kept(app: Quart) -> None:
    """Links keep all other parameters of the query string, and escape them."""
    odd = "tag=a&tag=b%26c&q=%3Cscript%3E%22&_external=1&endpoint=x&_scheme=javascript"
    found = await get(app, f"/list/all?{odd}&page=2")
    for link in found.links:
        href = link["href"] or ""
        assert href.startswith("?tag=a&tag=b%26c&q=%3Cscript%3E%22&_external=1&endpoint=x")
        assert href.count("page=") == 1
        assert urljoin("/prefix/list/all", href).startswith("/prefix/list/all?")
    assert (await app.test_client().get(f"/list/all{found.links[-1]['href']}")).status_code == 200


async def test_uncounted(app: Quart) -> None:
    """Pages without a count link only the next and previous page."""
    assert (await get(app, "/list/uncounted?page=3")).texts == ["Previous", "Next"]


async def test_words(app: Quart) -> None:
    found = await get(app, "/list/german?page=2")
    assert found.texts[0] == "Zurück"
    assert found.links[1]["aria-label"] == "Seite 1"
    assert found.nav[0]["aria-label"] == "Seiten"


async def test_cursors(app: Quart) -> None:
    """The links of keyset pages lead to the end and back."""
    found = await get(app, "/cursors?q=1")
    assert found.texts == ["Next"]
    second = await get(app, f"/cursors{found.links[0]['href']}")
    assert second.texts == ["Previous", "Next"]
    first = await get(app, f"/cursors{second.links[0]['href']}")
    assert first.texts == ["Next"]
    again = await get(app, f"/cursors{first.links[0]['href']}")
    assert again.texts == second.texts
