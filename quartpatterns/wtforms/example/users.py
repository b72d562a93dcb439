"""The users of the port, in memory, behind the calls that a database would have."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

__all__ = ["TakenError", "User", "Users"]


class TakenError(Exception):
    """Somebody else has been faster."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who has registered; the password is a hash."""

    name: str
    email: str
    password: str


class Users:
    """A store of users. Each call takes a moment, as one over a network does.

    Arguments:
        limit: Users that are kept; the oldest make room.
    """

    latency = 0.001  # seconds

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self._users: dict[str, User] = {}

    async def get(self, name: str | None) -> User | None:
        """The user called *name*."""
        await asyncio.sleep(self.latency)
        return self._users.get(name or "")

    async def has_email(self, email: str | None) -> bool:
        """Whether somebody has registered with *email*."""
        await asyncio.sleep(self.latency)
        return any(user.email == email for user in self._users.values())

    async def names(self, part: str) -> list[str]:
        """The names that contain *part*, in order."""
        await asyncio.sleep(self.latency)
        return sorted(name for name in self._users if part in name)

    async def add(self, user: User) -> None:
        """Keep *user*.

        Raises:
            TakenError: The name is in use. A validator has looked, but before this call somebody
                else may have taken it: what decides is the store.
        """
        await asyncio.sleep(self.latency)
        if user.name in self._users:
            raise TakenError(user.name)
        self._users[user.name] = user
        while len(self._users) > self.limit:
            del self._users[next(iter(self._users))]
