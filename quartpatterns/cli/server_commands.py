"""What ``quartpatterns serve`` runs for each server: Hypercorn, Uvicorn and Granian.

All are started with the settings of one file, whose keys are those of Hypercorn. A key that a
server has nothing for is an error that names the servers that have it.
"""

from __future__ import annotations

import json
import logging
import math
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypercorn.config import Config

from quartpatterns.cli.errors import UsageProblem
from quartpatterns.compare.servers import ASGI_SERVERS, ASGIServer

__all__ = ["check_server", "server_command", "supported_settings", "takes_sockets"]

APPLICATION = "quartpatterns.cli.served_application:application"
UVICORN_OPTIONS = "QUARTPATTERNS_UVICORN"  # the environment variable with the options as JSON
_COMMON = frozenset(
    "accesslog backlog bind ca_certs certfile errorlog graceful_timeout keyfile loglevel"
    " shutdown_timeout startup_timeout verify_mode worker_class workers".split()
)
_OWN = {
    "uvicorn": frozenset(
        "ciphers group include_date_header include_server_header keep_alive_timeout"
        " keyfile_password max_requests max_requests_jitter umask user"
        " websocket_max_message_size".split()
    ),
    "granian": frozenset(
        "h2_max_concurrent_streams h2_max_header_list_size h2_max_inbound_frame_size".split()
    ),
}
_OTHER_REMEDY = {"root_path": "use the option --prefix"}


def takes_sockets(server: ASGIServer) -> bool:
    """Return whether *server* serves sockets that another process has opened."""
    return server != "granian"


def supported_settings(
    server: ASGIServer, file: Path, settings: Mapping[str, Any], *, own_file: bool
) -> dict[str, Any]:
    """Return the *settings* in *file* that *server* has something for.

    Arguments:
        server: The server.
        file: The file, for messages.
        settings: Keys and values of Hypercorn.
        own_file: Whether the user wrote the file. Otherwise it is the file of this project, whose
            other keys are left out.

    Raises:
        UsageProblem: The user wrote a key that *server* has nothing for.
    """
    if server == "hypercorn":
        return dict(settings)
    supported = {
        key: value for key, value in settings.items() if key in _COMMON or key in _OWN[server]
    }
    others = [key for key in settings if key not in supported]
    if others and own_file:
        capable = [
            name
            for name in ASGI_SERVERS
            if name == "hypercorn" or (name != server and others[0] in _OWN[name])
        ]
        remedy = f"leave it out, or use --server {' or '.join(capable)}"
        raise UsageProblem(
            f"{file}: {server} has no {others[0]}: {_OTHER_REMEDY.get(others[0], remedy)}"
        )
    return supported


def check_server(server: ASGIServer, file: Path, config: Config) -> None:
    """Check the values that *server* has something else for than Hypercorn.

    Raises:
        UsageProblem: *server* cannot do what *config* says.
    """
    if server == "hypercorn":
        return
    for key in ("accesslog", "errorlog"):
        if getattr(config, key) not in ("-", None):
            raise UsageProblem(
                f"{file}: {server} writes its log to the output of this command: write"
                f' {key} = "-", or use --server hypercorn'
            )
    if server == "granian" and len(config.bind) > 1:
        raise UsageProblem(
            f"granian listens on one address, not {len(config.bind)}: leave out a --bind, or use"
            " --server hypercorn or uvicorn"
        )
    if server == "granian" and config.verify_mode == ssl.CERT_OPTIONAL:
        raise UsageProblem(
            f"{file}: granian has no optional certificates of clients: write verify_mode = 2, or"
            " use --server hypercorn or uvicorn"
        )


