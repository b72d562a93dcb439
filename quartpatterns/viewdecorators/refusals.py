"""What somebody is answered who has to log in, by what is asking."""

from __future__ import annotations

from quart import has_websocket_context, jsonify, redirect, request, url_for
from quart.typing import ResponseTypes
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

__all__ = ["sent_to"]


def sent_to(endpoint: str | None, what: str) -> ResponseTypes:
    """A redirect to *endpoint* with ``next``; *what* tells a program what to do.

    Raises:
        Unauthorized: There is no *endpoint*, or a program or a websocket is asking.
    """
    if has_websocket_context():
        raise Unauthorized
    if _wants_json():
        answer = jsonify(error="unauthorized", message=what)
        answer.status_code = 401
        answer.www_authenticate = WWWAuthenticate("cookie")
        # Raised, so that the error handlers of the application may say it in their own way.
        raise Unauthorized(response=answer)
    if endpoint is None:
        raise Unauthorized
    return redirect(url_for(endpoint, next=request.url))


def _wants_json() -> bool:
    if request.headers.get("X-Requested-With") == "XMLHttpRequest" or request.is_json:
        return True
    accepted = request.accept_mimetypes
    return accepted.quality("application/json") > accepted.quality("text/html")
