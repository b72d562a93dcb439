"""Health, readiness, metrics and request ids."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families
from quart import Quart, Response, request
from quart.testing import WebsocketResponseError

from quartpatterns._shared.request_id_log import add_request_id
from quartpatterns.compare.processes import free_port
from quartpatterns.gallery import operation
from quartpatterns.gallery.metrics import _forget_dead_processes, application_label
from quartpatterns.gallery.observation import Observation
from quartpatterns.gallery.results import db
from quartpatterns.gallery.settings import GallerySettings
from quartpatterns.sqlalchemy.migrations import upgrade
from quartpatterns.subclassing import FaithfulQuart, ProxyFix
from tests.serving import TIMEOUT

LOCAL: Any = {"client": ("127.0.0.1", 50000)}
NOWHERE = free_port()


@pytest.fixture
def settings(redis_url: str, mongodb_url: str, tmp_path: Path) -> dict[str, Any]:
    database = f"sqlite:///{tmp_path / 'gallery.sqlite'}"
    upgrade(database)
    services = {"REDIS_URL": redis_url, "MONGODB_URL": mongodb_url}
    return {**services, "SQLALCHEMY_DATABASE_URI": database}


def create_app(settings: dict[str, Any]) -> Quart:
    """Return the parts of the gallery that are tested here."""
    app = FaithfulQuart("gallery")
    app.config.from_mapping(settings)
    GallerySettings(app)
    if settings.get("SQLALCHEMY_DATABASE_URI"):
        db.init_app(app)
    operation.init_app(app)

    @app.get("/id")
    async def id() -> str:
        app.logger.warning("a view")
        return request.headers["X-Request-ID"]

    @app.get("/streaming/events")
    async def events() -> Response:
        return Response("", mimetype="text/event-stream")

    @app.get("/broken")
    async def broken() -> str:
        raise RuntimeError("broken")

    @app.websocket("/socket")
    async def socket() -> None:
        from quart import websocket

        await websocket.send(websocket.headers["X-Request-ID"])

    app.asgi_app = Observation(app.asgi_app)  # type: ignore[method-assign]
    return app


async def test_health() -> None:
    """It answers without any service."""
    response = await create_app({}).test_client().get("/healthz")
    assert (response.status_code, await response.get_json()) == (200, {"status": "alive"})


async def test_ready(settings: dict[str, Any]) -> None:
    app = create_app(settings)
    response = await app.test_client().get("/readyz")
    services = dict.fromkeys(("database", "redis", "mongodb"), "ready")
    assert await response.get_json() == {"status": "ready", "services": services}
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("service", "change"),
    [
        ("redis", {"REDIS_URL": f"redis://:secret@127.0.0.1:{NOWHERE}/0"}),
        ("mongodb", {"MONGODB_URL": f"mongodb://127.0.0.1:{NOWHERE}/?connectTimeoutMS=100"}),
        ("database", {"SQLALCHEMY_DATABASE_URI": "sqlite:///:memory:"}),  # not migrated
    ],
)
async def test_not_ready(
    service: str, change: dict[str, str], settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It names the services that do not respond, without addresses or passwords."""
    app = create_app(settings | change)
    response = await app.test_client().get("/readyz")
    assert response.status_code == 503
    services = (await response.get_json())["services"]
    assert {name for name, reason in services.items() if reason != "ready"} == {service}
    assert "secret" not in str(services) and str(NOWHERE) not in str(services)
    # PyMongo does not close the socket of a client that is closed while it connects.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


async def test_unused_services() -> None:
    """Only the services that are configured are asked."""
    response = await create_app({}).test_client().get("/readyz")
    assert await response.get_json() == {"status": "ready", "services": {}}


