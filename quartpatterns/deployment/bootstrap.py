"""Preparing a host: its folders, and a supervisor process or systemd units."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath

from quartpatterns.deployment.settings import Host, Settings
from quartpatterns.deployment.steps import (
    DeployStep,
    Target,
    Upload,
    environment_steps,
    program_step,
    quoted,
    start_step,
)

__all__ = ["bootstrap_steps", "units"]

_SOCKET = """\
[Unit]
Description={name}: the listening sockets, which stay open between releases

[Socket]
{listen}
Backlog=2048
NoDelay=true
Service={name}.service

[Install]
WantedBy=sockets.target
"""
_SERVICE = """\
[Unit]
Description={name}: the application
After=network-online.target
Wants=network-online.target
Requires={name}.socket

[Service]
Type=notify
User={user}
WorkingDirectory={working}
ExecStart={command}
Sockets={name}.socket
Restart=always
RestartSec=1
KillMode=mixed
TimeoutStopSec={stop}
UMask=0077

# The application may write into its folder except the releases, and nowhere else.
ProtectSystem=strict
ReadWritePaths={writable}
ReadOnlyPaths={readable}
ProtectHome={home}
PrivateTmp=true
PrivateDevices=true
NoNewPrivileges=true
CapabilityBoundingSet=
AmbientCapabilities=
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

_HOMES = ("/home", "/root", "/run/user")
"""The folders that ``ProtectHome=true`` hides."""


def bootstrap_steps(target: Target) -> list[DeployStep]:
    """Create the folders, upload program and environment, and start the supervisor."""
    folder = target.host.folder
    private = [str(folder / name) for name in ("shared", "run", "log", "incoming")]
    folders = [*private, *(str(folder / name) for name in ("releases", "bin"))]
    steps = [
        DeployStep(
            "folders", [f"mkdir -p {shlex.join(folders)} && chmod 700 {shlex.join(private)}"]
        ),
        program_step(target),
        *environment_steps(target),
    ]
    if target.settings.supervisor == "process":
        return [*steps, start_step(target)]
    return [*steps, *_systemd_steps(target)]


def _systemd_steps(target: Target) -> list[DeployStep]:
    settings, host = target.settings, target.host
    sudo = "" if (settings.admin or host.user) == "root" else "sudo -n "
    folder = host.folder / "units"
    texts = units(settings, host, shlex.split(target.python)[0])
    paths = shlex.join(str(folder / name) for name in texts)
    uploads = [Upload(text.encode(), folder / name, 0o644) for name, text in texts.items()]
    verify = f"! command -v systemd-analyze > /dev/null || systemd-analyze verify --man=no {paths}"
    own = f"{sudo}chown -R {host.user}: {quoted(host.folder)}"
    has_user = f"id -u {host.user} > /dev/null 2>&1"
    add_user = f"{sudo}useradd --system --create-home --shell /bin/sh {host.user}"
    return [
        DeployStep("units", [f"mkdir -p {quoted(folder)}", *uploads, verify]),
        DeployStep("owner", [f"{has_user} || {add_user}", own]),
        DeployStep(
            "start",
            [
                f"{sudo}install -m 644 {paths} /etc/systemd/system/",
                f"{sudo}systemctl daemon-reload",
                f"{sudo}systemctl enable --now {shlex.join(texts)}",
            ],
        ),
    ]


def units(settings: Settings, host: Host, python: str) -> dict[str, str]:
    """Return the texts of the systemd units of *host*, by file name.

    systemd holds the listening sockets. While the service restarts, new connections wait in the
    queue of the socket, so that none is refused.

    Arguments:
        settings: The settings of the deployment.
        host: The host.
        python: The absolute path of Python on the host.

    .. versionadded:: 0.1
    """
    name, folder = settings.name, host.folder
    addresses = (_escaped(address.removeprefix("unix:")) for address in host.bind)
    listen = "\n".join(f"ListenStream={address}" for address in addresses)
    stop = round(settings.graceful + 30)
    paths = (folder, PurePosixPath(python))
    in_home = any(path.is_relative_to(home) for path in paths for home in _HOMES)
    service = _SERVICE.format(
        name=name,
        user=host.user,
        working=_escaped(str(folder)),
        command=" ".join(
            map(_word, (python, str(folder / "bin" / "host.pyz"), "run", str(folder)))
        ),
        writable=_word(str(folder)),
        readable=" ".join(_word(str(folder / part)) for part in ("releases", "bin")),
        stop=stop,
        # The service could not start if its folder or its Python were hidden.
        home="read-only" if in_home else "true",
    )
    return {f"{name}.socket": _SOCKET.format(name=name, listen=listen), f"{name}.service": service}


def _escaped(text: str) -> str:
    """Return *text* for a setting of a unit with one value. ``%`` starts a specifier."""
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """Return *text* as one word of a setting of a unit, such as ``ExecStart=``."""
    if not re.search(r"""[\s"'\\;#]""", text):
        return _escaped(text)
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_escaped(quoted)}"'
