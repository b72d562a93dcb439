"""Forms of other sites are refused by what browsers say about their sender."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart, websocket
from quart.testing import WebsocketResponseError
from quart.views import MethodView

from quartpatterns.viewdecorators import same_origin_required
from tests.senders import SENDERS

pytestmark = pytest.mark.checks("VD-8")


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    application = app_class(__name__)
    methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]

    @application.route("/", methods=methods, provide_automatic_options=False)
    @same_origin_required
    async def index() -> str:
        return "asynchronous"

    @application.post("/sync")
    @same_origin_required
    def sync_view() -> str:
        return "synchronous"

    @application.websocket("/live")
    @same_origin_required
    async def live() -> None:
        await websocket.send("live")

    class Class(MethodView):
        decorators = [same_origin_required]

        async def post(self) -> str:
            return "class"

    application.add_url_rule("/class", view_func=Class.as_view("class"))
    return application


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        *SENDERS,
        # CSRFProtect allows it, because it checks a token, too. Here nothing else is checked.
        pytest.param({"Origin": "null"}, False, id="sandboxed page"),
    ],
)
async def test_sender(app: Quart, headers: dict[str, str], allowed: bool) -> None:
    client = app.test_client()
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        send: Any = client.open
        response = await send("/", method=method, headers={"Host": "localhost", **headers})
        assert response.status_code == (200 if allowed else 403)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_methods_that_change_nothing(app: Quart, method: str) -> None:
    """Links of other sites lead to this one."""
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    send: Any = app.test_client().open
    response = await send("/", method=method, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(("path", "text"), [("/sync", "synchronous"), ("/class", "class")])
async def test_other_views(app: Quart, path: str, text: str) -> None:
    client = app.test_client()
    response = await client.post(path)
    assert (response.status_code, await response.get_data(as_text=True)) == (200, text)
    response = await client.post(path, headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403


@pytest.mark.parametrize("sender", [{"Origin": "https://evil.example"}, {"Origin": "null"}])
async def test_websockets(app: Quart, sender: dict[str, str]) -> None:
    """The handshake is a GET, but it is checked."""
    client = app.test_client()
    own = {"Host": "localhost:443", "Origin": "https://localhost"}
    async with client.websocket("/live", headers=own) as connection:
        assert await connection.receive() == "live"
    with pytest.raises(WebsocketResponseError) as refused:
        async with client.websocket("/live", headers={"Host": "localhost", **sender}) as connection:
            await connection.receive()
    assert refused.value.response.status_code == 403
