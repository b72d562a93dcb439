"""All names of the module ``flask``, for code that is ported from Flask.

.. code-block:: python

    from quartpatterns.subclassing.flask import Flask, request, send_file

``Flask`` is :class:`~quartpatterns.subclassing.FaithfulQuart`. The other names are Quart's, except
those that have a counterpart in this package. The functions that have to be awaited are the same
as in Quart.
"""

# Quart's annotations leave type arguments out.
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from quart import (
    Config,
    Websocket,
    abort,
    after_this_request,
    appcontext_popped,
    appcontext_pushed,
    appcontext_tearing_down,
    before_render_template,
    copy_current_app_context,
    copy_current_request_context,
    copy_current_websocket_context,
    current_app,
    g,
    get_flashed_messages,
    get_template_attribute,
    got_request_exception,
    got_websocket_exception,
    has_app_context,
    has_request_context,
    has_websocket_context,
    json,
    jsonify,
    make_push_promise,
    make_response,
    message_flashed,
    redirect,
    render_template,
    render_template_string,
    request,
    request_finished,
    request_started,
    request_tearing_down,
    session,
    signals,
    template_rendered,
    url_for,
    websocket,
)

from quartpatterns.streaming import stream_template, stream_template_string, stream_with_context
from quartpatterns.subclassing.application import FaithfulBlueprint as Blueprint
from quartpatterns.subclassing.application import FaithfulQuart as Flask
from quartpatterns.subclassing.context import flash
from quartpatterns.subclassing.files import send_file, send_from_directory
from quartpatterns.subclassing.request import FaithfulRequest as Request
from quartpatterns.subclassing.response import FaithfulResponse as Response

__all__ = [
    "Blueprint",
    "Config",
    "Flask",
    "Request",
    "Response",
    "Websocket",
    "abort",
    "after_this_request",
    "appcontext_popped",
    "appcontext_pushed",
    "appcontext_tearing_down",
    "before_render_template",
    "copy_current_app_context",
    "copy_current_request_context",
    "copy_current_websocket_context",
    "current_app",
    "flash",
    "g",
    "get_flashed_messages",
    "get_template_attribute",
    "got_request_exception",
    "got_websocket_exception",
    "has_app_context",
    "has_request_context",
    "has_websocket_context",
    "json",
    "jsonify",
    "make_push_promise",
    "make_response",
    "message_flashed",
    "redirect",
    "render_template",
    "render_template_string",
    "request",
    "request_finished",
    "request_started",
    "request_tearing_down",
    "send_file",
    "send_from_directory",
    "session",
    "signals",
    "stream_template",
    "stream_template_string",
    "stream_with_context",
    "template_rendered",
    "url_for",
    "websocket",
]
