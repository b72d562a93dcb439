"""The errors of a deployment. Each message says what to do.

.. code-block:: text

    DeploymentError
    ├── SettingsError      a setting is missing, unknown or invalid
    ├── PackError            an archive cannot be made or used
    ├── StepFailedError      a step failed on one host
    │   └── LockedError      another deployment is running on the host
    └── FailedError          a command failed on one or more hosts
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "SettingsError",
    "DeploymentError",
    "FailedError",
    "LockedError",
    "PackError",
    "StepFailedError",
    "remedy",
]


class DeploymentError(Exception):
    """The base class of all errors of a deployment.

    .. versionadded:: 0.1
    """


class SettingsError(DeploymentError):
    """A setting in ``deploy.toml`` or ``pyproject.toml`` is missing, unknown or invalid.

    It is also raised if a host or group is requested that the file does not define.

    .. versionadded:: 0.1
    """


class PackError(DeploymentError):
    """The archive of a release cannot be made, or is invalid.

    .. versionadded:: 0.1
    """


class StepFailedError(DeploymentError):
    """A step failed on one host.

    Arguments:
        host: The name of the host.
        step: The name of the step.
        problem: What failed and what to do.
        command: The command that failed, if it was a command.
        output: What the command printed, without secrets.

    .. versionadded:: 0.1
    """

    def __init__(
        self, host: str, step: str, problem: str, *, command: str = "", output: str = ""
    ) -> None:
        super().__init__(f"{host}: {step}: {problem}")
        self.host = host
        self.step = step
        self.problem = problem
        self.command = command
        self.output = output


class LockedError(StepFailedError):
    """Another deployment is running on the host; the message names its owner.

    .. versionadded:: 0.1
    """


class FailedError(DeploymentError):
    """A command failed on one or more hosts.

    Arguments:
        failures: The failures, one for each host that failed.
        note: What the other hosts serve now.

    .. versionadded:: 0.1
    """

    def __init__(self, failures: Sequence[StepFailedError], note: str = "") -> None:
        super().__init__("\n".join([*map(str, failures), *([note] if note else [])]))
        self.failures = tuple(failures)
        self.note = note


_NO_SPACE = "free space on the host, or keep fewer releases"
_VENV = "Python has no venv module. Install python3-venv on the host"
_WHEEL = "set python and platform to those of the host, and pack again"

_REMEDIES = {
    "No space left on device": f"the disk is full. To continue, {_NO_SPACE}",
    "Disk quota exceeded": f"the disk quota is used up. To continue, {_NO_SPACE}",
    "ensurepip is not available": _VENV,
    "No module named venv": _VENV,
    "DO NOT MATCH THE HASHES": "a wheel is not the locked one. Find out why, and pack again",
    "is not a supported wheel": f"a wheel is for another platform. To continue, {_WHEEL}",
    "No matching distribution found": f"a wheel is missing or for another platform: {_WHEEL}",
    "ResolutionImpossible": "the locked wheels conflict. Resolve the lock file, and pack again",
    "the host is not set up": "run quartpatterns deploy bootstrap",
    "host.pyz': [Errno 2]": "the host is not set up. Run quartpatterns deploy bootstrap",
    "Permission denied": "the user lacks permission. Bootstrap the host, or correct the owner",
    "a password is required": 'sudo asks for a password. Set admin = "root", or allow sudo',
    "Address already in use": "another process uses the address. Stop it, or change bind",
}
"""Texts that commands print, and what to do about each."""


def remedy(output: str, default: str) -> str:
    """Return what to do about a command that printed *output*, or *default* if it is unknown."""
    return next((advice for text, advice in _REMEDIES.items() if text in output), default)
