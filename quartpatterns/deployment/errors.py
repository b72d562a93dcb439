"""What can go wrong with a deployment, in words that name the remedy."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "DeploymentError",
    "FailedError",
    "LockedError",
    "PackError",
    "SettingsError",
    "StepFailedError",
    "remedy",
]


class DeploymentError(Exception):
    """Something that whoever deploys can put right; the message says how."""


class SettingsError(DeploymentError):
    """A setting is missing, unknown or of the wrong kind; the message names file and key."""


class PackError(DeploymentError):
    """No archive could be made of the project, or an archive can't be used."""


class StepFailedError(DeploymentError):
    """A step failed on one host.

    Arguments:
        host: The name of the host.
        step: The name of the step.
        problem: What is wrong, and what to do.
        command: What was run there, where it was a command.
        output: What it printed, without secrets.
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
    """Another deployment is under way on the host; the message names its owner."""


class FailedError(DeploymentError):
    """A deployment failed on one host, or on several.

    Arguments:
        failures: What failed, host by host.
        note: What has become of the other hosts.
    """

    def __init__(self, failures: Sequence[StepFailedError], note: str = "") -> None:
        super().__init__("\n".join([*map(str, failures), *([note] if note else [])]))
        self.failures = tuple(failures)
        self.note = note


REMEDIES: tuple[tuple[str, str], ...] = (
    ("No space left on device", "the disk is full: free space there, or keep fewer releases"),
    ("Disk quota exceeded", "the quota is used up: free space there, or keep fewer releases"),
    ("ensurepip is not available", "Python has no venv: install python3-venv there"),
    ("No module named venv", "Python has no venv: install python3-venv there"),
    (
        "DO NOT MATCH THE HASHES",
        "a wheel is not the one that was locked: pack again, and look who could change it",
    ),
    (
        "is not a supported wheel",
        "a wheel is not for this host: set python and platform to what it has, and pack again",
    ),
    (
        "No matching distribution found",
        "a wheel is missing, or not for this host: set python and platform to what it has, and"
        " pack again",
    ),
    (
        "ResolutionImpossible",
        "the locked wheels contradict each other: resolve the lock anew, and pack again",
    ),
    ("it is not set up", "deploy bootstrap does it"),
    ("host.pyz': [Errno 2]", "it is not set up: deploy bootstrap does it"),
    ("Permission denied", "the user may not do this: bootstrap the host, or correct its owner"),
    ("a password is required", "sudo asks for a password: give admin = 'root', or allow it"),
    ("Address already in use", "the address is taken: stop what listens there, or set bind"),
)
"""What an output holds, and what to do about it."""


def remedy(output: str, otherwise: str) -> str:
    """What to do about a command that printed *output*."""
    return next((what for sign, what in REMEDIES if sign in output), otherwise)
