"""What happens during a deployment, for whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Event", "Observer", "Outcome", "State", "unobserved"]

State = Literal["runs", "done", "was done", "failed", "would"]


@dataclass(frozen=True, slots=True)
class Event:
    """A step on a host has begun or ended.

    Arguments:
        host: The host's name.
        step: The step's name.
        state: What has become of it; ``was done`` means that there was nothing to do.
        seconds: How long it took.
        text: What it prints, or why it failed.
    """

    host: str
    step: str
    state: State
    seconds: float = 0.0
    text: str = ""


Observer = Callable[[Event], None]


def unobserved(event: Event) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of the hosts.

    Arguments:
        release: The release that they serve now.
        hosts: The names of the hosts.
        seconds: How long it took.
    """

    release: str
    hosts: tuple[str, ...]
    seconds: float
