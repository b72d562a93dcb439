"""A view that is registered by its endpoint answers every method."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Blueprint, Quart, request
from quart.cli import routes_command

from quartpatterns.viewdecorators import endpoint
from quartpatterns.viewdecorators.views import METHODS


@pytest.mark.checks("VD-7")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("asynchronous", [True, False], ids=["async", "sync"])
async def test_methods(app: Quart, method: str, asynchronous: bool) -> None:
    """The view is called, for OPTIONS too."""
    seen: list[str] = []

    async def view() -> str:
        seen.append(request.method)
        return "Hello world"

    def sync_view() -> str:
        seen.append(request.method)
        return "Hello world"

    endpoint(app, "index", "/")(view if asynchronous else sync_view)
    client: Any = app.test_client()
    response = await client.open("/", method=method)
    assert (response.status_code, seen) == (200, [method])


@pytest.mark.checks("VD-7")
async def test_blueprint(app: Quart) -> None:
    """The endpoint of a blueprint has its name and prefix; several rules lead there."""
    pages = Blueprint("pages", __name__, url_prefix="/pages")

    @endpoint(pages, "index", "/", "/index", methods=["GET"])
    async def view() -> str:
        return request.endpoint or ""

    app.register_blueprint(pages)
    client = app.test_client()
    for path in ("/pages/", "/pages/index"):
        assert await (await client.get(path)).get_data(as_text=True) == "pages.index"
        assert (await client.post(path)).status_code == 405


@pytest.mark.checks("VD-7")
def test_routes_command(app: Quart) -> None:
    """``quart routes`` lists it."""

    @endpoint(app, "index", "/here")
    async def view() -> str:
        return ""

    result = app.test_cli_runner().invoke(routes_command)
    assert result.exit_code == 0, result.output
    assert "/here" in result.output and "DELETE" in result.output


def test_without_a_rule(app: Quart) -> None:
    with pytest.raises(TypeError, match=r'endpoint\(app, "index", "/"\)'):
        endpoint(app, "index")
