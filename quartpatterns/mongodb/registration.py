"""What one application has of a MongoDB object: its settings, and a client for each loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, cast

from quart import has_app_context
from quart.ctx import AppContext
from quart.globals import app_ctx

from quartpatterns.mongodb.clients import LoopClient
from quartpatterns.mongodb.settings import Settings

__all__ = ["Registration", "current"]


@dataclass(eq=False)
class Registration:
    """The value of ``app.extensions["mongodb"]``.

    Arguments:
        mongo: The object that the application is initialised with.
        settings: Where its database is.
        documents: The classes of its documents; the list grows.
        clients: One for each event loop that has used the database, and is still there.
    """

    mongo: object
    settings: Settings
    documents: Collection[type[Any]]
    clients: dict[asyncio.AbstractEventLoop, LoopClient] = field(
        default_factory=dict[asyncio.AbstractEventLoop, LoopClient]
    )

    def client(self, what: str) -> LoopClient:
        """The client of the running event loop, made when it is first asked for.

        Raises:
            RuntimeError: There is no running loop; the message says so of *what*.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:
            raise RuntimeError(
                f"{what} needs the event loop, and synchronous code runs in a thread beside it:"
                " write the function with `async def`"
            ) from error
        if found := self.clients.get(loop):
            return found
        for closed in [known for known in self.clients if known.is_closed()]:
            del self.clients[closed]
        client = self.settings.client()
        self.clients[loop] = LoopClient(client, self.settings.database_of(client))
        self.clients[loop].close_with(self)
        return self.clients[loop]

    async def open(self) -> None:
        """Connect, and learn what kind of server that is.

        A single server has no retryable writes, and PyMongo finds that out too late: a write that
        failed while the server was away fails again on a sound connection when it is back, by
        which the pool is taken for broken, and with it whatever is under way. So it goes on, every
        half second, as long as there are writes (PyMongo 4.20, ``_check_last_error``).

        Raises:
            PyMongoError: The server can't be reached, or refuses the user.
        """
        hello = await self.client("open()").client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            settings = self.settings.with_default("retryWrites", False)
            if settings != self.settings:
                self.settings = settings
                await self.close()

    async def close(self) -> None:
        """Close the client of the running event loop, if it has one."""
        if client := self.clients.pop(asyncio.get_running_loop(), None):
            await client.close()


def current(what: str) -> Registration:
    """The registration of the current application; *what* is the name for errors.

    Raises:
        RuntimeError: There is no context, or its application has no MongoDB object.
    """
    if not has_app_context():
        raise RuntimeError(
            f"{what} needs a context: use it in a request, a websocket or a background task,"
            " or inside `async with app.app_context():`"
        )
    context = cast("AppContext", cast("Any", app_ctx)._get_current_object())
    registration = context.app.extensions.get("mongodb")
    if not isinstance(registration, Registration):
        raise RuntimeError(
            f"{what}: the current application has no MongoDB object; call mongo.init_app(app)"
        )
    return registration
