"""The parameters of PostgreSQL URLs reach asyncpg, or are refused in ``init_app``."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest
from quart import Quart
from sqlalchemy import make_url, text

from quartpatterns.compare.processes import free_port
from quartpatterns.sqlalchemy import async_url, make_engine
from quartpatterns.sqlalchemy.libpq import KEEPALIVE, asyncpg_arguments, separate_hosts
from tests.sqlalchemy.shop import db, make_app, registration


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("connect_timeout=3", {"timeout": 3.0}),
        ("connect_timeout=0", {"timeout": None}),
        ("application_name=shop", {"server_settings": {"application_name": "shop"}}),
        (
            "fallback_application_name=b&application_name=a",
            {"server_settings": {"application_name": "a"}},
        ),
        ("options=-c%20search_path%3Da", {"server_settings": {"options": "-c search_path=a"}}),
        (
            "sslmode=verify-full&sslrootcert=/ca.pem",
            {"dsn": "postgresql://?sslmode=verify-full&sslrootcert=%2Fca.pem"},
        ),
        ("ssl=require", {"ssl": "require"}),
        ("target_session_attrs=primary", {"dsn": "postgresql://?target_session_attrs=primary"}),
        ("sslnegotiation=direct", {"direct_tls": True}),
        ("channel_binding=prefer&gssencmode=disable&client_encoding=utf8", {}),
        ("keepalives=1", {KEEPALIVE: {}}),
        ("keepalives_idle=30", {KEEPALIVE: {"keepalives_idle": 30}}),
        ("keepalives=0&keepalives_idle=30", {}),
        (
            "command_timeout=5&statement_cache_size=0",
            {"command_timeout": 5.0, "statement_cache_size": 0},
        ),
    ],
)
def test_translated(query: str, expected: dict[str, Any]) -> None:
    url, arguments = asyncpg_arguments(make_url(f"postgresql+asyncpg://h/d?{query}"))
    assert arguments == expected
    assert url == make_url("postgresql+asyncpg://h/d")


def test_certificates_of_the_system() -> None:
    url = make_url("postgresql+asyncpg://h/d?sslrootcert=system&sslmode=verify-full")
    context = asyncpg_arguments(url)[1]["ssl"]
    assert isinstance(context, ssl.SSLContext) and context.check_hostname


def test_parts_of_the_url() -> None:
    url, _ = asyncpg_arguments(make_url("postgresql+asyncpg:///?user=u&password=p&dbname=d&host=h"))
    assert (url.username, url.password, url.database, url.query) == ("u", "p", "d", {"host": "h"})


@pytest.mark.parametrize(
    ("query", "remedy"),
    [
        ("channel_binding=require", "sslmode=verify-full"),
        ("gssencmode=require", "psycopg"),
        ("client_encoding=latin1", "UTF-8"),
        ("hostaddr=127.0.0.1", "as the host"),
        ("require_auth=scram-sha-256", "psycopg"),
        ("load_balance_hosts=random", "psycopg"),
        ("connect_timeout=soon", "connect_timeout .* invalid"),
        ("conect_timeout=3", "did you mean connect_timeout"),
        ("search_path=a", "write settings of the server in `options`"),
        ("application_name=a&application_name=b", "twice"),
        ("sslrootcert=system&sslmode=require", "verify-full"),
        ("sslnegotiation=later", "postgres or direct"),
        ("direct_tls=maybe", "invalid value"),
        ("ssl=true", "must be one of disable"),
        ("sslmode=on", "must be one of disable"),
        ("target_session_attrs=master", "must be one of any, primary"),
        ("command_timeout=0", "command_timeout .* invalid"),
        ("timeout=nan", "timeout .* invalid"),
        ("connect_timeout=inf", "connect_timeout .* invalid"),
        ("async_fallback=true", "remove it"),
        ("statement_timeout=5s", "in `options`"),
        ("pool_size=5", "SQLALCHEMY_ENGINE_OPTIONS"),
    ],
)
def test_refused(app_class: type[Quart], query: str, remedy: str) -> None:
    """The error is one of ``init_app``, not of each request, and holds no value of the URL."""
    with pytest.raises(ValueError, match=remedy) as caught:
        make_app(app_class, f"postgresql://user:secret@h/d?{query}")
    assert "secret" not in str(caught.value)


def test_port(app_class: type[Quart]) -> None:
    with pytest.raises(ValueError, match="between 1 and 65535"):
        make_app(app_class, "postgresql://user@h:70000/d")


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ("postgresql://u:p%40@a:1,b:2/d", ["a:1", "b:2"]),
        ("postgresql://a,b/d?application_name=x", ["a:5432", "b:5432"]),
        ("postgresql+asyncpg://a:1,b/d", ["a:1", "b:5432"]),
    ],
)
def test_several_hosts(given: str, hosts: list[str]) -> None:
    url = async_url(given)
    assert list(url.query["host"]) == hosts
    assert (url.database, url.drivername) == ("d", "postgresql+asyncpg")


@pytest.mark.parametrize("url", ["sqlite:///a,b.db", "postgresql://u:a,b@h/d", "mysql://a,b/d"])
def test_other_commas(url: str) -> None:
    assert separate_hosts(url) == url


async def test_on_a_server(app_class: type[Quart], postgres_url: str) -> None:
    """The server and the socket have what the URL says, and the second host is tried."""
    start, _, name = postgres_url.rpartition("@")
    query = "connect_timeout=5&application_name=shop&options=-c%20statement_timeout%3D1234"
    keepalive = "keepalives_idle=77&tcp_user_timeout=9000"
    more = "sslmode=prefer&channel_binding=prefer&target_session_attrs=primary"
    url = f"{start}@127.0.0.1:{free_port()},{name}?{query}&{keepalive}&{more}"
    app = make_app(app_class, url)
    async with app.app_context():
        for setting, value in (("application_name", "shop"), ("statement_timeout", "1234ms")):
            assert await db.session.scalar(text(f"SHOW {setting}")) == value
        connection = await (await db.session.connection()).get_raw_connection()
        driver: Any = connection.driver_connection
        used = driver._transport.get_extra_info("socket")
        assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
        assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 9000
    await registration(app).close()


async def test_without_an_application(postgres_url: str) -> None:
    engine = make_engine(async_url(f"{postgres_url}?application_name=script"))
    async with engine.connect() as connection:
        assert await connection.scalar(text("SHOW application_name")) == "script"
    await engine.dispose()
