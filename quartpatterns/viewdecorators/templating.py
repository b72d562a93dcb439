"""A view that returns the variables of its template."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec

from quart import render_template, request

from quartpatterns.viewdecorators.calling import call

__all__ = ["templated"]

P = ParamSpec("P")


def templated(
    template: str | None = None,
) -> Callable[[Callable[P, Any]], Callable[P, Awaitable[Any]]]:
    """Render *template* with the dictionary that the view returns.

    A view that returns ``None`` has no variables; what is neither, a redirect or a string, is the
    answer itself. Without the decorator a dictionary would be sent as JSON.

    Arguments:
        template: Its name; by default that of the endpoint, ``pages/index.html`` for
            ``pages.index``.

    Raises:
        TypeError: It is no name: ``@templated`` without parentheses.

    See Flask's page "View Decorators", section "Templating Decorator".
    """
    if template is not None and not isinstance(template, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError("templated takes the name of a template: @templated() or @templated(name)")

    def decorator(view: Callable[P, Any]) -> Callable[P, Awaitable[Any]]:
        @wraps(view)
        async def decorated(*args: P.args, **kwargs: P.kwargs) -> Any:
            result: Any = await call(view, *args, **kwargs)
            if result is None:
                result = {}
            elif not isinstance(result, dict):
                return result
            return await render_template(template or _of_endpoint(), **result)

        return decorated

    return decorator


def _of_endpoint() -> str:
    return f"{(request.endpoint or '').replace('.', '/')}.html"
