"""The session in templates, read only where a template reads it (row 12)."""

from __future__ import annotations

from typing import Any

from quart import Quart
from quart import has_app_context
from quart.globals import _cv_request  # pyright: ignore[reportPrivateUsage]
from quart.globals import app_ctx

__all__ = ["SessionInTemplates"]


async def _concrete() -> dict[str, Any]:
    """``g`` and ``request`` themselves, which are faster than the proxies for them."""
    context: dict[str, Any] = {}
    if has_app_context():
        context["g"] = app_ctx.g
    if (current := _cv_request.get(None)) is not None:
        context["request"] = current.request
    return context


class SessionInTemplates(Quart):
    """Rendering a template is not reading the session, as in Flask 3.1.3.

    Quart hands the session to every template. Where reading it is noted, every rendered page
    would vary by cookie; the proxy ``session`` is there in any case.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.template_context_processors[None] = [_concrete]
