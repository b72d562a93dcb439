"""An application for each subdomain, made when it is first asked for."""

from __future__ import annotations

import re

from .asgi import ASGIApp, Receive, Scope, Send, header, not_found, tidy
from .children import Child, OnStartupFailure
from .instances import CreateApp, Instances
from .lifespans import serve_lifespan

__all__ = ["SubdomainDispatcher"]

_LABELS = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


class SubdomainDispatcher:
    """Send each request to the application that a factory makes for its subdomain.

    Flask's page teaches this class; here it is for ASGI, and bounded. With the domain
    ``example.com`` a request for ``alice.example.com`` is answered by ``create_app("alice")``
    and one for ``example.com`` by ``create_app("")``. Hosts are compared by label and whatever
    their case; a port and the dot of the root don't matter::

        application = SubdomainDispatcher("example.com", make_app)

    Arguments:
        domain: The domain, without a port.
        create_app: Takes the subdomain in lower case and returns an ASGI application or
            ``None``; synchronous (run in a thread) or not. It is called once for a subdomain
            however many ask, and asked again where it returned ``None`` or raised.
        default_app: Answers where the factory returns ``None``, and where the host is absent
            or not in the domain. As it is, that is a 404, and a websocket is refused.
        max_instances: How many applications are kept. The one used longest ago is closed, with
            its shutdown, but none while a request of its own is under way.
        on_startup_failure: Called with the :class:`StartupError` of an application that doesn't
            start, to make the one that answers this request in its place, such as
            :func:`unavailable`. Without it the error goes to the server. Either way the next
            request tries anew.

    Raises:
        ValueError: The domain is not a host name; one that is not ASCII is written ``xn--``.
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
            raise ValueError(f"a domain is written 'example.com', in ASCII, not {domain!r}")
        self.instances = Instances(
            create_app, max_instances=max_instances, on_startup_failure=on_startup_failure
        )
        self._default = Child(default_app, "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self._default.start, self._stop)
            return
        scope = tidy(scope)
        name = self.subdomain(header(scope, b"host") or "")
        if name is None:
            await self._default.answer(scope, receive, send)
            return
        async with self.instances.use(name) as child:
            await (child or self._default).answer(scope, receive, send)

    def subdomain(self, host: str) -> str | None:
        """The subdomain in the value of a ``Host`` header: ``""`` for the domain itself.

        ``None`` is for what is not in the domain: another one, an address, nothing at all.
        """
        # An IPv6 address begins with a bracket, which no name has: its colons don't matter.
        name = host.strip().lower().partition(":")[0].removesuffix(".")
        if name == self.domain:
            return ""
        subdomain = name.removesuffix(f".{self.domain}")
        return subdomain if subdomain != name and _LABELS.fullmatch(subdomain) else None

    async def _stop(self) -> None:
        try:
            await self.instances.close()
        finally:
            await self._default.stop()
