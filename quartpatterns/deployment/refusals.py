"""Why a host doesn't let us in, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import asyncssh

from quartpatterns.deployment.settings import Host, Settings

__all__ = ["explain"]


def explain(error: Exception, settings: Settings, host: Host, user: str) -> str:
    """What *error*, met while connecting to *host* as *user*, means for who deploys."""
    place = f"{host.address} port {host.port or 22}"
    if isinstance(error, asyncssh.PermissionDenied):
        return (
            f"{place} refuses the key for the user {user}: add the public key to"
            f" ~{user}/.ssh/authorized_keys there, or set identity to the right key"
        )
    if isinstance(error, asyncssh.HostKeyNotVerifiable | asyncssh.KeyExchangeFailed):
        return _host_key(error, settings, host, place)
    if isinstance(error, TimeoutError):
        return (
            f"{place} has not let us in after {settings.connect_timeout:g} s: see whether it is"
            " up and can be reached, or raise connect-timeout"
        )
    if isinstance(error, asyncssh.ConnectionLost | ConnectionResetError):
        return f"{place} hangs up: see the log of its sshd, and run this again"
    if isinstance(error, asyncssh.KeyImportError | asyncssh.KeyEncryptionError | ValueError):
        return f"the key or the settings of SSH can't be used ({error}): correct identity"
    if isinstance(error, OSError) and error.filename:
        return (
            f"{error.filename} can't be read ({error.strerror}): put it there, or correct identity"
            " or known-hosts"
        )
    if isinstance(error, OSError):
        why = error.strerror or str(error)
        return f"{place} can't be reached ({why}): see whether it is up, and its address right"
    return f"{place}: {error}"


def _host_key(error: Exception, settings: Settings, host: Host, place: str) -> str:
    file = settings.known_hosts or Path("~/.ssh/known_hosts").expanduser()
    port = host.port if host.port not in (None, 22) else None
    name = f"[{host.address}]:{port}" if port else host.address
    try:
        known = asyncssh.read_known_hosts(str(file)).match(host.address, "", port)[0]
    except (OSError, ValueError):
        known = ()
    if known:
        return (
            f"{place} has another key than {file} says: somebody may be in between. If it was"
            f" made anew: ssh-keygen -f {file} -R '{name}', and add its new key"
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return f"{place} and this machine share no method ({error}): update its sshd"
    scan = f"ssh-keyscan -p {port} {host.address}" if port else f"ssh-keyscan {host.address}"
    return (
        f"{file} doesn't know the key of {place}: compare what '{scan}' prints with the host's"
        " own, and add it to the file"
    )
