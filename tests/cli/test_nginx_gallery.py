"""The whole gallery on four server processes, behind nginx with TLS and a prefix."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx
import pytest

from quartpatterns.compare.pages import read_page
from tests.cli.test_nginx import CLIENTS, Proxy, behind_nginx, kill_under_load

log = logging.getLogger(__name__)
pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.timeout(600)]
# The errors that these examples show.
ERRORS = {
    "errorpages/api/broken": 500,
    "errorpages/api/cheese/gouda": 404,
    "errorpages/api/user": 400,
    "errorpages/bar": 400,
    "errorpages/blog/new": 404,
    "errorpages/blog/old": 410,
    "errorpages/broken": 500,
    "errorpages/foo": 410,
    "errorpages/forbidden": 403,
    "errorpages/gone": 410,
    "errorpages/nowhere": 404,
    "errorpages/profile": 400,
    "errorpages/profile?username=bob": 404,
    "errorpages/unavailable": 503,
    "lazyloading/broken": 500,
}
MOST_PAGES = 1500


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, mongodb_server: str) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("gallery")
    with behind_nginx(folder, MONGODB_URL=mongodb_server) as running:
        yield running


def read(client: httpx.Client, url: str) -> tuple[int, set[str]]:
    """Return the status and the links of *url*; of a response that is no page, read no body."""
    with client.stream("GET", url) as response:
        links = {response.headers["location"]} if "location" in response.headers else set[str]()
        if response.headers.get("content-type", "").startswith("text/html"):
            # A page can be streamed for a long time.
            text = ""
            for part in response.iter_text():
                text += part
                if len(text) > 500_000:
                    break
            links |= set(read_page(text, url).links)
        return response.status_code, {urldefrag(urljoin(url, link))[0] for link in links}


def test_crawl(proxy: Proxy) -> None:
    """Each link has the prefix and leads to a page."""
    start = f"{proxy.url}/shop/"
    found, waiting = {start}, [start]
    statuses: dict[str, int] = {}
    without_prefix: dict[str, str] = {}
    with proxy.client(http2=False) as client:
        while waiting and len(statuses) < MOST_PAGES:
            url = waiting.pop(0)
            statuses[url], links = read(client, url)
            here = {link for link in links if urlsplit(link).netloc == urlsplit(start).netloc}
            inside = {link for link in here if link.startswith(start)} | {start.rstrip("/")}
            # Originals have addresses of their own.
            if "/gallery/originals/" not in url:
                without_prefix |= dict.fromkeys(here - inside, url)
            waiting += sorted(here & inside - found)
            found |= here
    log.info("%s pages: %s", len(statuses), sorted(Counter(statuses.values()).items()))
    assert without_prefix == {}
    failed = {url.removeprefix(start): code for url, code in statuses.items() if code >= 400}
    beside = "gallery/originals/"
    assert {path: code for path, code in failed.items() if not path.startswith(beside)} == ERRORS
    # Originals show the same errors, or respond with 503 and the reason if they are not available.
    for path, code in failed.items():
        if path.startswith(beside):
            assert code == ERRORS.get(path.removeprefix(beside), 503), path
    assert len(statuses) > 300


def submit(client: httpx.Client, path: str, fields: dict[str, str]) -> httpx.Response:
    page = client.get(path).text
    found = re.search(r'name="csrf_token" type="hidden" value="([^"]+)"', page)
    assert found
    headers = {"Referer": f"{client.base_url}{path}"}
    return client.post(path, data={**fields, "csrf_token": found[1]}, headers=headers)


def test_log_in(proxy: Proxy) -> None:
    """A user who has registered at one process logs in at any."""
    user = {"username": "gracehop", "email": "grace@example.com", "password": "engine"}
    statuses = []
    with proxy.client() as client:
        form = {**user, "confirm": "engine", "accept_tos": "y"}
        registered = submit(client, "/shop/wtforms/register", form)
        assert registered.headers["location"] == "/shop/wtforms/login"
        assert "; Secure" in registered.headers["set-cookie"]
    for _ in range(12):
        with proxy.client() as client:
            statuses.append(submit(client, "/shop/wtforms/login", user).status_code)
    log.info("log-ins: %s", Counter(statuses))
    assert statuses == [302] * 12


def test_upload(proxy: Proxy) -> None:
    """The progress of an upload is sent while it is received, and the file comes back."""
    id, content = "0123456789abcdef", bytes(3_000_000)
    head = (
        b"--b\r\nContent-Disposition: form-data; name=file; filename=a.dat\r\n"
        b"Content-Type: application/octet-stream\r\n\r\n"
    )
    states: list[dict[str, object]] = []

    with proxy.client() as client, proxy.client() as uploader:
        with client.stream("GET", f"/shop/fileuploads/progress/{id}") as events:
            lines = events.iter_lines()

            def next_state() -> dict[str, object]:
                line = next(line for line in lines if line.startswith("data: "))
                states.append(json.loads(line.removeprefix("data: ")))
                return states[-1]

            def body() -> Iterator[bytes]:
                yield head + content[:1_000_000]
                while next_state()["status"] != "receiving":
                    pass
                yield content[1_000_000:] + b"\r\n--b--\r\n"

            response = uploader.post(
                f"/shop/fileuploads/progress?upload={id}",
                content=body(),
                headers={
                    "Content-Type": "multipart/form-data; boundary=b",
                    "Origin": proxy.url,
                },
            )
            assert response.status_code == 200, response.text
            while next_state()["status"] != "done":
                pass
        file = response.json()
        assert file["url"].startswith("/shop/")
        assert client.get(file["url"]).content == content
    log.info("upload: %s, %s bytes", [state["status"] for state in states], file["size"])


def test_feed(proxy: Proxy) -> None:
    """A message reaches an event stream and a websocket, whose processes may be others."""
    path = "/shop/streaming/feed"
    with proxy.connect() as websocket, proxy.client() as client:
        websocket.sendall(
            f"GET {path}/live HTTP/1.1\r\nHost: localhost:{proxy.port}\r\n".encode()
            + f"Origin: {proxy.url}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n".encode()
            + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        received = b""
        while b"\r\n\r\n" not in received:
            received += websocket.recv(1000)
        assert received.startswith(b"HTTP/1.1 101"), received
        with client.stream("GET", f"{path}/events") as events:
            lines = events.iter_lines()
            with proxy.client() as writer:
                sent = writer.post(
                    path, data={"text": "behind nginx"}, headers={"Origin": proxy.url}
                )
                assert sent.status_code < 400, sent.text
            event = next(line for line in lines if "behind nginx" in line)
        while b"behind nginx" not in received:
            received += websocket.recv(1000)
    log.info("event stream: %s; websocket: %s", event, received.rpartition(b"\r\n")[2])


def test_killed_process(proxy: Proxy) -> None:
    """If one of four processes is killed under load, only its unfinished responses are cut off."""
    statuses = Counter(kill_under_load(proxy, "/shop/wtforms/login"))
    log.info("requests while a process was killed, by status, 0 is cut off: %s", statuses)
    # nginx sends a request again unless the response has begun. Each client has one request.
    assert statuses.keys() <= {0, 200}
    assert statuses[0] <= CLIENTS
