"""URL rules of views that are not imported yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quart import Blueprint, Quart

from .imports import absolute, ensure_importable
from .view import LazyView

__all__ = ["lazy_url"]


def lazy_url(
    app: Quart | Blueprint,
    import_name: str,
    url_rules: Sequence[str],
    *,
    endpoint: str | None = None,
    websocket: bool = False,
    check: bool = False,
    **options: Any,
) -> LazyView:
    """Register a view that is imported when it is first asked for, for one or more rules.

    ::

        lazy_url(app, ".views.index", ["/"])
        lazy_url(app, ".views.user", ["/user/", "/user/<username>"])
        lazy_url(app, ".views.Notes", ["/notes"], methods=["GET", "POST"])
        lazy_url(app, ".views.echo", ["/echo"], websocket=True)

    Arguments:
        app: The application, or a blueprint.
        import_name: ``package.module.view``; ``.views.user`` is in a module beside the one that
            *app* was made for. A class of views is named itself, without ``as_view``.
        url_rules: The rules, all with one endpoint.
        endpoint: Its name; that of the view where none is given.
        websocket: Whether the view handles a websocket.
        check: Whether to look now if there is such a view. Its module is read and not imported,
            unless reading it does not tell.
        options: Whatever else ``add_url_rule`` takes. Without ``methods`` it is ``GET`` alone, as
            a view's own ``methods`` can't be known yet.

    Raises:
        LazyImportError: With *check*, there is no such view.
        TypeError: *url_rules* is a text.
        ValueError: There are no rules, or *import_name* is no name of a view.
    """
    if isinstance(url_rules, str):
        raise TypeError(f"url_rules is a list: write [{url_rules!r}]")
    if not url_rules:
        raise ValueError(f"{import_name} has no URL rule, and nobody could ask for it")
    view = LazyView(absolute(import_name, app.import_name))
    if check:
        ensure_importable(view.import_name)
    add = app.add_websocket if websocket else app.add_url_rule
    for rule in url_rules:
        add(rule, endpoint, view, **options)
    return view
