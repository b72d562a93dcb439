"""``templated`` and ``endpoint``: views that return template variables, and views by endpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from quart import Blueprint, Quart, render_template, request

from quartpatterns._shared.calling import call

__all__ = ["METHODS", "TemplatedDecorator", "endpoint", "templated"]

P = ParamSpec("P")
T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
"""The HTTP methods that reach a view."""


class TemplatedDecorator(Protocol):
    """What :func:`templated` returns: it keeps the arguments of the view."""

    @overload
    def __call__(self, view: Callable[P, Awaitable[T]], /) -> Callable[P, Awaitable[T | str]]: ...
    @overload
    def __call__(self, view: Callable[P, T], /) -> Callable[P, Awaitable[T | str]]: ...


def templated(template: str | None = None) -> TemplatedDecorator:
    """Render a template with the dictionary that the view returns.

    A view that returns ``None`` renders the template without variables. Any other result, such as
    a redirect or a string, is the response. Without this decorator, Quart sends a dictionary as
    JSON.

    Arguments:
        template: The name of the template. By default it is made from the endpoint:
            ``pages/index.html`` for ``pages.index``.

    Raises:
        TypeError: *template* is not a string: ``@templated`` was written without parentheses.

    See Flask's page "View Decorators", section "Templating Decorator".

    .. versionadded:: 0.1
    """
    if template is not None and not isinstance(template, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError("templated takes the name of a template: @templated() or @templated(name)")

    def decorator(view: Callable[..., Any]) -> Any:
        @wraps(view)
        async def decorated(*args: Any, **kwargs: Any) -> Any:
            result: Any = await call(view, *args, **kwargs)
            if result is None:
                result = {}
            elif not isinstance(result, dict):
                return result
            return await render_template(template or _template_of_endpoint(), **result)

        return decorated

    return decorator


def _template_of_endpoint() -> str:
    return f"{(request.endpoint or '').replace('.', '/')}.html"


def endpoint(
    app: Quart | Blueprint, name: str, *rules: str, methods: Collection[str] = METHODS
) -> Callable[[View], View]:
    """Register a view under the endpoint *name*, with URL rules.

    The view answers all *methods* including ``OPTIONS``, as a Werkzeug rule without methods does in
    Flask. In Quart such a rule, ``Rule("/", endpoint="index")``, makes ``OPTIONS`` a 500 and the
    command ``quart routes`` a TypeError. ``FaithfulQuart`` supports such a rule.

    Arguments:
        app: An application, or a blueprint, whose name then precedes the endpoint.
        name: The endpoint.
        rules: The URL rules.
        methods: The methods; other methods get 405.

    Raises:
        TypeError: There is no rule.

    See Flask's page "View Decorators", section "Endpoint Decorator".

    .. versionadded:: 0.1
    """
    if not rules:
        raise TypeError('endpoint takes URL rules after the name: endpoint(app, "index", "/")')

    def decorator(view: View) -> View:
        for rule in rules:
            app.add_url_rule(rule, name, view, methods=list(methods))
        return view

    return decorator
