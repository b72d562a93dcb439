"""The port: its pages, its settings, and ``quart run``."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from quartpatterns.appdispatch import DispatcherMiddleware, not_found
from quartpatterns.appdispatch.example import original
from quartpatterns.appdispatch.example.port import create_app
from quartpatterns.compare.processes import Process, accepts, free_port
from tests.appdispatch.wire import served


@pytest.mark.wire
@pytest.mark.checks("AD-1")
async def test_development_server(tmp_path: Path) -> None:
    """``quart run`` finds the application, and serves the mounted ones."""
    port = free_port()
    command = [sys.executable, "-m", "quart", "--app", "quartpatterns.appdispatch.example.port"]

    def hello() -> str:
        with Process([*command, "run", "--port", str(port)], log=tmp_path / "log") as process:
            process.wait_until(lambda: accepts(port))
            return httpx.get(f"http://127.0.0.1:{port}/hello/").text

    assert await asyncio.to_thread(hello) == "Hello World!"


@pytest.mark.wire
async def test_links_of_the_index() -> None:
    """Every link of the page works, also below a prefix."""
    app = DispatcherMiddleware(not_found, {"/appdispatch": create_app()})
    async with served(app) as port, httpx.AsyncClient(follow_redirects=True) as client:
        page = (await client.get(f"http://localhost:{port}/appdispatch")).text
        links = re.findall('(?:href|action)="([^"]+)"', page)
        assert len(links) == 12
        for link in links:
            url = httpx.URL(link if "://" in link else f"http://localhost:{port}{link}")
            assert url.port == port
            # Browsers resolve every name below localhost to this machine; other programs may not.
            headers = {"Host": f"{url.host}:{port}"}
            answer = await client.get(url.copy_with(host="127.0.0.1"), headers=headers)
            expected = {"/appdispatch/users": 405}.get(url.path, 200)
            assert answer.status_code == (404 if url.host == "nobody.localhost" else expected), url


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"name": "carol"}, 303),
        ({"name": "Carol"}, 400),
        ({"name": "a/b"}, 400),
        ({"name": "x" * 31}, 400),
        ({}, 400),
    ],
)
async def test_names(form: dict[str, Any], status: int) -> None:
    """A name that is not a host label is refused, and the message says what is valid."""
    answer = await create_app().test_client().post("/users", form=form)
    assert answer.status_code == status
    if status == 400:
        assert "a to z, 0 to 9" in await answer.get_data(as_text=True)


async def test_max_users() -> None:
    """No more users than MAX_USERS can be added."""
    client = create_app({"MAX_USERS": 3}).test_client()
    answers = [await client.post("/users", form={"name": name}) for name in ("carol", "dave")]
    assert [answer.status_code for answer in answers] == [303, 400]
    assert "MAX_USERS" in await answers[1].get_data(as_text=True)


@pytest.mark.checks("AD-3")
async def test_domain() -> None:
    """The domain is a setting."""
    client = create_app({"DOMAIN": "example.com"}).test_client()
    for host, status in [("alice.example.com", 200), ("alice.localhost", 404)]:
        answer = await client.get("/subdomain/x", headers={"Host": host})
        assert answer.status_code == status


def test_instances_of_the_original() -> None:
    """The original keeps no more applications than MAX_USERS, whatever names clients invent."""
    app = original.create_app({"MAX_USERS": 3})  # type: ignore[no-untyped-call]
    dispatcher = app.wsgi_app.mounts["/subdomain"]
    client = app.test_client()
    for name in ("alice", "x", "y", "z", "bob", "alice"):
        answer = client.get("/subdomain/x", headers={"Host": f"{name}.localhost"})
        assert answer.status_code == (200 if name in {"alice", "bob"} else 404)
        assert name in dispatcher.instances
        assert len(dispatcher.instances) <= 3
