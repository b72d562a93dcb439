"""A login redirects only to the own site, as browsers read URLs."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from ada_url import URL
from hypothesis import example, given, settings
from hypothesis import strategies as st
from quart import Quart
from werkzeug.utils import redirect

from quartpatterns.viewdecorators import own_path, safe_next
from tests.examples import examples

HOSTS = ["http://localhost/", "https://example.org:8443/", "http://[::1]:5000/"]

# What parsers disagree about, in any order, with our own host and another one among it.
PIECES = st.sampled_from(
    [
        *["/", "//", "\\", "\t", "\n", "\r", "\0", " ", "\x7f", "\x85", "\xa0", "\u2028", "\ufeff"],
        *["/.", "/..", "./", "..", ":", "@", "?", "#", ";", "%", "%2f", "%5c", "%09", "%00", "%2e"],
        *["http:", "https:", "javascript:", "data:", "http://", "HTTP://", "http:/", "///"],
        *["evil.example", "localhost", "example.org:8443", "[::1]:5000", "user:password@"],
        *[*HOSTS, "／", "＼", "。", "ä", "\ud800", "a", "login", "next=//evil.example"],
    ]
)
TARGETS = (
    st.lists(PIECES, max_size=8).map("".join)
    | st.text(max_size=30)
    | st.builds(
        lambda host, rest: host + rest,
        st.sampled_from(HOSTS),
        st.lists(PIECES, max_size=6).map("".join),
    )
)


def followed(target: str, host_url: str) -> URL:
    """Return the URL that a browser (WHATWG URL Standard) opens from the login page."""
    return URL(target, base=f"{host_url}a/login?next=1")


@settings(max_examples=examples(2000))
@example(target="//evil.example", host_url=HOSTS[0])
@example(target="/\\evil.example", host_url=HOSTS[0])
@example(target="/\t/evil.example", host_url=HOSTS[0])
@example(target="http://localhost//evil.example", host_url=HOSTS[0])
@example(target="http://localhost\\@evil.example", host_url=HOSTS[0])
@given(target=TARGETS, host_url=st.sampled_from(HOSTS))
@pytest.mark.checks("VD-2")
def test_any_target(target: str, host_url: str) -> None:
    """Any accepted target stays on the own origin, also after Werkzeug has quoted it."""
    path = own_path(target, host_url)
    if path is None:
        return
    own = URL(host_url).origin
    assert path.isascii() and path.isprintable()
    assert followed(path, host_url).origin == own
    location = redirect(path).headers["Location"]
    assert followed(location, host_url).origin == own
    # A proxy in between that merges dots and slashes changes nothing.
    assert not path.startswith(("//", "/\\"))


@settings(max_examples=examples(500))
@given(path=st.text(st.characters(codec="utf-8"), max_size=30), host_url=st.sampled_from(HOSTS))
@pytest.mark.checks("VD-2")
def test_own_urls(path: str, host_url: str) -> None:
    """A URL of the own site, as a browser writes it, is accepted and stays the same."""
    wanted = URL(host_url)
    wanted.pathname = path
    if wanted.pathname.startswith("//"):
        return
    for target in (wanted.href, wanted.pathname):
        found = own_path(target, host_url)
        assert found is not None and unquote(found) == unquote(wanted.pathname)


@pytest.mark.checks("VD-2")
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a?b=c&d=%C3%A4#e", "/a?b=c&d=%C3%A4#e"),
        ("http://localhost/a?b=ä", "/a?b=%C3%A4"),
        ("http://localhost/", "/"),
        ("/%2F/evil.example", "/%2F/evil.example"),
        ("/%5Cevil.example", "/%5Cevil.example"),
        ("/a\\b?c=\\", "/a%5Cb?c=%5C"),
        ("/a\xa0\x85", "/a%C2%A0%C2%85"),
        *(
            (target, None)
            for target in (
                *["//evil.example", "///evil.example", "/\\evil.example", "\\/evil.example"],
                *["\\\\evil.example", "/\t/evil.example", "\t//evil.example", " //evil.example"],
                *["/\n/evil.example", "/a\r\nSet-Cookie: a=b", "/\x00", "\x01//evil.example"],
                *["http://evil.example/", "https://localhost/", "http://localhost:81/"],
                *["http://localhost.evil.example/", "http://localhost@evil.example/"],
                *["http://localhost//evil.example", "http://localhost/\\evil.example"],
                *["http:evil.example", "http:/evil.example", "http:///evil.example"],
                *["javascript:alert(1)", "data:text/html,x", "evil.example", "?a", "#a", ""],
                *["%2F%2Fevil.example", "/" + "a" * 20000],
            )
        ),
    ],
)
def test_targets(target: str, expected: str | None) -> None:
    assert own_path(target, "http://localhost/") == expected


@pytest.mark.checks("VD-2")
async def test_safe_next(app: Quart) -> None:
    """The host is that of the request; an invalid or missing target gives the default."""
    async with app.test_request_context("/", headers={"Host": "example.org"}):
        assert safe_next("http://example.org/a") == "/a"
        assert safe_next("http://localhost/a") == "/"
        assert safe_next(None, default="/home") == safe_next("", default="/home") == "/home"


@pytest.mark.checks("VD-2")
@pytest.mark.parametrize("host", ["evil.example", "", "a b", "localhost:x", "[", "//", "\xe4"])
async def test_hostile_host(app: Quart, host: str) -> None:
    """An invented host causes no redirect to it, and no error."""

    @app.get("/")
    async def index() -> str:
        return safe_next(f"http://{host}//evil.example") + safe_next(f"http://{host}/a")

    response = await app.test_client(use_cookies=False).get("/", headers={"Host": host})
    assert response.status_code in (200, 400)
    if response.status_code == 200:
        assert await response.get_data(as_text=True) in ("//a", "//")


@pytest.mark.checks("VD-2")
def test_length() -> None:
    """A target of more than 16384 characters is refused."""
    target = "/" + "a" * 16383
    assert own_path(target, "http://localhost/") == target
    assert own_path(f"{target}a", "http://localhost/") is None
