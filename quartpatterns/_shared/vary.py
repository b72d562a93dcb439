"""Adding to the header ``Vary`` of a response."""

from __future__ import annotations

from quart.typing import ResponseTypes

__all__ = ["add_to_vary"]


def add_to_vary(response: ResponseTypes, header: str) -> None:
    """Add the name *header* to ``Vary`` of *response*, unless it is there.

    A header that is missing, or that is only this name, is not parsed.
    """
    known = response.headers.getlist("Vary")  # get() makes an exception if it is missing.
    if not known:
        response.headers["Vary"] = header
    elif known != [header]:
        response.vary.add(header)
