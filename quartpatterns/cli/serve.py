"""``quartpatterns serve``: run the gallery under a server, with its services.

Valkey, MongoDB, the worker and the server run in processes of their own. Each has a watchdog that
ends it if this process dies. This process only supervises them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from hypercorn.config import Config

from quartpatterns import __version__
from quartpatterns.cli.errors import UsageProblem, ensure_extra
from quartpatterns.cli.gallery_services import (
    MINIMUM_LIFETIME,
    TASKS_APP,
    create_data_folder,
    prepare_database,
    prepare_mongodb,
    prepare_redis,
    print_service,
)
from quartpatterns.cli.hypercorn_config import display_bind, is_listening, read_config
from quartpatterns.cli.served_application import APP, PREFIX, PROXIES, SECURE_COOKIES, SERVER
from quartpatterns.cli.server_commands import server_command, takes_sockets
from quartpatterns.compare.processes import Process, StartError
from quartpatterns.compare.servers import (
    ASGI_SERVERS,
    ASGIServer,
    ServerMissingError,
    ensure_installed,
    hypercorn_file,
)
from quartpatterns.subclassing import ProxyFix

__all__ = ["command"]

GALLERY = "quartpatterns.gallery:create_app()"
POLL_INTERVAL = 0.1  # seconds between two checks of a process
EPILOG = """
\b
  quartpatterns serve                            on http://127.0.0.1:5000, data in ./instance
  quartpatterns serve --bind 0.0.0.0:8080 --workers 4
  quartpatterns serve --server granian           needs: pip install 'quartpatterns[granian]'
  quartpatterns serve --proxies 1 --prefix /demo --secure-cookies
                                                 at https://HOST/demo/ behind one proxy
  REDIS_URL=redis://host/0 quartpatterns serve   with your own Redis
\b
Environment variables:
  REDIS_URL      The Redis for tasks. If it is not set, a Valkey and a worker are started, and
                 stop with this command. If it is set, start a worker yourself:
                 QUART_REDIS_URL=$REDIS_URL quartpatterns worker quartpatterns.tasks.example.port
  MONGODB_URL    The MongoDB. If it is not set, mongod is started if it is installed.
  DATABASE_URL   The database, instead of an SQLite file in the data folder.
  SQLITE_FILE    The file of the pattern sqlite3, instead of one in the data folder.
  UPLOAD_FOLDER  The folder for uploaded files, instead of one in the data folder.
  QUARTPATTERNS_SERVER, QUARTPATTERNS_PROXIES, QUARTPATTERNS_PREFIX,
  QUARTPATTERNS_SECURE_COOKIES
                 The same as the options --server, --proxies, --prefix and --secure-cookies.
  SECRET_KEY     The key that signs sessions. By default each start creates a new one.
