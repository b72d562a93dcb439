"""All names of the package ``flask``, for code that is ported from Flask.

.. code-block:: python

    from quartpatterns.subclassing.names import Flask, request, send_file

``Flask`` is :class:`~quartpatterns.subclassing.FaithfulQuart`. The other names are Quart's, except
those that this package has as well. The same functions have to be awaited as in Quart.

The modules of ``flask`` are here by the same names: ``cli``, ``ctx``, ``globals``, ``helpers``,
``json``, ``sessions``, ``signals``, ``templating``, ``testing`` and ``views``.
"""

# "as" makes a name public for type checkers. Ruff would write a statement for each.
# ruff: noqa: I001
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from importlib import import_module
from typing import Any

from quart import (
    Websocket as Websocket,
    abort as abort,
    appcontext_popped as appcontext_popped,
    appcontext_pushed as appcontext_pushed,
    appcontext_tearing_down as appcontext_tearing_down,
    before_render_template as before_render_template,
    copy_current_app_context as copy_current_app_context,
    copy_current_request_context as copy_current_request_context,
    copy_current_websocket_context as copy_current_websocket_context,
    current_app as current_app,
    g as g,
    got_request_exception as got_request_exception,
    got_websocket_exception as got_websocket_exception,
    has_app_context as has_app_context,
    has_request_context as has_request_context,
    has_websocket_context as has_websocket_context,
    jsonify as jsonify,
    make_push_promise as make_push_promise,
    make_response as make_response,
    message_flashed as message_flashed,
    render_template as render_template,
    render_template_string as render_template_string,
    request as request,
    request_finished as request_finished,
    request_started as request_started,
    request_tearing_down as request_tearing_down,
    session as session,
    template_rendered as template_rendered,
    url_for as url_for,
    websocket as websocket,
)

from quartpatterns._shared.after_request import after_this_request as after_this_request
from quartpatterns._shared.flash import get_flashed_messages as get_flashed_messages
from quartpatterns.streaming import (
    stream_template as stream_template,
    stream_template_string as stream_template_string,
    stream_with_context as stream_with_context,
)
from quartpatterns.subclassing import (
    FaithfulBlueprint as FaithfulBlueprint,
    FaithfulQuart as FaithfulQuart,
    FaithfulRequest as FaithfulRequest,
    FaithfulResponse as FaithfulResponse,
    flash as flash,
    send_file as send_file,
    send_from_directory as send_from_directory,
)
from quartpatterns.subclassing.config import FaithfulConfig as FaithfulConfig
from quartpatterns.subclassing.templates import get_template_attribute as get_template_attribute
from quartpatterns.subclassing.urls import redirect as redirect

from quartpatterns.subclassing.names import json as json, signals as signals

Blueprint = FaithfulBlueprint
Config = FaithfulConfig
Flask = FaithfulQuart
Request = FaithfulRequest
Response = FaithfulResponse

# ``flask.wrappers.Request`` and the like: after ``import flask``, its modules are attributes.
_MODULES = {
    "app": __name__,
    "blueprints": __name__,
    "cli": f"{__name__}.cli",
    "config": __name__,
    "ctx": f"{__name__}.ctx",
    "globals": f"{__name__}.globals",
    "helpers": f"{__name__}.helpers",
    "logging": "quart.logging",
    "sessions": f"{__name__}.sessions",
    "templating": f"{__name__}.templating",
    "testing": f"{__name__}.testing",
    "typing": "quart.typing",
    "views": f"{__name__}.views",
    "wrappers": __name__,
}


def __getattr__(name: str) -> Any:
    """Return a module that Flask has as an attribute."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(_MODULES[name])
