"""The names of ``flask.ctx``. Contexts are used with ``async with``."""

# Quart's annotations leave type arguments out.
# pyright: reportUnknownVariableType=false

from quart.ctx import (
    AppContext,
    copy_current_request_context,
    has_app_context,
    has_request_context,
)

from quartpatterns._shared.after_request import after_this_request
from quartpatterns.subclassing.context import FaithfulRequestContext as RequestContext

__all__ = [
    "AppContext",
    "RequestContext",
    "after_this_request",
    "copy_current_request_context",
    "has_app_context",
    "has_request_context",
]
