"""What one application has of an SQLite object: its settings, and a lender for each loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from quart.globals import app_ctx

from quartpatterns.sqlite3.lending import Lender
from quartpatterns.sqlite3.opening import Configure, connect
from quartpatterns.sqlite3.settings import Settings

__all__ = ["Registration"]


@dataclass(frozen=True, eq=False)
class Registration:
    """The value of ``app.extensions["sqlite3"]``.

    Arguments:
        db: The object that the application is initialised with.
        settings: Its configuration.
        row_factory: What makes a row of a tuple.
        functions: Called with each new connection.
        lenders: One for each event loop that has used the database, and is still there.
    """

    db: object
    settings: Settings
    row_factory: Any
    functions: Sequence[Configure]
    lenders: dict[asyncio.AbstractEventLoop, Lender] = field(
        default_factory=dict[asyncio.AbstractEventLoop, Lender]
    )

    def lender(self) -> Lender:
        """That of the running event loop, made when it is first asked for."""
        loop = asyncio.get_running_loop()
        if found := self.lenders.get(loop):
            return found
        for ended in [known for known in list(self.lenders) if known.is_closed()]:
            self.lenders.pop(ended).forget_owner()
        opened = partial(connect, self.settings, self.row_factory, self.functions)
        self.lenders[loop] = lender = Lender(self.settings, opened)
        lender.close_with(self)
        return lender

    async def take_back(self) -> None:
        """Release the connection of the current context, if it has one."""
        if lender := self.lenders.get(asyncio.get_running_loop()):
            await lender.take_back(cast("Any", app_ctx)._get_current_object())

    async def close(self) -> None:
        """Close the connections of the running event loop, if it has any."""
        if lender := self.lenders.pop(asyncio.get_running_loop(), None):
            await lender.close()
