"""Dispatchers that create applications on demand: by path segment, and by subdomain."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from werkzeug.exceptions import HTTPException

from quartpatterns._shared.calling import call

from .asgi import ASGIApp, Receive, Scope, Send, header, local_path, normalize, not_found
from .lifespan import LifespanError, OnStartupFailure, SubApp, serve_lifespan, stop_all

__all__ = ["CreateApp", "Instances", "PathDispatcher", "SubdomainDispatcher"]

logger = logging.getLogger(__name__)

CreateApp = Callable[[str], ASGIApp | None] | Callable[[str], Awaitable[ASGIApp | None]]
"""A factory: it takes a name, and returns the application or None if there is none."""

_LABELS = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


@dataclass(slots=True, eq=False)
class _Instance:
    creation: asyncio.Task[SubApp | None] = field(init=False)
    requests: int = 0


class Instances:
    """The applications that a factory has created, by name, in the order of their last use.

    Concurrent requests for a new name wait for the same application. If there are more than
    *max_instances*, the least recently used one without requests is stopped. A name for which the
    factory returned None or raised an error is not remembered.

    Arguments:
        create_app: The factory.
        max_instances: How many applications exist; more only while more have requests.
        on_startup_failure: Returns the application that answers a request if the start-up of the
            right one failed. It is used for this request only.
    """

    def __init__(
        self,
        create_app: CreateApp,
        *,
        max_instances: int,
        on_startup_failure: OnStartupFailure | None,
    ) -> None:
        if max_instances < 1:
            raise ValueError(f"max_instances must be 1 or more, not {max_instances}")
        self.create_app = create_app
        self.max_instances = max_instances
        self.on_startup_failure = on_startup_failure
        self._instances: OrderedDict[str, _Instance] = OrderedDict()
        self._stopping: dict[str, asyncio.Task[None]] = {}
        # Applications run in the context of the dispatcher, not of the first request.
        self._context = contextvars.copy_context()

    def __len__(self) -> int:
        return len(self._instances)

    def __contains__(self, name: str) -> bool:
        return name in self._instances

    @contextlib.asynccontextmanager
    async def use(self, name: str) -> AsyncGenerator[SubApp | None, None]:
        """Provide the application for a request, or None if the factory returned None.

        Raises:
            StartupError: The start-up of the application failed.
            TypeError: The factory returned an HTTP exception, as in Flask's page.
        """
        instance = self._instances.get(name)
        if instance is None:
            instance = self._instances[name] = _Instance()
            instance.creation = asyncio.create_task(
                self._create(name, instance), context=self._context.copy()
            )
        else:
            self._instances.move_to_end(name)
        instance.requests += 1
        try:
            # If the first request is cancelled, others may still wait for the application.
            yield await asyncio.shield(instance.creation)
        finally:
            instance.requests -= 1
            self._stop_unused()

    async def close(self) -> None:
        """Stop all applications.

        Raises:
            LifespanError: The shutdown of at least one failed.
        """
        creations = [instance.creation for instance in self._instances.values()]
        self._instances.clear()
        created = await asyncio.gather(*creations, return_exceptions=True)
        await asyncio.gather(*self._stopping.values())
        await stop_all([one for one in created if isinstance(one, SubApp)])

    async def _create(self, name: str, instance: _Instance) -> SubApp | None:
        remember = False
        try:
            if stopping := self._stopping.get(name):
                await asyncio.wait({stopping})
            app: Any = await call(cast("Callable[[str], ASGIApp | None]", self.create_app), name)
            if isinstance(app, HTTPException):  # it is callable, as a WSGI application
                raise TypeError(
                    f"create_app({name!r}) returned {app!r}, which is not an ASGI application:"
                    " return None if there is no application of this name"
                )
            if app is None:
                return None
            sub_app = SubApp(app, name)
            await sub_app.start_or_replace(self.on_startup_failure)
            remember = sub_app.responder is app
            return sub_app
        finally:
            if not remember and self._instances.get(name) is instance:
                del self._instances[name]

    def _stop_unused(self) -> None:
        """Stop the least recently used applications that have no requests."""
        surplus = len(self._instances) - self.max_instances
        if surplus <= 0:
            return
        unused = [
            name
            for name, one in self._instances.items()
            if not one.requests and one.creation.done()
        ]
        for name in unused[:surplus]:
            sub_app = self._instances.pop(name).creation.result()
            assert sub_app is not None
            self._stopping[name] = asyncio.create_task(_stop(sub_app), context=self._context.copy())
            self._stopping[name].add_done_callback(partial(self._stopped, name))

    def _stopped(self, name: str, _: asyncio.Task[None]) -> None:
        del self._stopping[name]


async def _stop(sub_app: SubApp) -> None:
    try:
        await sub_app.stop()
    except LifespanError as error:
        logger.error("the shutdown of an unused application failed: %s", error)


class _OnDemandDispatcher:
    """The start-up and shutdown of a dispatcher with instances."""

    answers_root = True
    """It passes a request for its mount point without a slash on to an application."""

    def __init__(
        self,
        default_app: ASGIApp,
        create_app: CreateApp,
        max_instances: int,
        on_startup_failure: OnStartupFailure | None,
    ) -> None:
        self.instances = Instances(
            create_app, max_instances=max_instances, on_startup_failure=on_startup_failure
        )
        self._default = SubApp(default_app, "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self._default.start, self._stop)
        else:
            await self._dispatch(normalize(scope), receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError

    async def _stop(self) -> None:
        try:
            await self.instances.close()
        finally:
            await self._default.stop()


class PathDispatcher(_OnDemandDispatcher):
    """Pass each request to the application that a factory creates for its first path segment.

    The application for ``/alice/x`` is ``create_app("alice")``, which gets ``/alice`` in
    ``root_path``. ``/alice`` is redirected to ``/alice/`` with 308. Flask's page has a class of
    this name for WSGI::

        app.asgi_app = PathDispatcher(app.asgi_app, make_app)

    Arguments:
        default_app: The application for requests for which the factory returns None. It gets them
            unchanged.
        create_app: The factory. It takes a percent-decoded segment, and returns an ASGI application
            or None. A synchronous factory runs in a thread. The factory is called once for a
            segment. If it returned None or raised an error, the next request calls it again.
        max_instances: The maximum number of created applications. If there are more, the least
            recently used one that has no requests is stopped.
        on_startup_failure: A function that is called if the start-up of an application fails. It
            takes the :class:`StartupError`, and returns the application that answers this request
            instead, as :func:`unavailable` does. The next request tries again. Without this
            function the server gets the error.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        default_app: ASGIApp,
        create_app: CreateApp,
        *,
        max_instances: int = 100,
        on_startup_failure: OnStartupFailure | None = None,
    ) -> None:
        super().__init__(default_app, create_app, max_instances, on_startup_failure)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = local_path(scope)
        if path == "":
            await self._default.answer_below("", "", scope, receive, send)
            return
        name, slash, rest = (path or "").lstrip("/").partition("/")
        if path is None or name in (".", ".."):
            await self._default.answer(scope, receive, send)
            return
        async with self.instances.use(name) as sub_app:
            if sub_app is None:
                await self._default.answer(scope, receive, send)
            elif not name:
                await sub_app.answer(scope, receive, send)
            else:
                below = slash and f"/{_without_empty_segments(rest)}"
                await sub_app.answer_below(f"/{name}", below, scope, receive, send)


