"""Tests of an application that checks CSRF tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import Context
from html.parser import HTMLParser
from typing import Any, cast

from quart import Quart, Response, session
from quart.typing import TestClientProtocol
from werkzeug.datastructures import Headers

from quartpatterns._shared.settings import SettingsReader
from quartpatterns.wtforms.settings import DEFAULTS
from quartpatterns.wtforms.tokens import generate_csrf

__all__ = ["csrf_token", "send_with_token", "token_of_page"]


async def csrf_token(client: TestClientProtocol) -> str:
    """Return a CSRF token that is valid for the session of a test client.

    ::

        token = await csrf_token(client)
        await client.delete("/albums/1", headers={"X-CSRFToken": token})

    Arguments:
        client: A test client of any class, with cookies.

    Raises:
        RuntimeError: The application has no ``SECRET_KEY``.

    .. versionadded:: 0.1
    """
    anything: Any = client
    app: Quart = anything.app
    if not app.secret_key:
        raise RuntimeError("a CSRF token belongs to a session: set SECRET_KEY in the tests")
    key = _settings(app).text("WTF_CSRF_FIELD_NAME")
    async with anything.session_transaction() as stored:
        before = stored.get(key)
    # In another context: the token must not become that of the test's own g and request.
    loop = asyncio.get_running_loop()
    token, own = await loop.create_task(_generate(app, key, before), context=Context())
    if own != before:
        async with anything.session_transaction() as stored:
            stored[key] = own
    return token


async def _generate(app: Any, key: str, before: Any) -> tuple[str, str]:
    async with app.test_request_context("/"):
        if before is not None:
            session[key] = before
        return generate_csrf(), session[key]


async def send_with_token(
    client: TestClientProtocol,
    path: str,
    *,
    page: str | None = None,
    method: str = "POST",
    form: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> Response:
    """Send a request with a CSRF token, in the form and in the header.

    Arguments:
        client: A test client of any class, with cookies.
        path: The path of the request.
        page: The path of a page with the form. The token is taken from this page, as a browser
            does. Without it, the token is written into the session of the client.
        method: The method of the request.
        form: The fields of the form.
        headers: The headers of the request.
        options: Further arguments of the client, such as ``json`` and ``files``.

    Raises:
        AssertionError: *page* has no token, or its status is not 200.
        RuntimeError: The application has no ``SECRET_KEY``.

    .. versionadded:: 0.1
    """
    anything: Any = client
    settings = _settings(anything.app)
    field = settings.text("WTF_CSRF_FIELD_NAME")
    if page is None:
        token = await csrf_token(client)
    else:
        shown = await client.get(page)
        if shown.status_code != 200:
            raise AssertionError(f"{page} is answered with {shown.status_code}, and not 200")
        text = await shown.get_data(as_text=True)
        meta = settings.text("WTF_CSRF_META_NAME")
        found = token_of_page(text, field, meta)
        if found is None:
            raise AssertionError(
                f"{page} has no CSRF token: put {{{{ form.hidden_tag() }}}} or a hidden field"
                f" {field} with the value {{{{ csrf_token() }}}} into the form of its template"
            )
        token = found
    all_headers = Headers(dict(headers or {}))
    for name in settings.strings("WTF_CSRF_HEADERS")[:1]:
        all_headers.setdefault(name, token)
    if form is not None:
        options["form"] = {field: token, **form}
    response: Response = await anything.open(path, method=method, headers=all_headers, **options)
    return response


def token_of_page(text: str, field: str = "csrf_token", meta: str = "csrf-token") -> str | None:
    """Return the CSRF token of an HTML page, or ``None`` if it has none.

    Arguments:
        text: The page.
        field: The name of the hidden field; a form may have put a prefix before it.
        meta: The name of the ``<meta>`` element.

    .. versionadded:: 0.1
    """
    parser = _TokenParser(field, meta)
    parser.feed(text)
    parser.close()
    return parser.token


class _TokenParser(HTMLParser):
    def __init__(self, field: str, meta: str) -> None:
        super().__init__()
        self.token: str | None = None
        self._field = field
        self._meta = meta

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        name = values.get("name") or ""
        if tag == "input" and name.endswith(self._field):
            self.token = self.token or values.get("value")
        elif tag == "meta" and name == self._meta:
            self.token = self.token or values.get("content")


def _settings(app: Quart) -> SettingsReader:
    return SettingsReader(cast("dict[str, Any]", app.config), DEFAULTS)
