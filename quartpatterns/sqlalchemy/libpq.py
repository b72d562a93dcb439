"""The parameters of a PostgreSQL URL: those of libpq, as asyncpg takes them.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS

A parameter that asyncpg has no equivalent for is refused, with what to write instead, and so is an
unknown one. SQLAlchemy would pass both to ``asyncpg.connect()``, where each request fails.
"""

from __future__ import annotations

import importlib
import math
import os
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import URL

__all__ = [
    "KEEPALIVE",
    "asyncpg_arguments",
    "check_certificates",
    "keepalive_class",
    "separate_hosts",
]

KEEPALIVE = "quartpatterns_keepalive"
"""The argument of our own connect function with the options of the socket."""

_ROOT_CERTIFICATE = Path("~/.postgresql/root.crt")
"""The authorities that libpq and asyncpg trust if no others are named."""
_KEY = Path("~/.postgresql/postgresql.key")
"""The key that asyncpg uses if no other is named."""
_SEVERAL_HOSTS = re.compile(
    r"(?P<start>[^:/?#]+://(?:[^@/?#]*@)?)(?P<hosts>[^@/?#]*,[^@/?#]*)(?P<rest>[/?].*)?", re.DOTALL
)


def separate_hosts(url: str) -> str:
    """Return *url* with several hosts (``//a:5432,b:5432/name``) in the query, for SQLAlchemy.

    All other URLs are returned unchanged.
    """
    if not url.startswith("postgres") or (match := _SEVERAL_HOSTS.fullmatch(url)) is None:
        return url
    path, mark, query = (match["rest"] or "").partition("?")
    hosts: list[str] = []
    for host in match["hosts"].split(","):
        name, port = host, "5432"
        if found := re.fullmatch(r"(.*):(\d*)", host):
            name, port = found[1], found[2] or "5432"
        hosts.append(f"host={quote(name, safe='[]')}:{port}")
    added = "&".join(hosts)
    return f"{match['start']}{path or '/'}?{added}{'&' if mark else ''}{query}"


def asyncpg_arguments(url: URL) -> tuple[URL, dict[str, Any]]:
    """Return *url* with hosts only, and the arguments of ``asyncpg.connect()`` for the rest.

    Raises:
        ValueError: A parameter has no equivalent, an invalid value, or is unknown. The message
            says what to write, and contains no value.
    """
    arguments: dict[str, Any] = {}
    dsn: dict[str, str] = {}
    settings: dict[str, str] = {}
    keepalive: dict[str, int] = {}
    kept: dict[str, Any] = {}
    for name, value in url.query.items():
        if name in {"host", "port"}:
            kept[name] = value
        elif not isinstance(value, str):
            raise ValueError(f"the parameter {name} of the database URL is given twice")
        elif name in _REFUSED:
            accepted, remedy = _REFUSED[name]
            if value not in accepted:
                raise ValueError(
                    f"asyncpg does not support this {name} in the database URL: {remedy}"
                )
        elif value and value not in _CHOICES.get(name, (value,)):
            raise ValueError(
                f"{name} in the database URL must be one of {', '.join(_CHOICES[name])}"
            )
        elif name in _IN_DSN:
            dsn[name] = value
        elif name in _SERVER_SETTINGS:
            settings[name] = value
        elif name in _KEEPALIVE:
            keepalive[name] = _number(int, name, value)
        elif name in _URL_PARTS:
            parts: dict[str, Any] = {_URL_PARTS[name]: value}
            url = url.set(**parts)
        elif name == "fallback_application_name":
            settings.setdefault("application_name", value)
        elif name == "connect_timeout":
            # Zero and less mean no limit, as in libpq.
            seconds = _number(_finite, name, value)
            arguments["timeout"] = seconds if seconds > 0 else None
        elif name == "sslnegotiation":
            if value not in {"postgres", "direct"}:
                raise ValueError("sslnegotiation in the database URL must be postgres or direct")
            arguments["direct_tls"] = value == "direct"
        elif name in _ASYNCPG:
            arguments[name] = _number(_ASYNCPG[name], name, value)
        else:
            raise ValueError(_unknown(name))
    if application := url.query.get("application_name"):
        settings["application_name"] = str(application)
    if dsn.get("sslrootcert") == "system":
        # libpq's name for the certificates of the system, which it then always verifies.
        if dsn.pop("sslmode", "verify-full") != "verify-full":
            raise ValueError("sslrootcert=system in the database URL needs sslmode=verify-full")
        del dsn["sslrootcert"]
        arguments["ssl"] = ssl.create_default_context()
    if settings:
        arguments["server_settings"] = settings
    if dsn:
        arguments["dsn"] = f"postgresql://?{urlencode(dsn)}"
    if keepalive.pop("keepalives", 1) and keepalive or url.query.get("keepalives") == "1":
        arguments[KEEPALIVE] = keepalive
    return url.set(query=kept), arguments


