"""URLs for logs: readable, and never with a secret."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartpatterns._shared.urls import display_address, display_url


@pytest.mark.parametrize(
    ("url", "shown", "address"),
    [
        ("redis://localhost:6380/0", "redis://localhost:6380/0", "localhost:6380"),
        ("redis://", "redis://", "localhost:6379"),
        ("redis:///0", "redis:///0", "localhost:6379"),
        ("redis://:hunter2@h/0", "redis://h/0", "h:6379"),
        ("rediss://user:hunter2@h:1?db=2#hunter2", "rediss://h:1?db=2", "h:1"),
        ("redis://u:hunter2@p@h", "redis://h", "h:6379"),
        ("redis://u:hunter%402@h", "redis://h", "h:6379"),
        ("redis://h?password=hunter2&db=1", "redis://h?password=***&db=1", "h:6379"),
        ("redis://h?hunter2", "redis://h?***", "h:6379"),
        ("redis://h?db=1;password=hunter2", "redis://h?db=***", "h:6379"),
        ("redis://h?pass%77ord=hunter2", "redis://h?***", "h:6379"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1", "/run/redis.sock"),
        ("unix://u:hunter2@/run/r%20.sock", "unix:///run/r%20.sock", "/run/r .sock"),
        ("redis://u:hunter2@[::1]:6380/0", "redis://[::1]:6380/0", "[::1]:6380"),
        ("redis://[fe80::1%25eth0]/0", "redis://[fe80::1%25eth0]/0", "[fe80::1%eth0]:6379"),
        ("mongodb://u:hunter2@a,b:2,[::1]/x", "mongodb://a,b:2,[::1]/x", "a:6379,b:2,[::1]:6379"),
        ("mongodb+srv://u:hunter2@a.b/x", "mongodb+srv://a.b/x", "a.b:6379"),
        ("mongodb://%2Ftmp%2Fm.sock/x", "mongodb://%2Ftmp%2Fm.sock/x", "/tmp/m.sock:6379"),
        ("sqlite+aiosqlite:///app.db", "sqlite+aiosqlite:///app.db", "localhost:6379"),
        ("unix:///a%0Ab", "unix:///a%0Ab", "/a%0Ab"),
        ("file:app.db?mode=memory", "file:app.db?mode=memory", "app.db"),
        ("http://bücher.example/", "http://bücher.example/", "bücher.example:6379"),
        ("x://h/path;password=hunter2", "x://h/path", "h:6379"),
        # Malformed: a part of the password may be anywhere.
        ("redis://u:hun/ter2@h:1/0", "redis://***", "***"),
        ("redis://u:12/hunter2@h:1/0", "redis://***", "***"),
        ("redis://u:hun?ter2@h", "redis://***", "***"),
        ("redis://u:hun#ter2@h", "redis://***", "***"),
        ("redis://h?password=hunt@er2", "redis://***", "***"),
        ("redis://u:hunter2", "redis://***", "***"),
        ("redis://[::1", "redis://***", "***"),
        ("redis://h:port", "redis://***", "***"),
        ("jdbc://h;password=hunter2", "jdbc://***", "***"),
        ("redis://h/\n0", "redis://***", "***"),
        ("u:hunter2@h:6379", "***", "***"),
        ("host=h password=hunter2", "***", "***"),
        ("", "***", "***"),
        (None, "***", "***"),
    ],
)
def test_urls(url: object, shown: str, address: str) -> None:
    assert display_url(url) == shown
    assert display_address(url, default_port=6379) == address
    assert "hun" not in shown + address and "ter2" not in shown + address


@given(st.text())
def test_no_text_raises(text: str) -> None:
    display_url(text)
    display_address(text, default_port=1)
    display_url(f"redis://{text}")
    display_address(f"redis://{text}", default_port=1)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=20), st.booleans())
def test_no_password_is_shown(around: str, encoded: bool) -> None:
    secret = f"{around}hunter2{around}"
    password = quote(secret, safe="") if encoded else secret
    if encoded:
        assert display_url(f"redis://u:{password}@host/0?token={password}") == (
            "redis://host/0?token=***"
        )
    for url in (
        f"redis://user:{password}@host:6379/0",
        f"redis://:{password}@host",
        f"redis://host/0?password={password}",
        f"redis://host/0?db=1&token={quote(secret, safe='')}",
        f"unix://:{password}@/run/redis.sock",
        f"mongodb://user:{password}@a,b/name?authSource=admin",
    ):
        assert "hunter2" not in display_url(url) + display_address(url, default_port=1)
