"""The session in templates, read only where a template reads it (row 12)."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import Any

from flask.sansio.blueprints import Blueprint
from flask.templating import _default_template_ctx_processor as _flasks  # pyright: ignore[reportPrivateUsage]
from quart import Quart, has_app_context
from quart.globals import (
    _cv_request,  # pyright: ignore[reportPrivateUsage]
    app_ctx,
)

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

    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Register *blueprint*, without a visit to a thread for each of its pages.

        Every blueprint, also a nested one, brings Flask's default processor. It is synchronous,
        so that Quart runs it in a thread, where it finds no Flask and gives nothing.
        """
        super().register_blueprint(blueprint, **options)
        for processors in self.template_context_processors.values():
            if _flasks in processors:
                processors.remove(_flasks)