def _without_empty_segments(path: str) -> str:
    """Return *path* without empty segments and ``.``, as wsgiref's ``shift_path_info`` does.

    The page uses that function. It keeps the last segment.
    """
    *segments, last = path.split("/")
    return "/".join([*(one for one in segments if one not in ("", ".")), last])


class SubdomainDispatcher(_OnDemandDispatcher):
    """Pass each request to the application that a factory creates for its subdomain.

    With the domain ``example.com``, the application for ``alice.example.com`` is
    ``create_app("alice")``, and for ``example.com`` it is ``create_app("")``. Hosts are compared by
    label and without case; ports and a final dot are ignored. Flask's page has a class of this
    name for WSGI::

        application = SubdomainDispatcher("example.com", make_app)

    Arguments:
        domain: The domain, without a port.
        create_app: As for :class:`PathDispatcher`; it gets the subdomain in lower case.
        default_app: The application for requests for which the factory returns None, and for a
            host that is missing or not in the domain. By default they get a 404.
        max_instances: As for :class:`PathDispatcher`.
        on_startup_failure: As for :class:`PathDispatcher`.

    Raises:
        ValueError: The domain is not a host name in ASCII. Write ``bücher.example`` as
            ``xn--bcher-kva.example``.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        domain: str,
        create_app: CreateApp,
        *,
        default_app: ASGIApp = not_found,
        max_instances: int = 100,
        on_startup_failure: OnStartupFailure | None = None,
    ) -> None:
        self.domain = domain.lower()
        if not _LABELS.fullmatch(self.domain):
            raise ValueError(
                f"domain must be a host name in ASCII such as 'example.com', not {domain!r}"
            )
        super().__init__(default_app, create_app, max_instances, on_startup_failure)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = self.subdomain(header(scope, b"host") or "")
        if name is None:
            await self._default.answer(scope, receive, send)
            return
        async with self.instances.use(name) as sub_app:
            chosen = sub_app or self._default
            if local_path(scope) == "" and chosen.app is not not_found:
                await chosen.answer_below("", "", scope, receive, send)
            else:
                await chosen.answer(scope, receive, send)

    def subdomain(self, host: str) -> str | None:
        """Return the subdomain in the value of a ``Host`` header, ``""`` for the domain itself.

        It is None for another domain, an address, or an empty value.
        """
        # An IPv6 address starts with a bracket, which is not valid in a name.
        name = host.strip().lower().partition(":")[0].removesuffix(".")
        if name == self.domain:
            return ""
        subdomain = name.removesuffix(f".{self.domain}")
        return subdomain if subdomain != name and _LABELS.fullmatch(subdomain) else None
