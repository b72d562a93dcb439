"""Which name was meant by a misspelt one."""

from __future__ import annotations

import pytest

from quartpatterns._shared.suggestions import did_you_mean


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("streeming", "did you mean Streaming?"),
        ("STREAMING", "did you mean Streaming?"),
        ("cach", "did you mean caching?"),
        ("web", "did you mean web2 or web1?"),
        ("xyz", "the names are above"),
    ],
)
def test_did_you_mean(name: str, expected: str) -> None:
    known = ["Streaming", "caching", "web2", "web1"]
    found = did_you_mean(name, known, otherwise="the names are above")
    assert found == expected
    assert did_you_mean(name, [], before="; ") == ""
