"""``host.pyz``: the commands that the steps of a deployment run on a host."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import processes, releases, server, storage, supervisor

_START_TIMEOUT = 60.0
_REQUESTS = ("trial", "switch", "stop")
"""Commands that the supervisor runs."""
_RELEASE_COMMANDS: dict[str, Callable[[Path, str], object]] = {
    "activate": releases.activate,
    "previous": releases.previous_release,
    "prune": lambda folder, keep: " ".join(releases.prune(folder, int(keep))),
    "rollback-target": releases.rollback_target,
}


def main(arguments: list[str]) -> None:
    """Run a command. If it fails, print one line and exit with code 1."""
    if arguments[:1] in (["hypercorn"], ["uvicorn"]):
        return server.main(arguments[1:], server=arguments[0])
    commands: dict[str, Callable[[], object]] = {
        "run": lambda: supervisor.run(folder, takeover=options.takeover),
        "start": lambda: start(folder),
        "status": lambda: json.dumps({**releases.describe(folder), "running": _status(folder)}),
        "is-serving": lambda: sys.exit(not is_serving(_status(folder), options.release)),
        "verify": lambda: asyncio.run(verify(releases.Release(folder, options.release))),
        "load": lambda: load(folder, options.release),
        "exec": lambda: execute(folder, options.release, options.command),
    }
    names = [*_REQUESTS, *_RELEASE_COMMANDS, *commands]
    parser = argparse.ArgumentParser(prog="host.pyz")
    parser.add_argument("name", choices=names)
    parser.add_argument("folder", type=Path)
    parser.add_argument("release", nargs="?", default="")
    parser.add_argument("command", nargs="*")
    parser.add_argument("--takeover", action="store_true")
    options = parser.parse_args(arguments)
    folder = options.folder.absolute()
    try:
        if options.name in _REQUESTS:
            output: object = request(folder, options.name, options.release)
        elif options.name in _RELEASE_COMMANDS:
            output = _RELEASE_COMMANDS[options.name](folder, options.release)
        else:
            output = commands[options.name]()
    except (OSError, ValueError, processes.HealthCheckError) as error:
        sys.exit(str(error))
    print(output or "", end="\n" if output else "")  # noqa: T201 - the output of the command
    return None


def request(folder: Path, command: str, release: str) -> str:
    """Have the supervisor run a command, and return its message."""
    message = {"do": command, "release": release} if release else {"do": command}
    try:
        response = supervisor.request(folder, message)
    except (FileNotFoundError, ConnectionRefusedError):
        sys.exit(f"no supervisor runs for {folder}")
    if "error" in response:
        sys.exit(response["error"])
    return str(response.get("message", ""))


def start(folder: Path) -> None:
    """Start a supervisor, unless one of this version runs. It replaces one of another version."""
    running = _status(folder)
    if running and (running["version"] == supervisor.program_version() or running["systemd"]):
        return
    command = [sys.executable, str(releases.PROGRAM), "run", str(folder)]
    command += ["--takeover"] if running else []
    log = folder / "log" / "supervisor.log"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    with log.open("ab") as output:
        log_start = output.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_TIMEOUT
    while (_status(folder) or {}).get("pid") != process.pid:
        if process.poll() is not None or time.monotonic() > deadline:
            logged = log.read_bytes()[log_start:].decode(errors="replace")
            sys.exit(f"the supervisor did not start\n{logged}")
        time.sleep(0.02)


async def verify(release: releases.Release) -> None:
    """Check the health of a release at its public addresses.

    Raises:
        HealthCheckError: It is unhealthy.
    """
    health = release.health
    for address in release.bind:
        try:
            await processes.wait_until_healthy(
                address,
                health["path"],
                health["host"],
                limit=health["timeout"],
                tls=release.uses_tls(),
            )
        except processes.HealthCheckError as error:
            raise processes.HealthCheckError(f"{address}: {error}") from None


def load(folder: Path, release: str) -> None:
    """Import the application of *release* under its own Python, and check where it stores files."""
    found = releases.Release(folder, release)
    storage.load(folder, found.path, found.app)


def execute(folder: Path, release: str, command: list[str]) -> None:
    """Replace this process by *command*, in the folder and with the environment of *release*."""
    path = folder / "releases" / release
    os.chdir(path / "app")
    environment = releases.process_environment(folder, path)
    try:
        os.execvpe(command[0], command, environment)
    except FileNotFoundError:
        sys.exit(f"{command[0]} is neither in {path / 'venv/bin'} nor elsewhere on the host")


def is_serving(status: Mapping[str, Any] | None, release: str) -> bool:
    """Return whether all processes of *release* run, with the environment that it has now."""
    return bool(
        status
        and status["version"] == supervisor.program_version()
        and status["release"] == release
        and not status["changed"]
        and sum(status["processes"].values()) == status["expected"]
    )


def _status(folder: Path) -> dict[str, Any] | None:
    try:
        return supervisor.request(folder, {"do": "status"})
    except OSError:
        return None
