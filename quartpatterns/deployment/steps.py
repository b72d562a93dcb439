"""The steps of a deployment as data: what is run and uploaded on one host, in which order.

Each can be done again: it says how to see that it is done, or does no harm a second time. So a
deployment that was broken off goes on where it was.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from pathlib import PurePosixPath

from quartpatterns.deployment.archives import Archive
from quartpatterns.deployment.archives import newest_archive
from quartpatterns.deployment.program import program
from quartpatterns.deployment.program import program_version
from quartpatterns.deployment.settings import VERSION
from quartpatterns.deployment.settings import Host
from quartpatterns.deployment.settings import Settings
from quartpatterns.deployment.units import units

__all__ = [
    "Command",
    "Step",
    "Upload",
    "bootstrap_steps",
    "migration_step",
    "planned_steps",
    "preparation_steps",
    "pruning_step",
    "rollback_steps",
    "switching_steps",
    "tool",
    "trial_step",
]


@dataclass(frozen=True, slots=True)
class Command:
    """What a shell on the host runs.

    Arguments:
        text: The command; it holds no secret.
    """

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is written by SFTP, and put in its place at once when it is whole.

    Arguments:
        source: The file here, or its content.
        target: Where it goes.
        mode: Its mode.
        resume: Whether what is there already of it is kept.
    """

    source: Path | bytes
    target: PurePosixPath
    mode: int = 0o600
    resume: bool = False

    def __str__(self) -> str:
        what = self.source if isinstance(self.source, Path) else f"{len(self.source)} bytes"
        return f"sftp put {what} {self.target} (mode {self.mode:o})"


@dataclass(frozen=True, slots=True)
class Step:
    """One step on one host.

    Arguments:
        name: What it is called.
        actions: What is done, in order.
        done: A command that succeeds when the step is done already.
    """

    name: str
    actions: tuple[Command | Upload, ...]
    done: str | None = None


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


def python_command(host: Host) -> str:
    """The command of the host's Python, as far as it is known from here."""
    return f"python{host.python}" if VERSION.fullmatch(host.python) else shlex.quote(host.python)


def bootstrap_steps(settings: Settings, host: Host, python: str) -> list[Step]:
    """What prepares a new host: folders, program, environment, and what keeps it running."""
    folder = host.folder
    below = " ".join(
        _quoted(folder / name) for name in ("releases", "shared", "incoming", "run", "log", "bin")
    )
    private = " ".join(_quoted(folder / name) for name in ("shared", "run", "log", "incoming"))
    steps = [
        Step("folders", (Command(f"mkdir -p {below} && chmod 700 {private}"),)),
        _program(host),
        *_environment(host),
    ]
    if settings.supervisor == "process":
        return [*steps, _start(settings, host, python)]
    return [*steps, *_systemd(settings, host, python)]


