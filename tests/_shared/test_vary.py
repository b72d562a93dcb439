"""Adding to ``Vary``."""

from __future__ import annotations

import pytest
from quart import Response

from quartpatterns._shared.vary import add_to_vary
from quartpatterns.subclassing import FaithfulResponse


@pytest.mark.parametrize("cls", [Response, FaithfulResponse])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["Cookie"]),
        (["Cookie"], ["Cookie"]),
        (["cookie"], ["cookie"]),
        (["Accept-Encoding"], ["Accept-Encoding, Cookie"]),
        (["Accept-Encoding, cookie"], ["Accept-Encoding, cookie"]),
    ],
)
def test_added_once(cls: type[Response], before: list[str], after: list[str]) -> None:
    """The name is in the header once, whatever its spelling, and the others stay."""
    response = cls("")
    for value in before:
        response.headers.add("Vary", value)
    add_to_vary(response, "Cookie")
    assert response.headers.getlist("Vary") == after
