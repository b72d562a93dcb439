"""The steps of a deployment as data: what is run and uploaded on one host, in which order.

Each can be done again: it says how to see that it is done, or does no harm a second time. So a
deployment that was broken off goes on where it was.
"""

from __future__ import annotations

import json
import shlex
from pathlib import PurePosixPath

from quartpatterns.deployment.actions import (
    Command,
    Step,
    Upload,
    exists,
    python_command,
    quoted,
    tool,
)
from quartpatterns.deployment.archives import Archive, newest_archive
from quartpatterns.deployment.bootstrap import (
    bootstrap_steps,
    environment_steps,
    program_step,
    start_step,
)
from quartpatterns.deployment.settings import Host, Settings

__all__ = [
    "migration_step",
    "planned_steps",
    "preparation_steps",
    "pruning_step",
    "rollback_steps",
    "switching_steps",
    "trial_step",
]


def planned_steps(
    settings: Settings, command: str, host: Host, archive: Archive | None, *, first: bool
) -> list[Step]:
    """The steps of *command* on *host*, as far as they are known from here.

    Arguments:
        settings: The settings of the deployment.
        command: ``bootstrap``, ``deploy`` or ``rollback``.
        host: The host.
        archive: The release, for ``deploy``; by default the one that was packed last.
        first: Whether it is the host that migrates.
    """
    python = python_command(host)
    if command == "bootstrap":
        return bootstrap_steps(settings, host, python)
    if command == "rollback":
        return rollback_steps(settings, host, "RELEASE", python)
    packed = archive or newest_archive(settings)
    todo = preparation_steps(settings, host, packed, python)
    if settings.migrate and first:
        todo.append(migration_step(settings, host, packed.release, python))
    todo.append(trial_step(settings, host, packed.release, python))
    todo += switching_steps(host, packed.release, python)
    return [*todo, pruning_step(settings, host, python)]


def preparation_steps(settings: Settings, host: Host, archive: Archive, python: str) -> list[Step]:
    """What brings a release onto a host, and doesn't touch what is served."""
    release = host.folder / "releases" / archive.release
    arrived = host.folder / "incoming" / f"{archive.release}.tar"
    unpacked, made, installed = (release / name for name in ("unpacked", "venv/made", "installed"))
    venv = release / "venv"
    checked = f"echo {archive.sha256}'  '{quoted(arrived)} | sha256sum -c -"
    return [
        Step("space", (Command(_space(host, archive)),), exists(installed)),
        program_step(host),
        *environment_steps(host),
        Step("upload", (Upload(archive.path, arrived, resume=True),), exists(unpacked)),
        Step(
            "unpack",
            (
                Command(checked),
                Command(
                    f"rm -rf {quoted(release)} && mkdir {quoted(release)}"
                    f" && tar -xf {quoted(arrived)} -C {quoted(release)}"
                    f" && touch {quoted(unpacked)}"
                ),
            ),
            exists(unpacked),
        ),
        Step(
            "venv",
            (
                Command(
                    f"{python} -m venv --clear --without-pip {quoted(venv)} && touch {quoted(made)}"
                ),
            ),
            exists(made),
        ),
        Step(
            "install",
            (Command(f"{_install(host, release, python)} && touch {quoted(installed)}"),),
            exists(installed),
        ),
        Step(
            "load",
            (
                Upload(_services(settings, host), release / "services.json", 0o644),
                Command(
                    tool(host, python, "exec", archive.release, "--", "python", "-c")
                    + " "
                    + shlex.quote(
                        "from hypercorn.utils import load_application as load;"
                        f" load({settings.app!r}, 0)"
                    )
                ),
            ),
        ),
    ]


def migration_step(settings: Settings, host: Host, release: str, python: str) -> Step:
    """The migration, which one host runs."""
    marker = host.folder / "releases" / release / "migrated"
    command = tool(host, python, "exec", release, "--", "sh", "-c", settings.migrate or "true")
    return Step("migrate", (Command(f"{command} && touch {quoted(marker)}"),), exists(marker))


def trial_step(settings: Settings, host: Host, release: str, python: str) -> Step:
    """The release is started where no client sees it, and asked whether it is well."""
    start = start_step(settings, host, python).actions
    trial = Command(tool(host, python, "trial", release))
    return Step("trial", (*start, trial), tool(host, python, "served", release))


def switching_steps(host: Host, release: str, python: str) -> list[Step]:
    """The release is served in place of the one before, and asked as clients ask it."""
    return [
        Step("switch", (Command(tool(host, python, "switch", release)),)),
        Step(
            "verify",
            (
                Command(tool(host, python, "verify", release)),
                Command(tool(host, python, "activate", release)),
            ),
        ),
    ]


def rollback_steps(settings: Settings, host: Host, release: str, python: str) -> list[Step]:
    """What serves a release again that is on the host."""
    return [
        program_step(host),
        *environment_steps(host),
        Step(
            "switch",
            (
                *start_step(settings, host, python).actions,
                Command(tool(host, python, "switch", release)),
            ),
        ),
        Step("verify", (Command(tool(host, python, "verify", release)),)),
    ]


def pruning_step(settings: Settings, host: Host, python: str) -> Step:
    """Old releases are removed."""
    return Step("prune", (Command(tool(host, python, "prune", str(settings.keep))),))


def _install(host: Host, release: PurePosixPath, python: str) -> str:
    """Install the wheels by the pip of the archive, which is unpacked once for all releases.

    Python writes the byte code of what it imports in the next step, and of nothing else.
    """
    wheel, tools = quoted(release / "tools" / "pip.whl"), quoted(host.folder / "tools")
    pip = f"pip={tools}/$(sha256sum < {wheel} | cut -c -12)"
    unpack = f"rm -rf {tools} && {python} -m zipfile -e {wheel} {tools}/new && mv {tools}/new $pip"
    install = ["install", "--no-index", "--require-hashes", "--no-cache-dir", "--no-compile"]
    install += ["--quiet", "--disable-pip-version-check", "--find-links", str(release / "wheels")]
    install += ["--requirement", str(release / "requirements.txt")]
    return (
        f"{pip}; {{ test -e $pip || {{ {unpack}; }}; }}"
        f" && {quoted(release / 'venv' / 'bin' / 'python')} $pip/pip {shlex.join(install)}"
    )


def _services(settings: Settings, host: Host) -> bytes:
    return json.dumps(
        {
            "app": settings.app,
            "bind": list(host.bind),
            "processes": settings.processes,
            "workers": dict(settings.workers),
            "health": {
                "path": settings.health.path,
                "timeout": settings.health.timeout,
                "host": settings.health.host,
            },
            "graceful": settings.graceful,
        },
        indent=2,
    ).encode()


def _space(host: Host, archive: Archive) -> str:
    """Fails where the disk has no room for the archive, its wheels, and what is in them."""
    needed = archive.size * 6 // 1024 + 1024
    ready = f"{exists(host.folder / 'releases')} || {{ echo it is not set up; exit 1; }}"
    free = f"free=$(df -Pk {quoted(host.folder)} | awk 'NR == 2 {{print $4}}')"
    said = f'echo "No space left on device: $free KB are free, about {needed} KB are needed"'
    return f'{ready}; {free}; test "$free" -ge {needed} || {{ {said}; exit 1; }}'
