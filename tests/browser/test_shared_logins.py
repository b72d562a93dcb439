"""A browser visits the Flask part and the Quart part of one application."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page

from quartpatterns.appdispatch import DispatcherMiddleware, WSGIMiddleware
from quartpatterns.subclassing import FaithfulQuart
from tests.serving import served
from tests.viewdecorators.test_shared_logins import flask_part, quart_part

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FRESH = {"name": "ada", "fresh": True, "remembered": True}


async def me(page: Page, url: str) -> Any:
    response = await page.goto(f"{url}/me")
    assert response is not None
    answer = await response.json()
    return {key: answer[key] for key in FRESH}


async def test_login_on_one_part(browser: Browser) -> None:
    """A login continues on the other part and back, with strong protection and a cookie."""
    app = quart_part(FaithfulQuart, SESSION_PROTECTION="strong")
    old = flask_part(SESSION_PROTECTION="strong")
    app.asgi_app = DispatcherMiddleware(app.asgi_app, {"/old": WSGIMiddleware(old)})  # type: ignore[method-assign]
    async with served(app) as server:
        new_url = f"http://127.0.0.1:{server.port}"
        old_url = f"{new_url}/old"
        for first, second in ((old_url, new_url), (new_url, old_url)):
            context = await browser.new_context()
            page = await context.new_page()
            await page.goto(f"{first}/login/ada?remember=1")
            for url in (first, second, first):
                assert await me(page, url) == FRESH
            stolen = await context.cookies()
            # The browser is closed and opened again: only the remember cookie is left.
            await context.clear_cookies(name="session")
            assert await me(page, second) == FRESH | {"fresh": False}
            await page.goto(f"{second}/logout")
            for url in (first, second):
                assert (await me(page, url))["name"] is None
            await context.close()
            # Another browser with the same session is not logged in.
            other = await browser.new_context(user_agent="another browser")
            sessions = [cookie for cookie in stolen if cookie["name"] == "session"]
            await other.add_cookies(sessions)  # type: ignore[arg-type]
            page = await other.new_page()
            for url in (first, second):
                assert (await me(page, url))["name"] is None
            await other.close()
