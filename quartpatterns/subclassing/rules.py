"""Rules of the URL map: row 28."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quart.routing import QuartRule

__all__ = ["FaithfulRule"]


class FaithfulRule(QuartRule):
    """A rule that takes all that Werkzeug's takes.

    Quart's forgets three keywords, so that ``add_url_rule(redirect_to=)`` is a TypeError. Werkzeug
    keeps them as plain attributes and reads them when the map is built.

    Arguments:
        string: The rule.
        build_only: The rule makes URLs and matches none.
        redirect_to: The URL to redirect to, or what makes it.
        alias: The rule is another name of one with the same endpoint.
        options: What :class:`quart.routing.QuartRule` takes.
    """

    def __init__(
        self,
        string: str,
        *args: Any,
        build_only: bool = False,
        redirect_to: str | Callable[..., str] | None = None,
        alias: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(string, *args, **options)
        self.build_only = build_only
        self.redirect_to = redirect_to
        self.alias = alias
