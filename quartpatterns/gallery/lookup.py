"""The pattern that the URL of a page names."""

from __future__ import annotations

from quart import abort

from quartpatterns import catalog

__all__ = ["find_pattern"]


def find_pattern(name: str) -> catalog.Pattern:
    """Return the pattern *name*; the response to a request for an unknown one is 404."""
    try:
        return catalog.get(name)
    except LookupError as error:
        abort(404, description=str(error.args[0]))