def server_command(
    server: ASGIServer, file: Path, config: Config, fds: Sequence[int], env: dict[str, str]
) -> list[str]:
    """Return the command that starts *server*, and add to *env* what it reads there.

    Arguments:
        server: The server.
        file: The configuration file, which Hypercorn reads itself.
        config: Its settings, and the addresses and the number of workers to use.
        fds: The file descriptors of the sockets that a single process serves, if there are any.
        env: The environment of the server.
    """
    if server == "uvicorn":
        env[UVICORN_OPTIONS] = json.dumps(_uvicorn_options(config))
        return [sys.executable, "-m", "quartpatterns.cli.uvicorn_server", *map(str, fds)]
    if server == "granian":
        return [sys.executable, "-m", "granian", *_granian_options(config), APPLICATION]
    # With 0 workers Hypercorn serves in its main process, which then needs no supervisor.
    single = bool(fds) or config.workers == 1 and not (config.max_requests or config.use_reloader)
    command = [sys.executable, "-m", "hypercorn", "--config", str(file)]
    command += ["--workers", "0" if single else str(config.workers)]
    for address in [f"fd://{fd}" for fd in fds] or config.bind:
        command += ["--bind", address]
    return [*command, f"{APPLICATION}()"]


def _log_level(config: Config) -> int:
    """Return the number of the level. Servers do not know all of its names, such as ``WARN``."""
    return logging.getLevelNamesMapping()[config.loglevel.upper()]


def _uvicorn_options(config: Config) -> dict[str, Any]:
    """Return the arguments of :class:`uvicorn.Config`."""
    options: dict[str, Any] = {
        "access_log": config.accesslog is not None,
        "backlog": config.backlog,
        # Both are named, so that what is installed changes nothing.
        "http": "httptools",
        "ws": "wsproto",
        "date_header": config.include_date_header,
        "limit_max_requests": config.max_requests,
        "limit_max_requests_jitter": config.max_requests_jitter,
        "log_level": _log_level(config),
        "loop": config.worker_class,
        # ProxyFix trusts as many proxies as --proxies says. Uvicorn would trust any local one.
        "proxy_headers": False,
        "server_header": config.include_server_header,
        "timeout_graceful_shutdown": math.ceil(config.graceful_timeout),
        "timeout_keep_alive": math.ceil(config.keep_alive_timeout),
        "ws_max_size": config.websocket_max_message_size,
    }
    if config.ssl_enabled:
        options |= {
            "ssl_ca_certs": config.ca_certs,
            "ssl_cert_reqs": int(config.verify_mode or ssl.CERT_NONE),
            "ssl_certfile": config.certfile,
            "ssl_ciphers": config.ciphers,
            "ssl_keyfile": config.keyfile,
            "ssl_keyfile_password": config.keyfile_password,
        }
    return options


def _granian_options(config: Config) -> list[str]:
    """Return the arguments of ``granian``. The time to stop includes that of the application."""
    address = config.bind[0]
    host, _, port = address.rpartition(":")
    options = {
        "--interface": "asgi",
        "--workers": config.workers,
        "--loop": config.worker_class,
        "--backlog": max(config.backlog, 128),  # its minimum
        "--log-level": logging.getLevelName(_log_level(config)).lower(),
        "--workers-kill-timeout": math.ceil(config.graceful_timeout + config.shutdown_timeout),
        "--http2-max-concurrent-streams": config.h2_max_concurrent_streams,
        "--http2-max-frame-size": config.h2_max_inbound_frame_size,
        "--http2-max-headers-size": config.h2_max_header_list_size,
        **(
            {"--uds": address.removeprefix("unix:")}
            if address.startswith("unix:")
            else {"--host": host.strip("[]"), "--port": port}
        ),
    }
    if config.ssl_enabled:
        options |= {
            "--ssl-certificate": config.certfile,
            "--ssl-keyfile": config.keyfile,
            # By default Granian refuses TLS 1.2, which the other servers accept.
            "--ssl-protocol-min": "tls1.2",
        }
        options |= {"--ssl-ca": config.ca_certs} if config.ca_certs else {}
    flags = ["--factory", "--no-access-log" if config.accesslog is None else "--access-log"]
    flags += ["--respawn-failed-workers"] if config.workers > 1 else []
    flags += ["--ssl-client-verify"] if config.verify_mode == ssl.CERT_REQUIRED else []
    return [*(str(part) for pair in options.items() for part in pair), *flags]
