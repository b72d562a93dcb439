"""The gallery under each server, with several processes, behind a proxy with a prefix."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.test_serve import Command, Serve, serve
from tests.serving import TIMEOUT

__all__ = ["serve"]

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.timeout(400)]
SERVERS = ["hypercorn", "uvicorn", "granian"]


class Client:
    """A browser behind a proxy that keeps the prefix. Each request has its own connection."""

    def __init__(self, served: Command, address: str = "127.0.0.1") -> None:
        self.root = f"http://localhost:{served.port}"
        self.headers = {"X-Forwarded-For": address, "Origin": self.root}

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"{self.root}{path}", headers=self.headers | headers, timeout=TIMEOUT)

    def post(self, path: str, **fields: str) -> httpx.Response:
        return httpx.post(f"{self.root}{path}", headers=self.headers, data=fields, timeout=TIMEOUT)

    def start(self, kind: str = "parity", pattern: str = "favicon") -> str:
        response = self.post(f"/demo/gallery/{pattern}/runs", kind=kind)
        assert response.status_code == 303, response.text
        path: str = response.headers["location"]
        assert path.startswith("/demo/gallery/runs/")
        return path

    def events(self, path: str) -> list[tuple[str, Any]]:
        """Return the events of a run until its end."""
        found, event = [], ""
        url = f"{self.root}{path}/events"
        with httpx.stream("GET", url, headers=self.headers, timeout=TIMEOUT) as response:
            for line in response.iter_lines():
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    found.append((event, json.loads(line.removeprefix("data: "))))
        return found


def samples(text: str) -> dict[str, float]:
    return {
        f"{each.name}{sorted(each.labels.values())}": each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


@pytest.fixture(params=SERVERS)
def served(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Command]:
    options = ("--server", request.param, "--workers", "2", "--prefix", "/demo", "--proxies", "1")
    yield serve(*options, app=None).until_ready()


def test_behind_a_proxy(served: Command) -> None:
    """Runs, their events, metrics and request ids, whichever process answers."""
    client = Client(served)
    path = client.start()
    events = client.events(path)
    assert events[-1] == ("end", {"id": 1, "state": "passed"})
    assert {"done", "total"} <= set(events[0][1])
    page = client.get(path)
    assert "cases" in page.text and "passed" in page.text
    links = re.findall(r'(?:href|src|action|data-[a-z-]+)="(/[^"]*)"', page.text)
    assert links and all(link.startswith("/demo/") for link in links)
    for one in (
        "/demo/gallery/queue",
        "/demo/gallery/favicon/runs",
        "/demo/gallery/originals/favicon/",
    ):
        assert client.get(one).status_code == 200
    foreign = Client(served, "203.0.113.9")
    assert foreign.post("/demo/gallery/favicon/runs", kind="parity").status_code == 403
    assert foreign.get("/demo/metrics").status_code == 403
    assert client.get("/demo/readyz").json()["status"] == "ready"
    before = samples(client.get("/demo/metrics").text)
    for _ in range(20):
        response = client.get("/demo/healthz", **{"X-Request-ID": "seen-in-the-log"})
        assert response.headers["x-request-id"] == "seen-in-the-log"
    after = samples(client.get("/demo/metrics").text)
    name = "quartpatterns_requests_total['200', 'GET', 'gallery']"
    assert after[name] - before[name] == 21  # and the first look
    served.until(lambda: served.output.count("seen-in-the-log") == 20)
    assert after["quartpatterns_runs['parity', 'passed']"] == 1


def test_restart(serve: Serve) -> None:
    """A run that is interrupted by the end of the gallery starts again with the next one."""
    served = serve("--prefix", "/demo", app=None).until_ready()
    path = Client(served).start("bench", "flashing")
    served.until(lambda: served.find("bench --in-process"))
    served.process.send_signal(signal.SIGTERM)
    assert served.code() == 0
    served.until(lambda: not served.alive())
    again = serve("--prefix", "/demo", app=None).until_ready()
    assert Client(again).events(path)[-1] == ("end", {"id": 1, "state": "passed"})


def test_killed(serve: Serve) -> None:
    """If the gallery is killed during a run, no process is left."""
    served = serve("--prefix", "/demo", app=None).until_ready()
    Client(served).start("bench", "flashing")
    served.until(lambda: served.find("bench --in-process"))
    served.process.kill()
    served.process.wait()
    served.until(lambda: not [each for each in served.alive() if each.pid != served.process.pid])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--run-from", "here"], "--run-from must be local, any, none, or addresses"),
        (["--metrics-from", "10.0.0.1/8"], "--metrics-from must be"),
        (["--app", "shop:app", "--run-from", "any"], "--run-from is for the gallery"),
    ],
)
def test_options(options: list[str], message: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "quartpatterns", "serve", *options],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=dict(os.environ),
    )
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.iterdir())
