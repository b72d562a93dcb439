"""The users of the port, in memory, with the methods that a database would have."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

__all__ = ["TakenError", "User", "Users"]


class TakenError(Exception):
    """The name is already in use."""


@dataclass(frozen=True, slots=True)
class User:
    """A registered user; the password is a hash."""

    name: str
    email: str
    password: str


class Users:
    """A store of users. Each call lets other requests run, like a query over a network.

    Arguments:
        limit: The number of users; the oldest are removed.
    """

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self._users: dict[str, User] = {}

    async def get(self, name: str | None) -> User | None:
        """Return the user with this name."""
        await asyncio.sleep(0)
        return self._users.get(name or "")

    async def has_email(self, email: str | None) -> bool:
        """Return whether a user has this address."""
        await asyncio.sleep(0)
        return any(user.email == email for user in self._users.values())

    async def names(self, part: str) -> list[str]:
        """Return the sorted names that contain *part*."""
        await asyncio.sleep(0)
        return sorted(name for name in self._users if part in name)

    async def add(self, user: User) -> None:
        """Add *user*.

        Raises:
            TakenError: The name is in use. The validator has checked it, but another request may
                have added it since then. The store decides.
        """
        await asyncio.sleep(0)
        if user.name in self._users:
            raise TakenError(user.name)
        self._users[user.name] = user
        while len(self._users) > self.limit:
            del self._users[next(iter(self._users))]
