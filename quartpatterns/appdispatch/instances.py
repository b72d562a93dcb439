"""Applications made on demand: each once, started, bounded in number, closed when unused."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from quart.utils import run_sync
from werkzeug.exceptions import HTTPException

from .asgi import ASGIApp
from .children import Child, LifespanError, OnStartupFailure
from .lifespans import stop_all

__all__ = ["CreateApp", "Instances"]

logger = logging.getLogger(__name__)

CreateApp = Callable[[str], ASGIApp | None] | Callable[[str], Awaitable[ASGIApp | None]]
"""Makes the application for a name; ``None`` where there is no such name."""


@dataclass(slots=True, eq=False)
class _Instance:
    making: asyncio.Task[Child | None] = field(init=False)
    users: int = 0

    @property
    def unused(self) -> bool:
        return not self.users and self.making.done()


class Instances:
    """The applications that a factory made, by name.

    A name's application is made and started by the first who asks, while the others wait. It is
    kept until *max_instances* newer ones are wanted, and then closed, but never while somebody
    uses it. ``None`` and failures are not kept: the next one asks the factory again.

    Arguments:
        create_app: The factory. A synchronous one runs in a thread, as synchronous views do.
        max_instances: How many are kept; more exist only while more are used at once.
        on_startup_failure: Makes a stand-in for one that doesn't start. It is not kept.
    """

    def __init__(
        self,
        create_app: CreateApp,
        *,
        max_instances: int,
        on_startup_failure: OnStartupFailure | None,
    ) -> None:
        if max_instances < 1:
            raise ValueError(f"max_instances is 1 or more, not {max_instances}")
        self.create_app = create_app
        self.max_instances = max_instances
        self.on_startup_failure = on_startup_failure
        # The one used last is last.
        self._instances: OrderedDict[str, _Instance] = OrderedDict()
        self._closing: dict[str, asyncio.Task[None]] = {}
        # What the surroundings set is for the instances; what one request sets is not.
        self._context = contextvars.copy_context()

    def __len__(self) -> int:
        return len(self._instances)

    def __contains__(self, name: str) -> bool:
        return name in self._instances

    @contextlib.asynccontextmanager
    async def use(self, name: str) -> AsyncGenerator[Child | None, None]:
        """The running application of *name*, for the length of the context; or ``None``.

        Raises:
            StartupError: It was made and doesn't start.
            TypeError: The factory returned an HTTP exception, as Flask's page does.
        """
        instance = self._instances.get(name)
        if instance is None:
            instance = self._instances[name] = _Instance()
            making = self._make(name, instance)
            instance.making = asyncio.create_task(making, context=self._context.copy())
        else:
            self._instances.move_to_end(name)
        instance.users += 1
        try:
            # Shielded: whoever asked first may go away, the others still wait for it.
            yield await asyncio.shield(instance.making)
        finally:
            instance.users -= 1
            self._trim()

    async def close(self) -> None:
        """Close all applications.

        Raises:
            LifespanError: The shutdown of one or more failed.
        """
        instances = list(self._instances.values())
        self._instances.clear()
        made = await asyncio.gather(*(i.making for i in instances), return_exceptions=True)
        await asyncio.gather(*self._closing.values())
        await stop_all([child for child in made if isinstance(child, Child)])

    async def _make(self, name: str, instance: _Instance) -> Child | None:
        kept = False
        try:
            if closing := self._closing.get(name):
                await asyncio.wait({closing})
            app = await self._created(name)
            if app is None:
                return None
            child = Child(app, name)
            await child.start_or_replace(self.on_startup_failure)
            kept = child.answering is app
            return child
        finally:
            if not kept and self._instances.get(name) is instance:
                del self._instances[name]

    async def _created(self, name: str) -> ASGIApp | None:
        run = self.create_app
        made = run(name) if inspect.iscoroutinefunction(run) else await run_sync(run)(name)
        app: Any = await made if inspect.isawaitable(made) else made
        if isinstance(app, HTTPException):  # callable, as WSGI applications are
            raise TypeError(
                f"create_app({name!r}) returned {app!r}, which is no ASGI application:"
                " return None where there is none of that name"
            )
        return cast("ASGIApp | None", app)

    def _trim(self) -> None:
        """Close those that were used longest ago, of all that nobody uses."""
        surplus = len(self._instances) - self.max_instances
        if surplus <= 0:
            return
        for name in [name for name, one in self._instances.items() if one.unused][:surplus]:
            child = self._instances.pop(name).making.result()
            assert child is not None
            self._closing[name] = asyncio.create_task(_stop(child), context=self._context.copy())
            self._closing[name].add_done_callback(partial(self._closed, name))

    def _closed(self, name: str, _: asyncio.Task[None]) -> None:
        del self._closing[name]


async def _stop(child: Child) -> None:
    try:
        await child.stop()
    except LifespanError as error:
        logger.error("shutdown of an unused application failed: %s", error)
