"""Each name of Quart's, Flask's or Werkzeug's that is not public and that is used here.

A test fails when one goes, before an application does.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import flask.sansio.app
import flask.templating
import pytest
import quart
import quart.ctx
import quart.globals
from quart.asgi import ASGIHTTPConnection, ASGIWebsocketConnection
from quart.wrappers.request import Request as QuartRequest
from werkzeug.datastructures import Headers

from quartpatterns import subclassing
from quartpatterns.subclassing.example.rows.side import Side
from tests.subclassing.test_connection import scope

REQUEST: Any = QuartRequest(
    "GET",
    "http",
    "/",
    b"",
    Headers(),
    "",
    "1.1",
    scope(),  # type: ignore[arg-type]
    send_push_promise=None,  # type: ignore[arg-type]
)
APP = quart.Quart(__name__, static_folder=None)
CONTEXT: Any = quart.ctx.RequestContext(APP, REQUEST)
SOCKET: Any = ASGIWebsocketConnection(APP, scope(type="websocket"))  # type: ignore[arg-type]

NAMES: list[tuple[object, str]] = [
    (quart.globals, "_cv_app"),
    (quart.globals, "_cv_request"),
    (CONTEXT, "_cv_tokens"),
    (CONTEXT, "_after_request_functions"),
    (quart.ctx.WebsocketContext, "_push"),
    (CONTEXT, "_push"),
    (REQUEST, "_cached_json"),
    (REQUEST, "_form"),
    (REQUEST, "_files"),
    (REQUEST, "_load_form_data"),
    (REQUEST, "_max_content_length"),
    (REQUEST, "_parsing_lock"),
    (ASGIHTTPConnection, "_create_request_from_scope"),
    (ASGIHTTPConnection, "_send_push_promise"),
    (ASGIWebsocketConnection, "_create_websocket_from_scope"),
    (SOCKET, "_accepted"),
    (SOCKET, "_closed"),
    (Headers(), "_list"),
    (APP.url_map, "_remap"),
    (APP, "_got_first_request"),
    (flask.sansio.app.App, "_check_setup_finished"),
    (flask.templating, "_default_template_ctx_processor"),
    (QuartRequest, "_parsing_lock"),
]


@pytest.mark.parametrize(
    ("owner", "name"),
    [pytest.param(owner, name, id=name) for owner, name in NAMES if owner is not QuartRequest],
)
def test_exists(owner: object, name: str) -> None:
    """The name is there."""
    assert hasattr(owner, name)


def test_keep() -> None:
    """Quart's test client still asks for contexts by this key of the scope."""
    from quart.testing import make_test_scope

    made: Any = make_test_scope("http", "/", "GET", Headers(), b"", "http", "", "1.1", None)
    assert "_quart._preserve_context" in made


def test_complete() -> None:
    """Every private name that the pieces use on something not their own is in the list."""
    known = {name for _, name in NAMES}
    own: set[str] = set()
    used: set[str] = set()
    for file in Path(subclassing.__file__).parent.glob("*.py"):
        text = re.sub(r'""".*?"""', "", file.read_text(), flags=re.S)
        own |= set(re.findall(r"(?:def|class) (_\w+)", text))
        own |= set(re.findall(r"self\.(_\w+)(?:: [^=\n]+)? =", text))
        own |= set(re.findall(r"^\s+(_\w+)(?:: [^=\n]+)? = ", text, flags=re.M))
        used |= set(re.findall(r"(?:\.|import )(_[a-z]\w+)", text))
    foreign = {name for name in used - own if not name.startswith("__")}
    # Of werkzeug.local, documented; and what Quart's test client reads.
    documented = {"_get_current_object", "_preserved_context", "_preserve_context"}
    assert foreign - known - documented == set()


async def test_signposts() -> None:
    """Names that can't exist say what to write instead (row 42)."""
    app = Side("FaithfulQuart").app()
    for name, instead in [("ensure_sync", "ensure_async"), ("wsgi_app", "asgi_app")]:
        with pytest.raises(AttributeError, match=instead):
            getattr(app, name)

    async with app.test_request_context("/"):
        for name, instead in [("environ", "scope"), ("stream", "body"), ("input_stream", "body")]:
            with pytest.raises(AttributeError, match=instead):
                getattr(quart.request, name)


def test_names() -> None:
    """All of Flask's names are in the module for code that comes from Flask."""
    import types

    from quartpatterns.subclassing import names

    wanted = {
        name
        for name, value in vars(flask).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    } - {"annotations"}
    assert wanted <= set(names.__all__)
    assert all(hasattr(names, name) for name in names.__all__)
