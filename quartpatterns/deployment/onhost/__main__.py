"""``host.pyz``: what the steps of a deployment call on a host."""

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

from . import probing, releases, serving, supervisor
from .environment import process_environment
from .services import PROGRAM, Services

PATIENCE = 60.0
ASKED = ("trial", "switch", "stop")
RELEASES: dict[str, Callable[[Path, str], object]] = {
    "activate": releases.activate,
    "choose": releases.choose,
    "previous": releases.previous,
    "prune": lambda folder, keep: " ".join(releases.prune(folder, int(keep))),
}


def main(arguments: list[str]) -> None:
    """Do what *arguments* say; what goes wrong is told in a line, with exit code 1."""
    if arguments[:1] == ["hypercorn"]:
        return serving.main(arguments[1:])
    parser = argparse.ArgumentParser(prog="host.pyz")
    parser.add_argument(
        "do", choices=[*ASKED, *RELEASES, "run", "start", "status", "served", "verify", "exec"]
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("release", nargs="?", default="")
    parser.add_argument("command", nargs="*")
    parser.add_argument("--takeover", action="store_true")
    given = parser.parse_args(arguments)
    folder = given.folder.absolute()
    try:
        if given.do == "run":
            supervisor.run(folder, takeover=given.takeover)
        elif given.do == "start":
            start(folder)
        elif given.do == "exec":
            execute(folder, given.release, given.command)
        elif given.do == "verify":
            asyncio.run(verify(Services(folder, given.release)))
        elif given.do == "status":
            print(json.dumps({**releases.describe(folder), "running": _status(folder)}))  # noqa: T201 - its answer
        elif given.do == "served":
            sys.exit(not served(_status(folder), given.release))
        elif given.do in RELEASES:
            print(RELEASES[given.do](folder, given.release) or "")  # noqa: T201 - its answer
        else:
            answer(folder, given.do, given.release)
    except (OSError, ValueError, probing.WellnessError) as error:
        sys.exit(str(error))
    return None


def answer(folder: Path, do: str, release: str) -> None:
    """Print what the supervisor answers."""
    try:
        answered = supervisor.ask(folder, {"do": do, "release": release} if release else {"do": do})
    except (FileNotFoundError, ConnectionRefusedError):
        answered = {"error": f"no supervisor runs for {folder}"}
    if "error" in answered:
        sys.exit(answered["error"])
    print(answered.get("said", ""))  # noqa: T201 - its answer


def start(folder: Path) -> None:
    """See to it that a supervisor of this version runs."""
    running = _status(folder)
    if running and (running["version"] == supervisor.version() or running["systemd"]):
        return
    command = [sys.executable, str(PROGRAM), "run", str(folder)]
    command += ["--takeover"] if running else []
    (folder / "log").mkdir(mode=0o700, exist_ok=True)
    log = folder / "log" / "supervisor.log"
    with log.open("ab") as output:
        begin = output.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + PATIENCE
    while (_status(folder) or {}).get("pid") != process.pid:
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_bytes()[begin:].decode(errors="replace")
            sys.exit(f"the supervisor did not start\n{said}")
        time.sleep(0.02)


async def verify(services: Services) -> None:
    """Ask the application where its clients do, until it is well."""
    health = services.health
    for address in services.bind:
        try:
            await probing.until_well(
                address,
                health["path"],
                health["host"],
                limit=health["timeout"],
                tls=services.tls(),
            )
        except probing.WellnessError as error:
            raise probing.WellnessError(f"{address}: {error}") from None


def execute(folder: Path, release: str, command: list[str]) -> None:
    """Become *command* with the environment of *release*, in its folder."""
    path = folder / "releases" / release
    os.chdir(path / "app")
    environment = process_environment(folder, path)
    try:
        os.execvpe(command[0], command, environment)
    except FileNotFoundError:
        sys.exit(f"there is no {command[0]} in {path / 'venv/bin'}, nor elsewhere on the host")


def served(status: Mapping[str, Any] | None, release: str) -> bool:
    """Whether *release* is served, as it is now, by all its processes."""
    return bool(
        status
        and status["version"] == supervisor.version()
        and status["release"] == release
        and not status["changed"]
        and sum(status["processes"].values()) == status["wanted"]
    )


def _status(folder: Path) -> dict[str, Any] | None:
    try:
        return supervisor.ask(folder, {"do": "status"})
    except OSError:
        return None


if __name__ == "__main__":
    main(sys.argv[1:])