def check_certificates(url: URL) -> None:
    """Read the certificates and keys that *url* names, as each connection will.

    Raises:
        ValueError: A file is missing, is invalid, or does not belong to the others. The message
            names the parameter.
    """
    query = {name: str(value) for name, value in url.query.items()}
    mode = query.get("sslmode") or query.get("ssl")
    if mode == "disable":
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # asyncpg reads the variable in these modes only.
    reads_environment = mode in {"require", "verify-ca", "verify-full"}
    environment = os.environ.get("PGSSLROOTCERT") if reads_environment else None
    if query.get("sslrootcert") == "system":
        pass
    elif authorities := query.get("sslrootcert") or environment:
        _read("sslrootcert", authorities, lambda: context.load_verify_locations(authorities))
    elif mode in {"verify-ca", "verify-full"} and not _ROOT_CERTIFICATE.expanduser().exists():
        raise ValueError(
            f"{mode} in the database URL needs the certificates of authorities: add"
            f" sslrootcert=/path/ca.pem, or sslmode=verify-full&sslrootcert=system for those of"
            f" the system, or write {_ROOT_CERTIFICATE}"
        )
    if revoked := query.get("sslcrl"):
        _read("sslcrl", revoked, lambda: context.load_verify_locations(revoked))
    if certificate := query.get("sslcert"):
        key = query.get("sslkey") or os.environ.get("PGSSLKEY")
        if not key and _KEY.expanduser().exists():
            key = str(_KEY.expanduser())
        password = query.get("sslpassword", "")
        try:
            _read(
                "sslcert",
                certificate,
                lambda: context.load_cert_chain(certificate, key, password=lambda: password),
            )
        except ValueError:
            if key and os.access(certificate, os.R_OK):
                _read("sslkey", key, Path(key).read_bytes)
            raise


def _read(name: str, file: str, read: Callable[[], object]) -> None:
    try:
        read()
    except ssl.SSLError as error:
        remedy = (
            "name a certificate in PEM format, its key in sslkey, and the password of the key in"
            " sslpassword"
            if name == "sslcert"
            else "name a file in PEM format"
        )
        raise ValueError(f"{name} in the database URL is invalid ({error}): {remedy}") from error
    except OSError as error:
        raise ValueError(
            f"{name} in the database URL names {file}, which can't be read ({error.strerror}):"
            " correct the path, or let the server's user read the file"
        ) from error


def keepalive_class(options: Mapping[str, int]) -> type[Any]:
    """Return a class of connections that sets the *options* of :data:`KEEPALIVE`."""
    asyncpg: Any = importlib.import_module("asyncpg")  # It has no types.

    class KeepaliveConnection(asyncpg.Connection):  # type: ignore[misc]
        __slots__ = ()

        def __init__(self, protocol: Any, transport: Any, *args: Any) -> None:
            super().__init__(protocol, transport, *args)  # pyright: ignore[reportUnknownMemberType]
            connection: socket.socket = transport.get_extra_info("socket")
            if connection.family != getattr(socket, "AF_UNIX", None):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                for name, value in options.items():
                    option = getattr(socket, _KEEPALIVE[name], None)
                    if value > 0 and option is not None:
                        connection.setsockopt(socket.IPPROTO_TCP, option, value)

    return KeepaliveConnection


