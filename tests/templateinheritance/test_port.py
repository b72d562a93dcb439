"""The pages of the port."""

from __future__ import annotations

import pytest

from quartpatterns.templateinheritance.example.port import create_app


@pytest.mark.checks("TI-3")
async def test_order() -> None:
    """The child's style comes after the layout's, and the title has parts of both."""
    response = await create_app().test_client().get("/")
    page = await response.get_data(as_text=True)
    assert "<title>Index - My Webpage</title>" in page
    order = ["style.css", "<title>", "<style", "</head>", '<div id="content">', '<div id="footer">']
    places = [page.index(part) for part in order]
    assert places == sorted(places)
    assert "Copyright 2010" in page


@pytest.mark.checks("TI-4")
async def test_fragment_of_page() -> None:
    """The part alone is exactly the part of the page, also below a mount prefix."""
    client = create_app().test_client()
    page = await client.get("/mount/news?page=2", root_path="/mount")
    part = await client.get("/mount/news/items?page=2", root_path="/mount")
    fragment = await part.get_data(as_text=True)
    assert fragment in await page.get_data(as_text=True)
    assert 'href="/mount/news?page=3"' in fragment
    assert "<html" not in fragment
