"""Steps: the commands and uploads that deploy a release to one host, as data.

Every step can run again. It either has a command that tells whether it is done, or running it a
second time has the same result. A deployment that was interrupted therefore continues where it
stopped.
"""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath

from quartpatterns.deployment.archives import Archive
from quartpatterns.deployment.onhost.releases import ATTEMPTED
from quartpatterns.deployment.settings import VERSION, Host, Settings


@dataclass(frozen=True, slots=True)
class Upload:
    """A local file, or its content, to write by SFTP. It replaces *target* when it is complete.

    If *resume* is true, an incomplete upload is continued.
    """

    source: Path | bytes
    target: PurePosixPath
    mode: int = 0o600
    resume: bool = False

    def __str__(self) -> str:
        source = self.source if isinstance(self.source, Path) else f"{len(self.source)} bytes"
        return f"sftp put {source} {self.target} (mode {self.mode:o})"


@dataclass(frozen=True, slots=True)
class DeployStep:
    """A step on one host: uploads, and shell commands, which contain no secrets.

    The command *done* succeeds if the step is done already.
    """

    name: str
    actions: Sequence[str | Upload]
    done: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A host to make steps for. *python* is the shell command of Python on the host."""

    settings: Settings
    host: Host
    python: str

    def program(self, command: str, *arguments: str) -> str:
        """Return the shell command that runs *command* of ``host.pyz``."""
        folder = self.host.folder
        program = f"{self.python} {quoted(folder / 'bin' / 'host.pyz')}"
        return f"{program} {command} {quoted(folder)} {shlex.join(arguments)}".rstrip()

    def release(self, release: str) -> PurePosixPath:
        """Return the folder of a release on the host."""
        return self.host.folder / "releases" / release


def local_target(settings: Settings, host: Host) -> Target:
    """Return a target with the command of Python that the settings contain, without asking."""
    version = VERSION.fullmatch(host.python)
    return Target(settings, host, f"python{host.python}" if version else shlex.quote(host.python))


def quoted(path: PurePosixPath) -> str:
    """Return *path*, quoted for a shell."""
    return shlex.quote(str(path))


@cache
def host_program() -> bytes:
    """Return ``host.pyz``, the zipapp of the package ``onhost``. The build is reproducible."""
    sources = {
        f"onhost/{file.name}": file.read_text()
        for file in files(f"{__package__}.onhost").iterdir()
        if file.name.endswith(".py") and file.name != "session.py"
    }
    sources["__main__.py"] = (
        "import sys\n\nfrom onhost.__main__ import main\n\nmain(sys.argv[1:])\n"
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in sorted(sources.items()):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return content.getvalue()


def program_step(target: Target) -> DeployStep:
    """Upload ``host.pyz`` if the host has another version."""
    path = target.host.folder / "bin" / "host.pyz"
    digest = hashlib.sha256(host_program()).hexdigest()
    is_current = f'test "$(sha256sum < {quoted(path)} | cut -c -64)" = {digest}'
    return DeployStep("program", [Upload(host_program(), path, 0o644)], is_current)


def environment_steps(target: Target) -> list[DeployStep]:
    """Upload the environment and the other files of the host, which only its user may read."""
    host, shared = target.host, target.host.folder / "shared"
    uploads = [Upload(source, shared / name) for name, source in host.files.items()]
    if host.environment:
        uploads.insert(0, Upload(host.environment, shared / "env"))
    if not uploads:
        return []
    folders = sorted({str(upload.target.parent) for upload in uploads})
    return [DeployStep("environment", [f"mkdir -p {shlex.join(folders)}", *uploads])]


def start_step(target: Target) -> DeployStep:
    """Start the supervisor if it does not run. With systemd, fail if the unit is not active."""
    if target.settings.supervisor == "process":
        return DeployStep("start", [target.program("start")])
    unit = shlex.quote(f"{target.settings.name}.service")
    message = f"echo {unit} is not active. Run quartpatterns deploy bootstrap"
    command = f"systemctl is-active --quiet {unit} || {{ {message}; exit 1; }}"
    return DeployStep("start", [command])


def preparation_steps(target: Target, archive: Archive) -> list[DeployStep]:
    """Upload, unpack and install a release. The release that is served is not touched."""
    release = target.release(archive.release)
    upload = target.host.folder / "incoming" / f"{archive.release}.tar"
    venv = release / "venv"
    unpacked, created, installed = release / "unpacked", venv / "made", release / "installed"
    check = f"echo {archive.sha256}'  '{quoted(upload)} | sha256sum -c -"
    unpack = (
        f"rm -rf {quoted(release)} && mkdir {quoted(release)}"
        f" && tar -xf {quoted(upload)} -C {quoted(release)} && touch {quoted(unpacked)}"
    )
    var = target.host.folder / "shared" / "var"
    create = (
        f"{target.python} -m venv --clear --without-pip {quoted(venv)}"
        # The instance folder of an installed application is in venv/var.
        f" && mkdir -p {quoted(var)} && ln -s {quoted(var)} {quoted(venv / 'var')}"
    )
    services = Upload(_services(target), release / "services.json", 0o644)
    return [
        DeployStep("space", [_check_space(target.host, archive)], _exists(installed)),
        program_step(target),
        *environment_steps(target),
        DeployStep("upload", [Upload(archive.path, upload, resume=True)], _exists(unpacked)),
        DeployStep("unpack", [check, unpack], _exists(unpacked)),
        DeployStep("venv", [f"{create} && touch {quoted(created)}"], _exists(created)),
        DeployStep("install", [_install(target, release, installed)], _exists(installed)),
        DeployStep("load", [services, _load(target, archive.release)]),
    ]


def migration_step(target: Target, release: str) -> DeployStep:
    """Run the database migration of a release, once for each identity of its databases."""
    database = quoted(target.release(release) / "database")
    marker = quoted(target.release(release) / "migrated")
    migrate = target.settings.migrate or "true"
    command = target.program("exec", release, "--", "sh", "-c", migrate)
    done = f'test -e {marker} && test "$(cat {marker})" = "$(cat {database})"'
    return DeployStep("migrate", [f"{command} && cp {database} {marker}"], done)


def trial_step(target: Target, release: str) -> DeployStep:
    """Start a release on a private socket, and check its health."""
    actions = [*start_step(target).actions, target.program("trial", release)]
    return DeployStep("trial", actions, target.program("is-serving", release))


def switching_steps(target: Target, release: str) -> list[DeployStep]:
    """Serve a release instead of the current one, and check its health at its public address."""
    return [
        DeployStep("switch", [target.program("switch", release)]),
        DeployStep(
            "verify", [target.program("verify", release), target.program("activate", release)]
        ),
    ]


def rollback_steps(target: Target, release: str) -> list[DeployStep]:
    """Serve a release again that is on the host."""
    return [
        program_step(target),
        *environment_steps(target),
        DeployStep("switch", [*start_step(target).actions, target.program("switch", release)]),
        DeployStep("verify", [target.program("verify", release)]),
    ]


def pruning_step(target: Target) -> DeployStep:
    """Remove old releases."""
    return DeployStep("prune", [target.program("prune", str(target.settings.keep))])


def _exists(path: PurePosixPath) -> str:
    return f"test -e {quoted(path)}"


def _check_space(host: Host, archive: Archive) -> str:
    """Fail if the disk has no room for the archive, its wheels and their contents."""
    # An archive of 20 MB with 41 wheels takes 102 MB with its bytecode, and pip takes 13 MB.
    needed = archive.size * 7 // 1024 + 32 * 1024
    is_set_up = f"{_exists(host.folder / 'releases')} || {{ echo the host is not set up; exit 1; }}"
    free = f"free=$(df -Pk {quoted(host.folder)} | awk 'NR == 2 {{print $4}}')"
    message = f'echo "No space left on device: $free KB are free, about {needed} KB are needed"'
    return f'{is_set_up}; {free}; test "$free" -ge {needed} || {{ {message}; exit 1; }}'


def _install(target: Target, release: PurePosixPath, marker: PurePosixPath) -> str:
    """Install the wheels with the pip in the archive, which is unpacked once for all releases.

    Nothing is compiled here: Python writes the bytecode of what it imports in the step "load".
    """
    wheel, tools = quoted(release / "tools" / "pip.whl"), quoted(target.host.folder / "tools")
    pip = f"pip={tools}/$(sha256sum < {wheel} | cut -c -12)"
    unpack = f'{target.python} -m zipfile -e {wheel} {tools}/new && mv {tools}/new "$pip"'
    install = ["install", "--no-index", "--require-hashes", "--no-cache-dir", "--no-compile"]
    install += ["--quiet", "--disable-pip-version-check", "--find-links", str(release / "wheels")]
    install += ["--requirement", str(release / "requirements.txt")]
    # What a failed installation leaves can be damaged, for example if the disk was full.
    forget = f"{{ code=$?; rm -rf {tools} {quoted(release / 'venv' / 'made')}; exit $code; }}"
    return (
        f'{pip}; {{ test -e "$pip" || {{ rm -rf {tools} && {unpack}; }}; }}'
        f' && {quoted(release / "venv" / "bin" / "python")} "$pip/pip" {shlex.join(install)}'
        f" && touch {quoted(marker)} || {forget}"
    )


def _load(target: Target, release: str) -> str:
    """Import the application, so that a release that cannot be imported fails early.

    The file ``database`` then says which databases it uses.

    On a full disk, Python writes bytecode that is cut off, and can't import it later. So if the
    release was not served since the last attempt, this removes the bytecode.
    """
    program, folder = str(target.host.folder / "bin" / "host.pyz"), str(target.host.folder)
    path = target.release(release)
    attempted = quoted(path / ATTEMPTED)
    remove = f"find {quoted(path / 'venv')} -name '*.pyc' -delete"
    load = target.program("exec", release, "--", "python", program, "load", folder, release)
    return f"{{ test ! -e {attempted} || {remove}; }} && touch {attempted} && {load}"


def _services(target: Target) -> bytes:
    settings = target.settings
    services = {
        "app": settings.app,
        "bind": list(target.host.bind),
        "processes": settings.processes,
        "workers": dict(settings.workers),
        "health": asdict(settings.health),
        "graceful": settings.graceful,
        **({"server": settings.server} if settings.server != "hypercorn" else {}),
        "files": sorted(target.host.files),
        "variables": settings.variables,
    }
    return json.dumps(services, indent=2).encode()
