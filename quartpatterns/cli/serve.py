"""``quartpatterns serve``: run the gallery under a server, with its services.

Valkey, MongoDB, the worker and the server run in processes of their own. Each has a watchdog that
ends it if this process dies. This process supervises them, and starts again what exits.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from hypercorn.config import Config

from quartpatterns import __version__
from quartpatterns.cli.data_folder import check_unused, create_data_folder, locked
from quartpatterns.cli.errors import UsageProblem, ensure_extra
from quartpatterns.cli.gallery_services import (
    METRICS_FOLDER,
    Launcher,
    plan_services,
    prepare_database,
    prepare_metrics,
    print_service,
    start_mongodb,
    start_redis,
    start_workers,
)
from quartpatterns.cli.groups import SuggestingChoice
from quartpatterns.cli.hypercorn_config import display_bind, is_listening, read_config
from quartpatterns.cli.progress import progress
from quartpatterns.cli.served_application import (
    APP,
    METRICS_FROM,
    PREFIX,
    PROXIES,
    RUN_FROM,
    SECURE_COOKIES,
    SERVER,
)
from quartpatterns.cli.server_commands import server_command, takes_sockets
from quartpatterns.cli.supervision import SupervisedProgram
from quartpatterns.compare.servers import (
    ASGI_SERVERS,
    ASGIServer,
    ServerMissingError,
    ensure_installed,
    hypercorn_file,
)
from quartpatterns.gallery.client_networks import ClientNetworks
from quartpatterns.subclassing import ProxyFix

__all__ = ["command"]

GALLERY = "quartpatterns.gallery:create_app()"
POLL_INTERVAL = 0.1  # seconds between two checks of a process
EPILOG = """
\b
  quartpatterns serve                            on http://127.0.0.1:5000, data in ./instance
  quartpatterns serve --bind 0.0.0.0:8080 --workers 4
  quartpatterns serve --run-from 127.0.0.1,10.0.0.0/8
                                                 browsers of a network may start comparisons
  quartpatterns serve --server granian           needs: pip install 'quartpatterns[granian]'
  quartpatterns serve --proxies 1 --prefix /demo --secure-cookies
                                                 at https://HOST/demo/ behind one proxy
  REDIS_URL=redis://host/0 quartpatterns serve   with your own Redis
\b
Environment variables:
  REDIS_URL      The Redis for tasks. If it is not set, a Valkey and a worker are started, and
                 stop with this command. If it is set, start a worker yourself, with the command
                 that is printed.
  MONGODB_URL    The MongoDB. If it is not set, mongod is started if it is installed.
  DATABASE_URL   The database, instead of an SQLite file in the data folder.
  SQLITE_FILE    The file of the pattern sqlite3, instead of one in the data folder.
  UPLOAD_FOLDER  The folder for uploaded files, instead of one in the data folder.
  QUARTPATTERNS_SERVER, QUARTPATTERNS_PROXIES, QUARTPATTERNS_PREFIX,
  QUARTPATTERNS_SECURE_COOKIES, QUARTPATTERNS_RUN_FROM, QUARTPATTERNS_METRICS_FROM
                 The same as the options of these names.
  QUARTPATTERNS_RUN_TIMEOUT, QUARTPATTERNS_RUN_MEMORY, QUARTPATTERNS_RUN_QUEUE,
  QUARTPATTERNS_KEEP_RUNS
                 Seconds that a comparison or measurement may take (600), bytes of memory that each
                 of its processes may allocate (2147483648), how many may wait or run (5), and how
                 many results of each pattern and kind are kept (20).
  SECRET_KEY     The key that signs sessions. By default each start creates a new one.