def preparation_steps(settings: Settings, host: Host, archive: Archive, python: str) -> list[Step]:
    """What brings a release onto a host, and doesn't touch what is served."""
    release = host.folder / "releases" / archive.release
    arrived = host.folder / "incoming" / f"{archive.release}.tar"
    unpacked, made, installed = (release / name for name in ("unpacked", "venv/made", "installed"))
    venv = release / "venv"
    checked = f"echo {archive.sha256}'  '{_quoted(arrived)} | sha256sum -c -"
    return [
        Step("space", (Command(_space(host, archive)),), _test(installed)),
        _program(host),
        *_environment(host),
        Step("upload", (Upload(archive.path, arrived, resume=True),), _test(unpacked)),
        Step(
            "unpack",
            (
                Command(checked),
                Command(
                    f"rm -rf {_quoted(release)} && mkdir {_quoted(release)}"
                    f" && tar -xf {_quoted(arrived)} -C {_quoted(release)}"
                    f" && touch {_quoted(unpacked)}"
                ),
            ),
            _test(unpacked),
        ),
        Step(
            "venv",
            (
                Command(
                    f"{python} -m venv --clear --without-pip {_quoted(venv)}"
                    f" && touch {_quoted(made)}"
                ),
            ),
            _test(made),
        ),
        Step(
            "install",
            (Command(f"{_install(host, release, python)} && touch {_quoted(installed)}"),),
            _test(installed),
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
    return Step("migrate", (Command(f"{command} && touch {_quoted(marker)}"),), _test(marker))


def trial_step(settings: Settings, host: Host, release: str, python: str) -> Step:
    """The release is started where no client sees it, and asked whether it is well."""
    start = _start(settings, host, python).actions
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
        _program(host),
        *_environment(host),
        Step(
            "switch",
            (
                *_start(settings, host, python).actions,
                Command(tool(host, python, "switch", release)),
            ),
        ),
        Step("verify", (Command(tool(host, python, "verify", release)),)),
    ]


def pruning_step(settings: Settings, host: Host, python: str) -> Step:
    """Old releases are removed."""
    return Step("prune", (Command(tool(host, python, "prune", str(settings.keep))),))


def tool(host: Host, python: str, do: str, *arguments: str) -> str:
    """The command that calls the program of the host."""
    start = f"{python} {_quoted(host.folder / 'bin' / 'host.pyz')} {do} {_quoted(host.folder)}"
    return f"{start} {shlex.join(arguments)}".rstrip()


def _program(host: Host) -> Step:
    target = host.folder / "bin" / "host.pyz"
    known = f'test "$(sha256sum < {_quoted(target)} | cut -c -12)" = {program_version()}'
    return Step("program", (Upload(program(), target, 0o644),), known)


def _environment(host: Host) -> list[Step]:
    """The environment, and other files of this host, which only its user may read."""
    files = [(host.environment, "env")] if host.environment else []
    files += [(source, target) for target, source in host.files.items()]
    shared = host.folder / "shared"
    folders = sorted({str(shared / target).rpartition("/")[0] for _, target in files})
    uploads = [Upload(source, shared / target) for source, target in files]
    if not files:
        return []
    return [Step("environment", (Command(f"mkdir -p {shlex.join(folders)}"), *uploads))]


def _start(settings: Settings, host: Host, python: str) -> Step:
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
                Command(f"mkdir -p {_quoted(folder)}"),
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
                Command(f"{sudo}chown -R {host.user}: {_quoted(host.folder)}"),
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


def _install(host: Host, release: PurePosixPath, python: str) -> str:
    """Install the wheels by the pip of the archive, which is unpacked once for all releases.

    Python writes the byte code of what it imports in the next step, and of nothing else.
    """
    wheel, tools = _quoted(release / "tools" / "pip.whl"), _quoted(host.folder / "tools")
    pip = f"pip={tools}/$(sha256sum < {wheel} | cut -c -12)"
    unpack = f"rm -rf {tools} && {python} -m zipfile -e {wheel} {tools}/new && mv {tools}/new $pip"
    install = ["install", "--no-index", "--require-hashes", "--no-cache-dir", "--no-compile"]
    install += ["--quiet", "--disable-pip-version-check", "--find-links", str(release / "wheels")]
    install += ["--requirement", str(release / "requirements.txt")]
    return (
        f"{pip}; {{ test -e $pip || {{ {unpack}; }}; }}"
        f" && {_quoted(release / 'venv' / 'bin' / 'python')} $pip/pip {shlex.join(install)}"
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
    ready = f"{_test(host.folder / 'releases')} || {{ echo it is not set up; exit 1; }}"
    free = f"free=$(df -Pk {_quoted(host.folder)} | awk 'NR == 2 {{print $4}}')"
    said = f'echo "No space left on device: $free KB are free, about {needed} KB are needed"'
    return f'{ready}; {free}; test "$free" -ge {needed} || {{ {said}; exit 1; }}'


def _test(path: PurePosixPath) -> str:
    return f"test -e {_quoted(path)}"


def _quoted(path: PurePosixPath) -> str:
    return shlex.quote(str(path))