\b
With several workers, a server process that exits is started again.
Ctrl-C or SIGTERM stops the server when the current requests are finished. A second signal stops
everything immediately.
Exit code: 0 after a signal, 1 if the server exited by itself, 2 if it did not start.
"""
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(epilog=EPILOG)
@click.option(
    "--bind", multiple=True, metavar="HOST:PORT", help="Address to listen on; can be repeated."
)
@click.option("--workers", type=click.IntRange(min=1), help="Number of server processes.")
@click.option(
    "--server",
    type=click.Choice(ASGI_SERVERS),
    default="hypercorn",
    show_default=True,
    envvar=SERVER,
    help="The server. Only hypercorn has websockets over HTTP/2, and uvicorn has no HTTP/2.",
)
@click.option(
    "--proxies",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    envvar=PROXIES,
    help="Number of proxies in front that set X-Forwarded-For and X-Forwarded-Proto.",
)
@click.option(
    "--prefix",
    default="",
    envvar=PREFIX,
    metavar="/PATH",
    help="The prefix of all paths, such as /demo, if the proxy does not remove it.",
)
@click.option(
    "--secure-cookies",
    is_flag=True,
    envvar=SECURE_COOKIES,
    help="Mark all cookies as Secure: browsers then send them only with HTTPS.",
)
@click.option(
    "--config",
    "file",
    type=FILE,
    help="A configuration file, with the keys of Hypercorn for each server.",
)
@click.option(
    "--data",
    type=FOLDER,
    default="instance",
    show_default=True,
    help="The folder for databases, uploads and logs.",
)
@click.option(
    "--migrate/--no-migrate", default=True, help="Migrate the database before the server starts."
)
@click.option(
    "--app",
    "name",
    default=GALLERY,
    metavar="MODULE:APP",
    help="Serve this application instead of the gallery.",
)
def command(
    bind: tuple[str, ...],
    workers: int | None,
    server: ASGIServer,
    proxies: int,
    prefix: str,
    secure_cookies: bool,
    file: Path | None,
    data: Path,
    migrate: bool,
    name: str,
) -> None:
    """Run the gallery of all patterns under Hypercorn, Uvicorn or Granian.

    This also migrates an SQLite database, starts a Valkey and a worker if REDIS_URL is not set, and
    starts a MongoDB if MONGODB_URL is not set.
    """
    own_file = file is not None
    if name == GALLERY:
        ensure_extra("gallery")
    try:
        ensure_installed(server)
        file = (file or hypercorn_file()).absolute()
    except ServerMissingError as error:
        raise UsageProblem(str(error)) from error
    except FileNotFoundError as error:
        raise UsageProblem(f"{error}: use --config") from error
    config = read_config(file, server=server, own_file=own_file, bind=bind, workers=workers)
    data = create_data_folder(data)
    try:
        ProxyFix(_no_application, prefix=prefix)
    except ValueError as error:
        raise UsageProblem(f"--prefix {prefix}: {error}") from error
    env = {**os.environ, APP: name, PROXIES: str(proxies), PREFIX: prefix, SERVER: server}
    env[SECURE_COOKIES] = "1" if secure_cookies else ""
    env["SECRET_KEY"] = env.get("SECRET_KEY") or secrets.token_hex()
    env.setdefault("SQLITE_FILE", str(data / "sqlite3.db"))
    env.setdefault("UPLOAD_FOLDER", str(data / "uploads"))
    with _until_signal() as processes, contextlib.ExitStack() as stack:

        def start(command: list[str], log: Path | None = None) -> Process:
            processes.append(process := stack.enter_context(Process(command, log=log, env=env)))
            return process

        def start_server_process() -> Process:
            # The ids of processes that have ended may belong to others by now.
            processes[:] = [each for each in processes if each.returncode is None]
            processes.append(process := Process(command, env=env, pass_fds=fds))
            return process

        def start_worker() -> Process:
            log = data / "worker.log"
            log.write_bytes(b"")
            print_service("worker", f"log file: {log}")
            return start([sys.executable, "-m", "quartpatterns", "worker", TASKS_APP], log)

        click.echo(f"quartpatterns {__version__}")
        prepare_database(data, env, migrate=migrate)
        restart_redis = prepare_redis(stack, data, env)
        worker = start_worker() if restart_redis else None
        prepare_mongodb(stack, data, env)
        servers: list[Process] = []
        fds: list[int] = []
        stack.callback(_shut_down, servers, fds, config)
        restarts = _restarts_servers(config)
        if server == "uvicorn" or (restarts and takes_sockets(server)):
            fds += _open_sockets(config)
        command = server_command(server, file, config, fds, env)
        for _ in range(config.workers if fds else 1):
            servers.append(start_server_process())
        _wait_until_listening(servers, config)
        for address in config.bind:
            print_service("gallery", display_bind(config, address))
        click.echo("Press Ctrl-C to stop.")
        start_server = start_server_process if restarts else None
        _supervise(servers, start_server, worker, start_worker, restart_redis)


async def _no_application(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the application while the options are checked."""


