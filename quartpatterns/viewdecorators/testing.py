"""A test client that is logged in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from quart import Quart
from quart.testing import QuartClient

from quartpatterns.viewdecorators.cookies import FRESH_KEY, USER_KEY

__all__ = ["FlaskLoginClient"]


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
