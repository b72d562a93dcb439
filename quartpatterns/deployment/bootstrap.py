"""The steps that prepare a host, and those of them that every deployment looks after."""

from __future__ import annotations

import shlex

from quartpatterns.deployment.actions import Command, Step, Upload, quoted, tool
from quartpatterns.deployment.program import program, program_version
from quartpatterns.deployment.settings import Host, Settings
from quartpatterns.deployment.units import units

__all__ = ["bootstrap_steps", "environment_steps", "program_step", "start_step"]


def bootstrap_steps(settings: Settings, host: Host, python: str) -> list[Step]:
    """What prepares a new host: folders, program, environment, and what keeps it running."""
    folder = host.folder
    below = " ".join(
        quoted(folder / name) for name in ("releases", "shared", "incoming", "run", "log", "bin")
    )
    private = " ".join(quoted(folder / name) for name in ("shared", "run", "log", "incoming"))
    steps = [
        Step("folders", (Command(f"mkdir -p {below} && chmod 700 {private}"),)),
        program_step(host),
        *environment_steps(host),
    ]
    if settings.supervisor == "process":
        return [*steps, start_step(settings, host, python)]
    return [*steps, *_systemd(settings, host, python)]


def program_step(host: Host) -> Step:
    """The program of the host is the one of this version."""
    target = host.folder / "bin" / "host.pyz"
    known = f'test "$(sha256sum < {quoted(target)} | cut -c -12)" = {program_version()}'
    return Step("program", (Upload(program(), target, 0o644),), known)


def environment_steps(host: Host) -> list[Step]:
    """The environment, and other files of this host, which only its user may read."""
    files = [(host.environment, "env")] if host.environment else []
    files += [(source, target) for target, source in host.files.items()]
    shared = host.folder / "shared"
    folders = sorted({str(shared / target).rpartition("/")[0] for _, target in files})
    uploads = [Upload(source, shared / target) for source, target in files]
    if not files:
        return []
    return [Step("environment", (Command(f"mkdir -p {shlex.join(folders)}"), *uploads))]


def start_step(settings: Settings, host: Host, python: str) -> Step:
    """What keeps the application running is there."""
    if settings.supervisor == "process":
        return Step("start", (Command(tool(host, python, "start")),))
    unit = shlex.quote(f"{settings.name}.service")
    return Step(
        "start",
        (
            Command(
                f"systemctl is-active --quiet {unit}"
                f" || {{ echo {unit} is not active: bootstrap the host; exit 1; }}"
            ),
        ),
    )


def _systemd(settings: Settings, host: Host, python: str) -> list[Step]:
    sudo = "" if (settings.admin or host.user) == "root" else "sudo -n "
    folder = host.folder / "units"
    made = units(settings, host, python)
    paths = shlex.join(str(folder / name) for name in made)
    socket, service = (
        shlex.quote(f"{settings.name}.socket"),
        shlex.quote(f"{settings.name}.service"),
    )
    return [
        Step(
            "units",
            (
                Command(f"mkdir -p {quoted(folder)}"),
                *(Upload(text.encode(), folder / name, 0o644) for name, text in made.items()),
                Command(
                    "! command -v systemd-analyze > /dev/null"
                    f" || systemd-analyze verify --man=no {paths}"
                ),
            ),
        ),
        Step(
            "owner",
            (
                Command(
                    f"id -u {host.user} > /dev/null 2>&1"
                    f" || {sudo}useradd --system --create-home --shell /bin/sh {host.user}"
                ),
                Command(f"{sudo}chown -R {host.user}: {quoted(host.folder)}"),
            ),
        ),
        Step(
            "start",
            (
                Command(f"{sudo}install -m 644 {paths} /etc/systemd/system/"),
                Command(f"{sudo}systemctl daemon-reload"),
                Command(f"{sudo}systemctl enable --now {socket} {service}"),
            ),
        ),
    ]
