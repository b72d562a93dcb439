"""What a comparison of the example can't see."""

from __future__ import annotations

import re

import pytest

from quartpatterns.caching.example import original, port


@pytest.mark.checks("CA-17")
async def test_names_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port counts a limited number of names, and forgets those that were asked for long ago."""
    monkeypatch.setattr(port, "MOST_NAMES", 9)  # a page has two, and one that all share
    client = port.create_app().test_client()

    async def count(name: str) -> int:
        page = await (await client.get(f"/fragment/{name}")).get_data(as_text=True)
        found = re.search(r"This page was rendered (\d+) times", page)
        assert found
        return int(found[1])

    assert [await count(name) for name in "aab"] == [1, 2, 1]
    # The parts of a and b are cached, so that only their pages are counted again.
    assert [await count(name) for name in "cab"] == [1, 3, 2]
    assert [await count(name) for name in "defgha"] == [1, 1, 1, 1, 1, 1]


@pytest.mark.checks("CA-17")
def test_original_forgets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The original does the same."""
    monkeypatch.setattr(original, "MOST_NAMES", 9)
    client = original.create_app().test_client()  # type: ignore[no-untyped-call]
    pages = [client.get(f"/fragment/{name}").text for name in "aabcdefgha"]
    assert "rendered 2 times" in pages[1]
    assert "This page was rendered 1 times" in pages[-1]
