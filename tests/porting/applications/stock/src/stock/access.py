from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar

from flask import g, request

from .errors import Denied
from .util.body import field

F = TypeVar("F", bound=Callable[..., Any])
KEYS = {"read": "reader", "write": "writer"}


def check_access() -> None:
    g.role = KEYS.get(request.headers.get("X-Key", "read"), "nobody")
    if request.method not in ("GET", "HEAD") and g.role != "writer":
        if field("key", optional=True) != "write":
            raise Denied("no access", role=g.role)


def audited(view: F | None = None, *, action: str = "") -> F | Callable[[F], F]:
    """Note who has called a view; with or without parentheses."""
    if view is None:
        return partial(audited, action=action)

    @wraps(view)
    def audited_view(*args: Any, **kwargs: Any) -> Any:
        g.setdefault("audit", []).append((action or view.__name__, g.role))
        try:
            return view(*args, **kwargs)
        finally:
            g.audit.append(("end", g.role))

    return audited_view
