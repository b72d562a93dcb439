"""``SubdomainDispatcher``: dispatching by subdomain."""

from __future__ import annotations

import asyncio
import json

import pytest
from quart import Quart

from quartpatterns.appdispatch import DispatcherMiddleware, SubdomainDispatcher, not_found
from tests.appdispatch.wire import echo, exchange, fetch, served

USERS = {"", "alice", "a.b"}


async def create_app(name: str) -> Quart | None:
    return echo(name or "bare") if name in USERS else None


@pytest.mark.checks("AD-3", "AD-4")
@pytest.mark.parametrize(
    ("host", "subdomain"),
    [
        ("example.com", ""),
        ("alice.example.com", "alice"),
        ("a.b.example.com", "a.b"),
        ("alice.example.com:8000", "alice"),
        ("ALICE.Example.COM", "alice"),
        ("alice.example.com.", "alice"),
        ("alice.example.com.:80", "alice"),
        (" alice.example.com ", "alice"),
        ("x_y-1.example.com", "x_y-1"),
        ("xn--bcher-kva.example.com", "xn--bcher-kva"),
        (f"{'a' * 63}.example.com", "a" * 63),
        (f"{'a' * 64}.example.com", None),
        ("evilexample.com", None),
        ("example.com.evil.org", None),
        ("com", None),
        (".example.com", None),
        ("alice..example.com", None),
        ("../../etc.example.com", None),
        ("a/b.example.com", None),
        ("bücher.example.com", None),
        ("alice.example.com..", None),
        ("", None),
        (":8000", None),
        ("127.0.0.1:8000", None),
        ("[::1]", None),
        ("[::1]:8000", None),
        ("::1", None),
        ("[alice.example.com]:80", None),
    ],
)
def test_subdomain(host: str, subdomain: str | None) -> None:
    """Labels are compared; case, ports and a final dot are ignored."""
    assert SubdomainDispatcher("Example.com", create_app).subdomain(host) == subdomain


@pytest.mark.checks("AD-3")
@pytest.mark.parametrize(
    ("host", "name"),
    [("example.com", "bare"), ("alice.example.com", "alice"), ("A.B.example.com", "a.b")],
)
async def test_match(host: str, name: str) -> None:
    """The application of the subdomain answers, with the path unchanged."""
    app = SubdomainDispatcher("example.com", create_app)
    answer = await fetch(app, "/x/", host=host)
    assert json.loads(answer.body) == {"app": name, "root": "", "path": "/x/", "link": "/x/"}


@pytest.mark.checks("AD-4", "AD-5")
@pytest.mark.parametrize("host", ["unknown.example.com", "evilexample.com", "[::1]:80", "", None])
async def test_default(host: str | None) -> None:
    """Unknown subdomains and other hosts get a 404, or the default application."""
    assert (
        await fetch(SubdomainDispatcher("example.com", create_app), "/", host=host)
    ).status == 404
    app = SubdomainDispatcher("example.com", create_app, default_app=echo("default"))
    assert json.loads((await fetch(app, "/", host=host)).body)["app"] == "default"


@pytest.mark.checks("AD-3")
async def test_nested() -> None:
    """The dispatcher works below and above a DispatcherMiddleware."""
    hosts = SubdomainDispatcher("example.com", create_app)
    app = DispatcherMiddleware(not_found, {"/users": hosts})
    answer = await fetch(app, "/users/x/", host="alice.example.com")
    assert json.loads(answer.body)["link"] == "/users/x/"

    async def create_tree(name: str) -> DispatcherMiddleware:
        return DispatcherMiddleware(echo(name), {"/a": echo(f"{name}/a")})

    app_2 = SubdomainDispatcher("example.com", create_tree)
    answer = await fetch(app_2, "/a/x/", host="alice.example.com")
    assert json.loads(answer.body)["app"] == "alice/a"


async def test_normalized_scope() -> None:
    """An absolute target, and a root_path that ends with a slash, are normalized."""
    app = SubdomainDispatcher("example.com", create_app)
    for path, root_path in [("http://h/x/", ""), ("/mount/x/", "/mount/"), ("/mount/", "/mount/")]:
        answer = await fetch(app, path, root_path=root_path, host="alice.example.com")
        assert answer.status == 200


@pytest.mark.parametrize("domain", ["", "example.com:80", ".example.com", "bücher.de", "a b"])
def test_invalid_domain(domain: str) -> None:
    """A domain that is not a host name in ASCII is an error."""
    with pytest.raises(ValueError, match="such as 'example.com'"):
        SubdomainDispatcher(domain, create_app)


@pytest.mark.wire
@pytest.mark.checks("AD-3", "AD-4")
async def test_on_the_wire() -> None:
    """Hypercorn passes every kind of host on, and none in HTTP/1.0."""
    async with served(SubdomainDispatcher("example.com", create_app)) as port:
        for host, status in [
            (b"Host: Alice.Example.com:1\r\n", b"200"),
            (b"Host: unknown.example.com\r\n", b"404"),
            (b"Host: evilexample.com\r\n", b"404"),
            (b"Host: [::1]:80\r\n", b"404"),
            (b"Host:\r\n", b"404"),
            (b"", b"404"),
        ]:
            answer = await exchange(port, b"GET /x/ HTTP/1.0\r\n" + host + b"\r\n")
            assert answer.split()[1] == status, host


@pytest.mark.slow
@pytest.mark.wire
async def test_late_answer_to_a_large_body() -> None:
    """A late 404 reaches a client that is still sending a large body."""

    async def no_app(name: str) -> None:
        await asyncio.sleep(0.2)

    async with served(SubdomainDispatcher("example.com", no_app)) as port:
        request = b"POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 33554432\r\n\r\n"
        answer = await exchange(port, request + bytes(2**25))
    assert answer.startswith(b"HTTP/1.1 404")


@pytest.mark.checks("AD-2", "AD-3")
async def test_root_of_a_mount() -> None:
    """The application of a subdomain redirects to the root of its mount; there is no other."""
    app = DispatcherMiddleware(
        not_found, {"/mount": SubdomainDispatcher("example.com", create_app)}
    )
    for host, status in (("alice.example.com", 308), ("nobody.example.com", 404), ("x.org", 404)):
        assert (await fetch(app, "/mount", host=host)).status == status
    own = SubdomainDispatcher("example.com", create_app, default_app=echo("default"))
    app = DispatcherMiddleware(not_found, {"/mount": own})
    answer = await fetch(app, "/mount", host="nobody.example.com")
    assert answer.headers["location"] == "http://nobody.example.com/mount/"
