"""The units of systemd for an application: a socket that stays, and a service on it."""

from __future__ import annotations

from quartpatterns.deployment.settings import Host, Settings

__all__ = ["units"]

SOCKET = """\
[Unit]
Description={name}: the sockets, held while releases come and go

[Socket]
{listen}
Backlog=2048
NoDelay=true
Service={name}.service

[Install]
WantedBy=sockets.target
"""
SERVICE = """\
[Unit]
Description={name}: the application
After=network-online.target
Wants=network-online.target
Requires={name}.socket

[Service]
Type=notify
User={user}
WorkingDirectory={folder}
ExecStart={python} {folder}/bin/host.pyz run {folder}
Sockets={name}.socket
Restart=always
RestartSec=1
KillMode=mixed
TimeoutStopSec={stop}
UMask=0077

# The application may write beside its releases, and nowhere else.
ProtectSystem=strict
ReadWritePaths={folder}
ReadOnlyPaths={folder}/releases {folder}/bin
ProtectHome=true
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


def units(settings: Settings, host: Host, python: str) -> dict[str, str]:
    """The texts of the units of *host*, by file name.

    systemd holds the sockets, so that even a restart of the service refuses nobody: connections
    wait in the socket's queue.

    Arguments:
        settings: What is served.
        host: Where.
        python: The absolute path of the host's Python.
    """
    name = settings.name
    listen = "\n".join(f"ListenStream={one.removeprefix('unix:')}" for one in host.bind)
    service = SERVICE.format(
        name=name,
        user=host.user,
        folder=host.folder,
        python=python,
        stop=round(settings.graceful + 30),
    )
    return {
        f"{name}.socket": SOCKET.format(name=name, listen=listen),
        f"{name}.service": service,
    }