class _Stop(BaseException):
    """The first signal."""


@contextlib.contextmanager
def _until_signal() -> Iterator[list[Process]]:
    """Leave the context at the first signal; kill the processes in the list at the second one."""
    processes: list[Process] = []
    signals: list[int] = []

    def handle(sign: int, _: object) -> None:
        # Another signal can arrive between any two of these lines.
        if not signals:
            signals.append(sign)
            raise _Stop
        for process in processes:
            _kill(process)

    before = {sign: signal.signal(sign, handle) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield processes
    except _Stop:
        click.echo("Stopped.")
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _restarts_servers(config: Config) -> bool:
    """Return whether this command starts each server process, and starts it again if it exits.

    If one worker of Hypercorn exits, Hypercorn stops the others and exits with code 0. Granian
    starts its workers again itself, and is started again if its main process exits.
    """
    return (config.workers > 1 or bool(config.max_requests)) and not (
        config.use_reloader or config.insecure_bind or config.quic_bind
    )


def _open_sockets(config: Config) -> list[int]:
    """Bind the addresses, and return the file descriptors. The servers listen on them.

    The sockets stay open while a server starts again, so that no connection is refused.
    """
    sockets = config.create_sockets()
    bound = sockets.secure_sockets if config.ssl_enabled else sockets.insecure_sockets
    return [one.detach() for one in bound]


def _wait_until_listening(servers: list[Process], config: Config) -> None:
    deadline = time.monotonic() + config.startup_timeout + 30
    while not all(map(is_listening, config.bind)):
        if all(server.returncode is not None for server in servers):
            sys.exit(2)  # its messages are above
        if time.monotonic() > deadline:
            raise UsageProblem("the server does not respond: see its messages above")
        time.sleep(POLL_INTERVAL)


def _supervise(
    servers: list[Process],
    start_server: Callable[[], Process] | None,
    worker: Process | None,
    start_worker: Callable[[], Process],
    restart_redis: Callable[[], None] | None,
) -> None:
    """Restart servers, the worker and the Valkey if they exit.

    Without *start_server*, a server that exits is an error.
    """
    while True:
        time.sleep(POLL_INTERVAL)
        for index, server in enumerate(servers):
            if (code := server.returncode) is None:
                continue
            if start_server is None:
                raise click.ClickException(f"the server exited with code {code}")
            # A server that fails at its start would otherwise start again all the time.
            if time.monotonic() - server.started > MINIMUM_LIFETIME:
                event = f"The server process {server.pid} exited with code {code}"
                click.echo(f"{event} and is restarted.", err=True)
                server.stop()
                servers[index] = start_server()
        try:
            if restart_redis:
                restart_redis()
        except StartError as error:
            click.echo(f"The Valkey is not restarted: {error}", err=True)
            restart_redis = None
        if worker and worker.returncode is not None:
            event = f"The worker exited with code {worker.returncode}"
            if time.monotonic() - worker.started > MINIMUM_LIFETIME:
                click.echo(f"{event} and is restarted.", err=True)
                worker = start_worker()
            else:
                click.echo(f"{event}; tasks wait until you restart this command.", err=True)
                worker = None


def _shut_down(servers: list[Process], fds: list[int], config: Config) -> None:
    """Let the servers finish their requests. SIGTERM goes to the main process of a server only:
    workers of Hypercorn would exit immediately."""
    # A socket that stays open here would accept connections that no server answers.
    for fd in fds:
        os.close(fd)
    if any(server.returncode is None for server in servers):
        click.echo("Stopping; press Ctrl-C again to stop immediately.")
    deadline = time.monotonic() + config.graceful_timeout + config.shutdown_timeout + 1
    for server in servers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGTERM)
    while any(server.returncode is None for server in servers) and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL / 2)
    for server in servers:
        _kill(server)
        server.stop()
