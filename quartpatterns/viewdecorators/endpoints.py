"""A view found by the name of an endpoint, whatever the method."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from quart import Blueprint, Quart

__all__ = ["METHODS", "endpoint"]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
"""The methods of HTTP that reach a view."""

View = TypeVar("View", bound=Callable[..., Any])


def endpoint(
    app: Quart | Blueprint, name: str, *rules: str, methods: Collection[str] = METHODS
) -> Callable[[View], View]:
    """Register the view for the endpoint *name*, and *rules* that lead there.

    It answers all of *methods*, ``OPTIONS`` too, as a rule without methods does in Flask. In
    Quart such a rule, ``Rule("/", endpoint="index")``, makes ``OPTIONS`` a 500 and ends ``quart
    routes`` with a TypeError, so that the methods are named here.

    Arguments:
        app: An application, or a blueprint, whose name comes before that of the endpoint.
        name: The endpoint.
        rules: Its URLs.
        methods: What it answers; others get 405.

    Raises:
        TypeError: There is no rule.

    See Flask's page "View Decorators", section "Endpoint Decorator".
    """
    if not rules:
        raise TypeError('endpoint takes URL rules after the name: endpoint(app, "index", "/")')

    def decorator(view: View) -> View:
        for rule in rules:
            app.add_url_rule(rule, name, view, methods=list(methods))
        return view

    return decorator