async def test_ready_at_the_same_time(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many requests at once ask each service once."""
    asked: list[str] = []
    name, check = "redis", operation._CHECKS["redis"]

    async def counting(config: Any) -> None:
        asked.append(name)
        await check[1](config)

    monkeypatch.setitem(operation._CHECKS, name, (check[0], counting))
    monkeypatch.setattr(operation, "CHECK_INTERVAL", 60.0)
    client = create_app(settings).test_client()
    responses = await asyncio.gather(*(client.get("/readyz") for _ in range(10)))
    assert {response.status_code for response in responses} == {200}
    assert asked == ["redis"]


def samples(text: str) -> dict[str, float]:
    """Return the values by name and labels, as Prometheus parses them."""
    return {
        f"{each.name}{sorted(each.labels.values())}": each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


async def read_metrics(app: Quart) -> dict[str, float]:
    client = app.test_client()
    response = await client.get("/metrics", headers={"Host": "localhost"}, scope_base=LOCAL)
    assert response.status_code == 200
    return samples(await response.get_data(as_text=True))


async def test_metrics(settings: dict[str, Any]) -> None:
    """It counts responses by application, method and status, with few labels."""
    app = create_app(settings)
    before = await read_metrics(app)
    client = app.test_client()
    await client.get("/id")
    await client.get("/streaming/x")
    await client.get("/streaming/events")
    await client.get("/nowhere/at/all")
    await cast("Any", client).open("/id", method="BREW")
    await client.get("/broken")
    async with client.websocket("/socket") as socket:
        await socket.receive()
    with pytest.raises(WebsocketResponseError):
        async with client.websocket("/nowhere/at/all") as socket:
            await socket.receive()
    after: dict[str, float] = {}

    def grown(*labels: str) -> float:
        name = f"quartpatterns_requests_total{sorted(labels)}"
        return after.get(name, 0) - before.get(name, 0)

    async with asyncio.timeout(TIMEOUT):
        while not grown("gallery", "WEBSOCKET", "101"):  # It ends after the client has left.
            after = await read_metrics(app)
    assert grown("gallery", "WEBSOCKET", "404") == 1
    assert grown("gallery", "GET", "200") >= 2  # and the first look at the metrics
    assert grown("streaming", "GET", "404") == 1
    assert grown("gallery", "GET", "404") == 1
    assert grown("gallery", "other", "405") == 1
    assert grown("gallery", "GET", "500") == 1
    assert after["quartpatterns_open_requests['gallery']"] == 1  # this one
    assert after["quartpatterns_runs['parity', 'queued']"] == 0
    count = "quartpatterns_request_seconds_count['streaming']"
    assert after[count] - before.get(count, 0) == 1  # without the stream of events


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "gallery"),
        ("/gallery/streaming", "gallery"),
        ("/streaming", "streaming"),
        ("/streaming/large.csv", "streaming"),
        ("/streamingx", "gallery"),
        ("/gallery/originals/streaming/", "original:streaming"),
        ("/gallery/originals/nothing/", "gallery"),
    ],
)
def test_application_label(path: str, expected: str) -> None:
    assert application_label(path) == expected


CLIENTS = [
    ("local", "127.0.0.1", {}, 200),
    ("local", "::1", {}, 200),
    ("local", "192.168.1.7", {}, 403),
    ("local", "127.0.0.1", {"X-Forwarded-For": "192.168.1.7"}, 403),
    ("192.168.0.0/16, 10.1.2.3", "192.168.1.7", {}, 200),
    ("192.168.0.0/16, 10.1.2.3", "::ffff:10.1.2.3", {}, 200),
    ("192.168.0.0/16, 10.1.2.3", "127.0.0.1", {}, 403),
    ("any", "203.0.113.9", {"X-Forwarded-For": "1.2.3.4"}, 200),
    ("none", "127.0.0.1", {}, 403),
]


@pytest.mark.parametrize(("allowed", "client", "headers", "status"), CLIENTS)
async def test_networks(allowed: str, client: str, headers: dict[str, str], status: int) -> None:
    app = create_app({"GALLERY_METRICS_FROM": allowed})
    response = await app.test_client().get(
        "/metrics", headers={"Host": "localhost", **headers}, scope_base={"client": (client, 1)}
    )
    assert response.status_code == status
    if status == 403:
        assert "--metrics-from" in await response.get_data(as_text=True)


@pytest.mark.parametrize(
    ("forwarded", "proxies", "status"),
    [
        ("127.0.0.1", 1, 200),
        ("203.0.113.9", 1, 403),
        ("127.0.0.1, 203.0.113.9", 1, 403),  # The client wrote the first one.
        ("203.0.113.9", 0, 403),
    ],
)
async def test_networks_behind_a_proxy(forwarded: str, proxies: int, status: int) -> None:
    """Behind a proxy the address is that of the client; an unknown proxy is refused."""
    app = create_app({})
    app.asgi_app = ProxyFix(  # type: ignore[method-assign]
        app.asgi_app, x_for=proxies, x_proto=proxies, prefix="/demo"
    )
    response = await app.test_client().get(
        "/demo/metrics",
        headers={"Host": "localhost", "X-Forwarded-For": forwarded},
        scope_base=LOCAL,
    )
    assert response.status_code == status


@pytest.mark.parametrize("text", ["here", "10.0.0.1/8", "", "127.0.0.1,"])
def test_invalid_networks(text: str) -> None:
    with pytest.raises(ValueError, match="GALLERY_METRICS_FROM must be"):
        create_app({"GALLERY_METRICS_FROM": text})


IDS = [
    ("a-1.b_2~+/=:@", True),
    ("x" * 128, True),
    ("x" * 129, False),
    ("", False),
    ("two words", False),
    ("100%s", False),
    ("é", False),
]


@pytest.mark.parametrize(("sent", "kept"), IDS)
async def test_request_id(sent: str, kept: bool) -> None:
    """A well-formed id is kept, otherwise there is a new one: in the request and the response."""
    client = create_app({}).test_client()
    response = await client.get("/id", headers={"X-Request-ID": sent})
    id = response.headers["X-Request-ID"]
    assert await response.get_data(as_text=True) == id
    assert (id == sent) == kept
    assert kept or re.fullmatch("[0-9a-f]{32}", id)
    other = await client.get("/id")
    assert other.headers["X-Request-ID"] != id


async def test_request_id_of_errors() -> None:
    for path, status in (("/broken", 500), ("/nowhere", 404)):
        response = await create_app({}).test_client().get(path, headers={"X-Request-ID": "mine"})
        assert (response.status_code, response.headers["X-Request-ID"]) == (status, "mine")


async def test_two_request_ids() -> None:
    """Which of two is meant can't be known."""
    headers = [("X-Request-ID", "one"), ("X-Request-ID", "two")]
    response = await create_app({}).test_client().get("/id", headers=headers)
    assert response.headers.getlist("X-Request-ID") not in (["one"], ["two"])
    assert len(response.headers.getlist("X-Request-ID")) == 1


async def test_request_id_of_websocket() -> None:
    async with (
        create_app({})
        .test_client()
        .websocket("/socket", headers={"X-Request-ID": "mine"}) as socket
    ):
        assert await socket.receive() == "mine"


async def test_refused_websocket() -> None:
    """Its response has the id, as any other."""
    headers = {"X-Request-ID": "mine"}
    with pytest.raises(WebsocketResponseError) as refused:
        async with create_app({}).test_client().websocket("/nowhere", headers=headers) as socket:
            await socket.receive()
    response = refused.value.response
    assert (response.status_code, response.headers.getlist("X-Request-ID")) == (404, ["mine"])


async def test_small_applications(settings: dict[str, Any]) -> None:
    """A response needs no headers, and a websocket can be closed before it is accepted."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

    async def send(message: Any) -> None:
        sent.append(message)

    gallery = create_app(settings)
    before = await read_metrics(gallery)
    for kind in ("http", "websocket"):
        scope: dict[str, Any] = {"type": kind, "method": "GET", "path": "/ajax/", "headers": []}
        await Observation(app)(scope, None, send)
    after = await read_metrics(gallery)
    assert [name for name, _ in sent[0]["headers"]] == [b"x-request-id"]
    for method, status in (("GET", "204"), ("WEBSOCKET", "403")):
        name = f"quartpatterns_requests_total{sorted(('ajax', method, status))}"
        assert after[name] - before.get(name, 0) == 1


async def test_request_id_in_logs(caplog: pytest.LogCaptureFixture) -> None:
    """Log lines of a request have its id, whichever application wrote them."""
    caplog.handler.addFilter(add_request_id)
    app = create_app({})
    await app.test_client().get("/id", headers={"X-Request-ID": "mine"})
    await app.test_client().get("/broken", headers={"X-Request-ID": "other"})
    logging.getLogger("elsewhere").warning("no request")
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "a view [request mine]"
    assert lines[1].endswith("[request other]")
    assert lines[-1] == "no request"


WORKERS = """
import asyncio, os, sys
from quartpatterns.gallery.metrics import RequestMetrics, metrics_text

metrics = RequestMetrics()
for _ in range(int(sys.argv[1])):
    metrics.started("gallery")
    metrics.ended("gallery", "GET", 200, 0.1)
metrics.started("gallery")
if sys.argv[2:]:
    print(metrics_text([("parity", "passed", 3)]).decode())
else:
    os.kill(os.getpid(), 9)
"""


def test_several_processes(tmp_path: Path) -> None:
    """Each process reports the sum of all; what a killed one had open is forgotten."""
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-c", WORKERS]
    assert subprocess.run([*command, "2"], env=env).returncode == -9
    done = subprocess.run(
        [*command, "3", "print"], env=env, check=True, capture_output=True, text=True
    )
    found = samples(done.stdout)
    assert found["quartpatterns_requests_total['200', 'GET', 'gallery']"] == 5
    assert found["quartpatterns_request_seconds_count['gallery']"] == 5
    assert found["quartpatterns_open_requests['gallery']"] == 1
    assert found["quartpatterns_runs['parity', 'passed']"] == 3


def test_at_the_same_time(tmp_path: Path) -> None:
    """Several processes that are asked at once forget the same killed ones."""
    for number in range(500):  # Such large numbers are no processes.
        (tmp_path / f"gauge_livesum_{10**8 + number}.db").touch()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(_forget_dead_processes, [tmp_path] * 8))
    assert list(tmp_path.iterdir()) == []
