"""Test clients that are logged in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import Context, ContextVar
from typing import Any, cast

from quart import Quart, abort, session
from quart.signals import request_started
from quart.testing import QuartClient
from quart.typing import TestClientProtocol

from quartpatterns.viewdecorators.cookies import FRESH_KEY, USER_KEY
from quartpatterns.viewdecorators.login import login_user

__all__ = ["FlaskLoginClient", "log_in"]

_is_login: ContextVar[bool] = ContextVar("quartpatterns.viewdecorators.is_login", default=False)


async def log_in(client: TestClientProtocol, user: Any, *, fresh: bool = True) -> None:
    """Log *user* in on a test client, as :func:`login_user` does in a view.

    ::

        client = app.test_client()
        await log_in(client, user)

    The session has what a login writes, also the hash of the client that
    ``SESSION_PROTECTION = "strong"`` compares. No view and no password is needed. What the
    session has besides stays.

    Arguments:
        client: A test client of any class, with cookies.
        user: The user, as for :func:`login_user`.
        fresh: Whether the user has just given the password.

    Raises:
        RuntimeError: The application has no LoginManager or no ``SECRET_KEY``.
        TypeError: The user has no ``get_id()``.
        ValueError: The user is not active, so that the login of a view would fail, too.

    .. versionadded:: 0.1
    """
    anything: Any = client
    app: Quart = anything.app
    if not app.secret_key:
        raise RuntimeError("a login is stored in the session: set SECRET_KEY in the tests")
    # In another context: the login must not become that of the test's own g and request.
    loop = asyncio.get_running_loop()
    login = await loop.create_task(_session_of_login(app, user, fresh), context=Context())
    async with anything.session_transaction() as stored:
        stored.update(login)


async def _session_of_login(app: Quart, user: Any, fresh: bool) -> dict[str, Any]:
    """Return what a login writes into the session of a test client.

    A request of a client has an address and a ``User-Agent``, which ``test_request_context()``
    lacks. The request ends before any function of the application is called.
    """
    stored: dict[str, Any] = {}
    errors: list[Exception] = []
    _is_login.set(True)

    async def receive(app: Quart, **_: Any) -> None:
        if not _is_login.get():
            return  # Another request of another task.
        try:
            if not login_user(user, fresh=fresh):
                raise ValueError(f"{user!r} can't log in, because is_active is false")
            stored.update(session)
        except Exception as error:
            errors.append(error)
        response: Any = app.response_class(status=204)
        abort(response)

    with request_started.connected_to(receive, app):
        await app.test_client().get("/")
    for error in errors:
        raise error
    return stored


class FlaskLoginClient(QuartClient):
    """A test client whose session has a user, as Flask-Login's.

    .. code-block:: python

        app.test_client_class = FlaskLoginClient
        client = app.test_client(user=user)

    It has the methods of the client that the class of *app* uses otherwise. Set
    ``SESSION_PROTECTION`` to ``None`` or ``"basic"`` in tests, because the session has no hash of
    the client.

    Arguments:
        app: The application.
        args: Further arguments of the client that the class of *app* uses otherwise.
        user: The user.
        fresh_login: Whether the login is fresh.
        kwargs: Further arguments.

    .. versionadded:: 0.1
    """

    def __new__(cls, app: Quart, *args: Any, **kwargs: Any) -> FlaskLoginClient:
        """Return a client of a class that has also the methods of the application's own client."""
        own: type[Any] = type(app).test_client_class
        if own is QuartClient or issubclass(cls, own) or issubclass(own, cls):
            return super().__new__(cls)
        return cast("FlaskLoginClient", object.__new__(type(cls.__name__, (cls, own), {})))

    def __init__(
        self, app: Quart, *args: Any, user: Any = None, fresh_login: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(app, *args, **kwargs)
        self._login = None if user is None else {USER_KEY: user.get_id(), FRESH_KEY: fresh_login}

    async def log_in(self) -> None:
        """Put the user into the session. The first request does it; a websocket does not."""
        if self._login is not None:
            login, self._login = self._login, None
            parent: Any = super()
            async with parent.session_transaction() as session:
                session.update(login)

    async def open(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request and return the response."""
        await self.log_in()
        parent: Any = super()
        return await parent.open(*args, **kwargs)

    def websocket(self, *args: Any, **kwargs: Any) -> Any:
        """Connect a websocket.

        Raises:
            RuntimeError: The user is not in the session yet.
        """
        if self._login is not None:
            raise RuntimeError("write `await client.log_in()` before client.websocket()")
        parent: Any = super()
        return parent.websocket(*args, **kwargs)

    @asynccontextmanager
    async def session_transaction(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """Return a context manager of the session, as that of the application's own client."""
        await self.log_in()
        parent: Any = super()
        async with parent.session_transaction(*args, **kwargs) as session:
            yield session

    async def __aenter__(self) -> Any:
        await self.log_in()
        return await super().__aenter__()