def _number(kind: Callable[[str], Any], name: str, value: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"the parameter {name} of the database URL has an invalid value") from None


def _unknown(name: str) -> str:
    known = {*_IN_DSN, *_SERVER_SETTINGS, *_ASYNCPG, *_KEEPALIVE, *_REFUSED, "connect_timeout"}
    near = get_close_matches(name, known, 1, cutoff=0.8)
    hint = (
        f"did you mean {near[0]}?"
        if near
        else (
            "write settings of the server in `options`, and options of create_engine() in"
            " SQLALCHEMY_ENGINE_OPTIONS"
        )
    )
    return f"the parameter {name} of the database URL is unknown; {hint}"


def _finite(value: str) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError
    return number


def _seconds(value: str) -> float:
    if (number := _finite(value)) <= 0:
        raise ValueError
    return number


def _boolean(value: str) -> bool:
    if value.lower() not in {"1", "0", "true", "false"}:
        raise ValueError
    return value.lower() in {"1", "true"}


_IN_DSN = {
    "gsslib",
    "krbsrvname",
    "passfile",
    "service",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslpassword",
    "sslrootcert",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "target_session_attrs",
}
"""The parameters that asyncpg reads in a URL of its own."""

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "ssl": _SSL_MODES,
    "sslmode": _SSL_MODES,
    "target_session_attrs": (
        "any",
        "primary",
        "standby",
        "read-write",
        "read-only",
        "prefer-standby",
    ),
}
"""The values of parameters that have a few only; asyncpg would refuse others in each request."""

_SERVER_SETTINGS = {"application_name", "options"}

_URL_PARTS = {"user": "username", "password": "password", "dbname": "database"}

_ASYNCPG: Mapping[str, Callable[[str], Any]] = {
    "command_timeout": _seconds,
    "direct_tls": _boolean,
    "max_cacheable_statement_size": int,
    "max_cached_statement_lifetime": int,
    "prepared_statement_cache_size": int,
    "servicefile": str,
    "ssl": str,
    "statement_cache_size": int,
    "timeout": _seconds,
}
"""The arguments of ``asyncpg.connect()`` itself, and of SQLAlchemy's dialect."""

_KEEPALIVE = {
    "keepalives": "SO_KEEPALIVE",
    "keepalives_count": "TCP_KEEPCNT",
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}

_NO_EQUIVALENT = "remove it, or use the driver psycopg (postgresql+psycopg://)"
_REFUSED: Mapping[str, tuple[set[str], str]] = {
    "async_fallback": ({"false"}, "remove it; SQLAlchemy 2.1 has no such parameter"),
    "channel_binding": (
        {"disable", "prefer"},
        "remove it, and verify the server with sslmode=verify-full and sslrootcert instead, or use"
        " the driver psycopg (postgresql+psycopg://)",
    ),
    "client_encoding": ({"auto", "utf8", "UTF8", "utf-8", "UTF-8"}, "remove it; text is UTF-8"),
    "gssdelegation": ({"0"}, _NO_EQUIVALENT),
    "gssencmode": ({"disable", "prefer"}, _NO_EQUIVALENT),
    "hostaddr": (set(), "write the address as the host"),
    "load_balance_hosts": ({"disable"}, _NO_EQUIVALENT),
    "replication": ({"false", "off", "no", "0"}, _NO_EQUIVALENT),
    "require_auth": (set(), _NO_EQUIVALENT),
    "requirepeer": (set(), _NO_EQUIVALENT),
    "requiressl": ({"0"}, "write sslmode=require"),
    "sslcertmode": ({"allow"}, _NO_EQUIVALENT),
    "sslcompression": ({"0"}, _NO_EQUIVALENT),
    "sslcrldir": (set(), "write sslcrl, which names a file"),
    "sslkeylogfile": (set(), "set the environment variable SSLKEYLOGFILE"),
    "sslsni": ({"1"}, _NO_EQUIVALENT),
}
"""The values of parameters that mean what asyncpg does anyway, and what to write for others."""
