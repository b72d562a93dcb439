"""The users of the port, in Redis: all server processes have the same ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from quart import Quart, current_app
from redis.asyncio import Redis
from redis.exceptions import RedisError

from quartpatterns.wtforms.example.users import TakenError, User, Users

__all__ = ["RedisUsers"]

TIMEOUT = 5.0  # seconds

# Redis executes it as one step: two requests can't add the same name. It removes the oldest user.
ADD = """
if redis.call("HSETNX", KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call("RPUSH", KEYS[2], ARGV[1])
if redis.call("LLEN", KEYS[2]) > tonumber(ARGV[3]) then
    redis.call("HDEL", KEYS[1], redis.call("LPOP", KEYS[2]))
end
return 1
"""


class RedisUsers(Users):
    """A store of users in Redis.

    Arguments:
        app: The application, which answers 503 if Redis fails.
        url: The URL of the Redis.
        limit: The number of users; the oldest are removed.
    """

    def __init__(self, app: Quart, url: str, limit: int = 1000) -> None:
        super().__init__(limit)
        # Untyped: redis-py's annotations mix synchronous and asynchronous results.
        self._redis: Any = Redis.from_url(
            url, decode_responses=True, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
        )
        self._names, self._order = f"{app.import_name}:users", f"{app.import_name}:order"
        app.after_serving(self._redis.aclose)
        app.register_error_handler(RedisError, unavailable)

    async def get(self, name: str | None) -> User | None:
        """Return the user with this name."""
        found = await self._redis.hget(self._names, name or "")
        return User(**json.loads(found)) if found else None

    async def has_email(self, email: str | None) -> bool:
        """Return whether a user has this address."""
        users = await self._redis.hvals(self._names)
        return any(json.loads(user)["email"] == email for user in users)

    async def names(self, part: str) -> list[str]:
        """Return the sorted names that contain *part*."""
        return sorted(name for name in await self._redis.hkeys(self._names) if part in name)

    async def add(self, user: User) -> None:
        """Add *user*.

        Raises:
            TakenError: The name is in use.
        """
        keys, value = (self._names, self._order), json.dumps(asdict(user))
        if not await self._redis.eval(ADD, len(keys), *keys, user.name, value, self.limit):
            raise TakenError(user.name)


async def unavailable(error: Exception) -> tuple[str, int]:
    """Return the answer while Redis fails."""
    current_app.logger.warning("Redis failed: %s", error)
    return "The users are not available. Try again later.", 503
