"""The page that Flask and Quart send with a redirect, as the cases expect it."""

from __future__ import annotations

from markupsafe import escape

__all__ = ["redirect_page"]


def redirect_page(location: str) -> str:
    """Return the page that Flask and Quart send with a redirect to *location*.

    Arguments:
        location: The target, as the view has given it to ``redirect``.

    .. versionadded:: 0.1
    """
    target = escape(location)
    return (
        "<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n"
        "<p>You should be redirected automatically to the target URL:"
        f' <a href="{target}">{target}</a>. If not, click the link.\n'
    )