\b
A server process, the worker, the Valkey and the MongoDB are started again if they exit, with
growing pauses. What exits 8 times in a row is given up.
Ctrl-C or SIGTERM stops the server when the current requests are finished. A second signal stops
everything immediately.
Exit code: 0 after Ctrl-C or SIGTERM, 130 or 143 after a second one, 1 if the server was given up or
had to be killed, 2 if it did not start.
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
    type=SuggestingChoice(ASGI_SERVERS),
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
@click.option(
    "--run-from",
    default="local",
    show_default=True,
    envvar=RUN_FROM,
    metavar="CLIENTS",
    help="Whose browsers may start comparisons and measurements: local (this machine), any, none,"
    " or networks such as 127.0.0.1,10.0.0.0/8.",
)
@click.option(
    "--metrics-from",
    default="local",
    show_default=True,
    envvar=METRICS_FROM,
    metavar="CLIENTS",
    help="Who may read /metrics.",
)
def command(
    bind: tuple[str, ...],
    workers: int | None,
    server: ASGIServer,
    proxies: int,
    prefix: str,
    secure_cookies: bool,
    run_from: str,
    metrics_from: str,
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
    try:
        ProxyFix(_no_application, prefix=prefix)
    except ValueError as error:
        raise UsageProblem(f"--prefix {prefix}: {error}") from error
    clients = {RUN_FROM: run_from, METRICS_FROM: metrics_from}
    _check_clients(clients, name)
    check_unused(data)
    config = read_config(file, server=server, own_file=own_file, bind=bind, workers=workers)
    env = {
        **os.environ,
        APP: name,
        PROXIES: str(proxies),
        PREFIX: prefix,
        SERVER: server,
        **clients,
    }
    env[SECURE_COOKIES] = "1" if secure_cookies else ""
    env["SECRET_KEY"] = env.get("SECRET_KEY") or secrets.token_hex()
    env.setdefault("SQLITE_FILE", str(data.absolute() / "sqlite3.db"))
    env.setdefault("UPLOAD_FOLDER", str(data.absolute() / "uploads"))
    services = plan_services(env)
    with until_signal() as signals, contextlib.ExitStack() as stack:
        if name != GALLERY:
            with progress(f"loading {name}"):
                _check_application({**env, **services.env})
        data = create_data_folder(data)
        lock = stack.enter_context(locked(data, display_bind(config, config.bind[0])))
        launcher = Launcher(data, env, lock)
        signals.kill = launcher.kill
        stack.callback(launcher.stop)
        if name == GALLERY:
            env[METRICS_FOLDER] = prepare_metrics(data)
        click.echo(f"quartpatterns {__version__}")
        prepare_database(data, env, migrate=migrate)
        if start_redis(launcher, services.valkey):
            start_workers(launcher)
        start_mongodb(launcher, services.mongodb)
        servers = _start_servers(stack, signals, launcher, server, file, config)
        for address in config.bind:
            print_service("gallery", display_bind(config, address))
        click.echo("Press Ctrl-C to stop.")
        _supervise(launcher.programs, servers)
        signals.failed = True  # no server is left
    sys.exit(signals.exit_code)


def _check_clients(clients: Mapping[str, str], name: str) -> None:
    """Check the options that say which clients may do something.

    Arguments:
        clients: Their values by environment variable.
        name: The application, for which only the gallery has a use.

    Raises:
        UsageProblem: A value is invalid, or has no effect.
    """
    for variable, text in clients.items():
        option = f"--{variable.removeprefix('QUARTPATTERNS_').replace('_', '-').lower()}"
        if name != GALLERY and text != "local":
            raise UsageProblem(f"{option} is for the gallery: leave it out with --app")
        try:
            ClientNetworks(option, text)
        except ValueError as error:
            raise UsageProblem(str(error)) from error


def _check_application(env: dict[str, str]) -> None:
    """Load the application in a process of its own, and report what is wrong with it.

    Raises:
        UsageProblem: It cannot be loaded, or is not an ASGI application.
    """
    module = "quartpatterns.cli.served_application"
    done = subprocess.run([sys.executable, "-m", module], env=env, capture_output=True, text=True)
    if done.returncode == 0:
        return
    lines = done.stderr.strip().splitlines() or ["no message"]
    message = lines[-1].removeprefix("Error: ")
    if done.returncode != UsageProblem.exit_code or not lines[-1].startswith("Error: "):
        message = f"{env[APP]} ended its process with code {done.returncode}: {message}"
    raise UsageProblem(f"--app: {message}")


def _start_servers(
    stack: contextlib.ExitStack,
    signals: Signals,
    launcher: Launcher,
    server: ASGIServer,
    file: Path,
    config: Config,
) -> list[SupervisedProgram]:
    """Start the processes of the server, and wait until one listens."""
    fds: list[int] = []
    servers: list[SupervisedProgram] = []
    stack.callback(_shut_down, servers, fds, config, signals)
    if takes_sockets(server) and not (
        config.use_reloader or config.insecure_bind or config.quic_bind
    ):
        fds += _open_sockets(config)
    command = server_command(server, file, config, fds, launcher.env)
    number = config.workers if fds else 1
    # No progress is shown: the server writes to the same terminal.
    workers = "1 process" if config.workers == 1 else f"{config.workers} processes"
    print_service("server", f"{server} with {workers}")

    def listening() -> bool:
        return all(map(is_listening, config.bind))

    for index in range(number):
        program = SupervisedProgram(
            f"Server process {index + 1} of {number}" if number > 1 else "The server",
            lambda: launcher.process(command, fds=fds),
            # The sockets of this command accept connections even while no server runs.
            ready=None if fds else listening,
            exits=bool(config.max_requests),
            lost="This command ends when no server is left" if number > 1 else "This command ends",
        )
        servers.append(program)
        launcher.programs.append(program)
        program.begin()
    deadline = time.monotonic() + config.startup_timeout + 30
    while not listening():
        if not any(program.running for program in servers):
            sys.exit(2)  # its messages are above
        if time.monotonic() > deadline:
            raise UsageProblem("the server does not respond: see its messages above")
        time.sleep(POLL_INTERVAL)
    return servers


async def _no_application(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the application while the options are checked."""


class _Stop(BaseException):
    """The first signal."""


@dataclass
class Signals:
    """The signals that have arrived, and what the second one does.

    Arguments:
        received: The signals.
        kill: Called at each signal after the first one.
        ending: Whether the programs are being stopped. A first signal then changes nothing.
        failed: Whether the command ended without a signal, or could not stop as it should.
    """

    received: list[int] = field(default_factory=list[int])
    kill: Callable[[], None] = lambda: None
    ending: bool = False
    failed: bool = False

    @property
    def exit_code(self) -> int:
        """0 after one signal, and after two the code of a command that a signal has ended."""
        if len(self.received) > 1:
            return 128 + self.received[1]
        return int(self.failed)


@contextlib.contextmanager
def until_signal() -> Iterator[Signals]:
    """Leave the context at the first signal, unless it ends already."""
    signals = Signals()

    def handle(sign: int, _: object) -> None:
        # Another signal can arrive between any two of these lines.
        if not signals.received:
            signals.received.append(sign)
            if signals.ending:
                return
            raise _Stop
        signals.received.append(sign)
        signals.kill()

    before = {sign: signal.signal(sign, handle) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    except _Stop:
        click.echo("Stopped.")
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def _open_sockets(config: Config) -> list[int]:
    """Bind the addresses, and return the file descriptors. The servers listen on them.

    The sockets stay open while a server starts again, so that no connection is refused.
    """
    try:
        sockets = config.create_sockets()
    except OSError as error:
        raise UsageProblem(f"{' '.join(config.bind)}: {error.strerror}") from error
    bound = sockets.secure_sockets if config.ssl_enabled else sockets.insecure_sockets
    return [one.detach() for one in bound]


def _supervise(programs: Sequence[SupervisedProgram], servers: Sequence[SupervisedProgram]) -> None:
    """Start programs again that exit, until no server is left."""
    while not all(server.given_up for server in servers):
        time.sleep(POLL_INTERVAL)
        for program in programs:
            program.check()


def _shut_down(
    servers: Sequence[SupervisedProgram], fds: Sequence[int], config: Config, signals: Signals
) -> None:
    """Let the servers finish their requests. SIGTERM goes to the main process of a server only:
    workers of Hypercorn would exit immediately."""
    signals.ending = True
    # A socket that stays open here would accept connections that no server answers.
    for fd in fds:
        os.close(fd)
    if any(server.running for server in servers):
        click.echo("Stopping; press Ctrl-C again to stop immediately.")
    seconds = config.graceful_timeout + config.shutdown_timeout + 1
    deadline = time.monotonic() + seconds
    for server in servers:
        server.terminate()
    while any(server.running for server in servers) and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL / 2)
    for server in servers:
        if server.running:
            signals.failed = True
            click.echo(f"{server.name} did not stop within {seconds:g} s and is killed.", err=True)
        server.kill()
        server.stop()
    for address in config.bind if fds else ():
        if address.startswith("unix:"):
            Path(address.removeprefix("unix:")).unlink(missing_ok=True)
