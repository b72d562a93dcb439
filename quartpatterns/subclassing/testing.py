"""The test client, and the methods of the application that tests use."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false, reportMissingTypeStubs=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false
# The signatures are Flask's, and what is returned can do more than Quart's.
# pyright: reportIncompatibleMethodOverride=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import AsyncGenerator
from contextvars import Token
from http.cookiejar import CookieJar
from types import TracebackType
from typing import Any, NoReturn
from urllib.parse import urlsplit

from quart import Quart, Response
from quart.globals import _cv_app, _cv_request
from quart.sessions import SessionMixin
from quart.testing import QuartClient
from werkzeug.datastructures import Headers
from werkzeug.http import dump_cookie
from werkzeug.test import ClientRedirectError, Cookie

from quartpatterns.subclassing import client_cookies
from quartpatterns.subclassing.body import FaithfulBody
from quartpatterns.subclassing.cli import FaithfulCliRunner
from quartpatterns.subclassing.client_connections import (
    FaithfulTestConnection,
    FaithfulTestResponse,
    FaithfulTestWebsocket,
    PendingResponse,
)
from quartpatterns.subclassing.context import FaithfulRequestContext
from quartpatterns.subclassing.request_builder import (
    BuiltRequest,
    follow_redirect,
    make_request,
    prepare,
    prepare_in_thread,
)

__all__ = [
    "FaithfulClient",
    "PreservedContexts",
    "Testing",
    "reset_variables",
]

REDIRECTS = frozenset({301, 302, 303, 305, 307, 308})
# Read when this module is imported, because it reads a file.
USER_AGENT = f"Werkzeug/{importlib.metadata.version('werkzeug')}"
NO_COOKIES = "Cookies are disabled. Create a client with 'use_cookies=True'."


class PreservedContexts(list[FaithfulRequestContext]):
    """The contexts that a client preserves after their requests."""

    def __bool__(self) -> bool:
        """Return True even if it is empty: it tells Quart that contexts are to be preserved."""
        return True


def reset_variables(tokens: list[Token[Any]]) -> None:
    """Reset context variables, and empty the list of their tokens."""
    while tokens:
        # A fixture can end in another task than the test that sent the request.
        with contextlib.suppress(ValueError):
            token = tokens.pop()
            token.var.reset(token)


class FaithfulClient(QuartClient):
    """A test client with the arguments, cookies, redirects and contexts of Flask's.

    Every call is awaited. The first arguments are those of :class:`flask.testing.EnvironBuilder`:
    *path*, *base_url*, *subdomain*, *url_scheme*, *query_string*, *method*, *headers*, *data*,
    *json*, *content_type*, *mimetype*, *auth*, *environ_base* and so on. *data* and *input_stream*
    can also be asynchronous iterators of bytes. Quart's *form*, *files*, *scheme*, *root_path*,
    *http_version* and *scope_base* work as well.

    Inside ``async with client`` the contexts of the last request stay current.

    .. versionadded:: 0.1

    Arguments:
        app: The application.
        response_wrapper: Refused, unless it is the application's ``response_class``.
        use_cookies: Whether the client keeps cookies.
        allow_subdomain_redirects: Whether redirects to subdomains are followed.

    Attributes:
        environ_base: The defaults of the WSGI environment that describes each request.
        cookie_jar: The cookies, or ``None``.
    """

    http_connection_class = FaithfulTestConnection
    websocket_connection_class = FaithfulTestWebsocket

    def __init__(
        self,
        app: Quart,
        response_wrapper: type[Response] | bool | None = None,
        use_cookies: bool = True,
        allow_subdomain_redirects: bool = False,
    ) -> None:
        if isinstance(response_wrapper, bool):  # Quart's second argument.
            use_cookies = response_wrapper
        elif response_wrapper is not None and response_wrapper is not app.response_class:
            raise TypeError("set app.response_class: responses are always of that class")
        super().__init__(app, use_cookies=use_cookies)
        self.allow_subdomain_redirects = allow_subdomain_redirects
        self.environ_base = {"REMOTE_ADDR": "127.0.0.1", "HTTP_USER_AGENT": USER_AGENT}
        self._tokens: list[Token[Any]] = []
        self._owns_app_context = False

    @property
    def application(self) -> Quart:
        """The application, by Flask's name."""
        return self.app

    async def open(
        self, *args: Any, buffered: bool = False, follow_redirects: bool = False, **options: Any
    ) -> FaithfulTestResponse:
        """Send a request and return the response.

        Arguments:
            args: A path and more, or an ``EnvironBuilder``, a WSGI environment or a Werkzeug
                request.
            buffered: Accepted as in Flask. A response is always received completely; use
                :meth:`request` for a stream that does not end.
            follow_redirects: Whether to follow redirects.
            options: Arguments of :class:`flask.testing.EnvironBuilder` and of Quart's client.

        Raises:
            ClientRedirectError: A redirect leads to one that was followed already.
            RuntimeError: A redirect leads to another host.
            TypeError: An argument is not supported.
        """
        self.push_promises = []
        prepared = await prepare_in_thread(self.app, args, options, self.environ_base)
        try:
            response = await self._request(prepared)
            history: list[FaithfulTestResponse] = []
            seen: set[tuple[str | None, int]] = set()
            while follow_redirects and response.status_code in REDIRECTS:
                redirect = (response.location, response.status_code)
                if redirect in seen:
                    raise ClientRedirectError(
                        f"Loop detected: A {response.status_code} redirect to {response.location}"
                        " was already made."
                    )
                seen.add(redirect)
                response.history = tuple(history)
                history.append(response)
                prepared = follow_redirect(
                    self.app,
                    prepared,
                    response.status_code,
                    response.location or "",
                    subdomains=self.allow_subdomain_redirects,
                )
                response = await self._request(prepared)
        finally:
            prepared.close()
        response.history = tuple(history)
        return response

    async def _request(self, prepared: BuiltRequest) -> FaithfulTestResponse:
        preserved: Any = self.preserve_context
        if isinstance(preserved, PreservedContexts):
            await self._tear_down(preserved)
        scope = prepared.scope(cookies=self._cookies_for(prepared), preserve=preserved)
        connection_class: Any = self.http_connection_class
        connection = connection_class(self.app, scope, _preserve_context=preserved)
        body = prepared.body()
        if isinstance(connection, FaithfulTestConnection):
            connection.prepared = prepared
            connection.body = body
        try:
            async with connection:
                if not isinstance(connection, FaithfulTestConnection):
                    async for data in body:
                        await connection.send(data)
                    await connection.send_complete()
        except BaseException:
            if isinstance(preserved, PreservedContexts):
                preserved.clear()
            raise
        finally:
            await body.aclose()  # type: ignore[attr-defined]
        response = await connection.as_response()
        self._store_cookies(prepared.url, response.headers)
        self.push_promises.extend(connection.push_promises)
        if isinstance(preserved, PreservedContexts):
            self._make_current(preserved)
        return response  # type: ignore[no-any-return]

    def request(self, *args: Any, **options: Any) -> FaithfulTestConnection:
        """Return a connection to send parts of a request and receive parts of its response.

        Arguments:
            args: As those of :meth:`open`.
            options: As those of :meth:`open`, without a body.
        """
        prepared = prepare(self.app, args, options, self.environ_base)
        preserved: Any = self.preserve_context
        scope = prepared.scope(cookies=self._cookies_for(prepared), preserve=preserved)
        connection_class: Any = self.http_connection_class
        connection: FaithfulTestConnection = connection_class(
            self.app, scope, _preserve_context=preserved
        )
        return connection

    def websocket(
        self, *args: Any, subprotocols: list[str] | None = None, **options: Any
    ) -> FaithfulTestWebsocket:
        """Return a websocket connection.

        Arguments:
            args: As those of :meth:`open`.
            subprotocols: The subprotocols that the client offers.
            options: As those of :meth:`open`, without a body.
        """
        prepared = prepare(self.app, args, options, self.environ_base)
        preserved: Any = self.preserve_context
        cookies = self._cookies_for(prepared)
        scope = prepared.scope("websocket", cookies=cookies, preserve=preserved)
        scope.setdefault("subprotocols", subprotocols or [])
        connection_class: Any = self.websocket_connection_class
        connection: FaithfulTestWebsocket = connection_class(self.app, scope)
        return connection

    def get(self, *args: Any, **kwargs: Any) -> PendingResponse[FaithfulTestResponse]:
        """Send a ``GET`` request, see :meth:`open`."""
        kwargs["method"] = "GET"
        return PendingResponse(self.open(*args, **kwargs))

    def post(self, *args: Any, **kwargs: Any) -> PendingResponse[FaithfulTestResponse]:
        """Send a ``POST`` request, see :meth:`open`."""
        kwargs["method"] = "POST"
        return PendingResponse(self.open(*args, **kwargs))

    def put(self, *args: Any, **kwargs: Any) -> PendingResponse[FaithfulTestResponse]:
        """Send a ``PUT`` request, see :meth:`open`."""
        kwargs["method"] = "PUT"
        return PendingResponse(self.open(*args, **kwargs))

    def delete(self, *args: Any, **kwargs: Any) -> PendingResponse[FaithfulTestResponse]:
        """Send a ``DELETE`` request, see :meth:`open`."""
        kwargs["method"] = "DELETE"
        return PendingResponse(self.open(*args, **kwargs))

    def patch(self, *args: Any, **kwargs: Any) -> PendingResponse[FaithfulTestResponse]:
        """Send a ``PATCH`` request, see :meth:`open`."""
        kwargs["method"] = "PATCH"
        return PendingResponse(self.open(*args, **kwargs))

    def options(self, *args: Any, **kwargs: Any) -> PendingResponse[FaithfulTestResponse]:
        """Send an ``OPTIONS`` request, see :meth:`open`."""
        kwargs["method"] = "OPTIONS"
        return PendingResponse(self.open(*args, **kwargs))

    def head(self, *args: Any, **kwargs: Any) -> PendingResponse[FaithfulTestResponse]:
        """Send a ``HEAD`` request, see :meth:`open`."""
        kwargs["method"] = "HEAD"
        return PendingResponse(self.open(*args, **kwargs))

    def trace(self, *args: Any, **kwargs: Any) -> PendingResponse[FaithfulTestResponse]:
        """Send a ``TRACE`` request, see :meth:`open`."""
        kwargs["method"] = "TRACE"
        return PendingResponse(self.open(*args, **kwargs))

    def _jar(self) -> CookieJar:
        if self.cookie_jar is None:
            raise TypeError(NO_COOKIES)
        return self.cookie_jar

    def _cookies_for(self, prepared: BuiltRequest) -> str:
        if self.cookie_jar is None or not len(self.cookie_jar):
            return ""
        url = urlsplit(prepared.url)
        return client_cookies.cookie_header(self.cookie_jar, url.hostname or "localhost", url.path)

    def _store_cookies(self, url: str, headers: Headers) -> None:
        if self.cookie_jar is not None and (lines := headers.getlist("Set-Cookie")):
            parts = urlsplit(url)
            host = parts.hostname or "localhost"
            client_cookies.store_cookies(self.cookie_jar, host, parts.path, lines)

    def get_cookie(self, key: str, domain: str = "localhost", path: str = "/") -> Cookie | None:
        """Return a cookie, or ``None`` if there is none.

        Arguments:
            key: Its name.
            domain: The domain it was set for.
            path: The path it was set for.
        """
        return client_cookies.find_cookie(self._jar(), domain, path, key)

    def set_cookie(  # type: ignore[override]
        self,
        key: str,
        value: str = "",
        *quart_value: str,
        domain: str | None = None,
        origin_only: bool | None = None,
        path: str = "/",
        server_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Set a cookie for the requests that follow.

        Quart's order, ``set_cookie(server_name, key, value)``, works as well.

        Arguments:
            key: The name of the cookie.
            value: Its value.
            quart_value: The value, if the first two arguments are a server's name and the key.
            domain: The domain that gets the cookie, by default ``localhost``.
            origin_only: Whether subdomains don't get it. The default is true.
            path: The path that gets it, and all paths below.
            server_name: Quart's name of *domain*.
            kwargs: Arguments of :func:`werkzeug.http.dump_cookie`.

        Raises:
            TypeError: Cookies are disabled, or the order of the arguments is not clear.
        """
        jar = self._jar()
        if len(quart_value) > 1:
            raise TypeError("set_cookie() takes the cookie's attributes as keyword arguments")
        if quart_value:
            server_name, key, value = key, value, quart_value[0]
        elif key == "localhost" and server_name is None:
            raise TypeError(
                "set_cookie('localhost', ...) is not clear: write set_cookie(key, value) as in"
                " Flask, or all of set_cookie(server_name, key, value) as in Quart"
            )
        if server_name is not None and domain is not None and origin_only is None:
            origin_only = False  # Quart's argument domain= is the attribute of the cookie.
        host = domain or (server_name or "localhost").partition(":")[0]
        header = dump_cookie(key, value, domain=host, path=path, **kwargs)
        only = True if origin_only is None else origin_only
        client_cookies.store_cookies(jar, host, "/", [header], origin_only=only)

    def delete_cookie(  # type: ignore[override]
        self,
        key: str,
        *quart_key: str,
        domain: str | None = None,
        path: str = "/",
        server_name: str | None = None,
    ) -> None:
        """Delete a cookie if it exists.

        Quart's order, ``delete_cookie(server_name, key)``, works as well.

        Arguments:
            key: Its name.
            quart_key: The name, if the first argument is a server's name.
            domain: The domain it was set for, by default ``localhost``.
            path: The path it was set for.
            server_name: Quart's name of *domain*.
        """
        if len(quart_key) > 1:
            raise TypeError("delete_cookie() takes path= and domain= as keyword arguments")
        if quart_key:
            server_name, key = key, quart_key[0]
        host = domain or (server_name or "localhost").partition(":")[0]
        client_cookies.delete_cookie(self._jar(), host, path, key)

    @contextlib.asynccontextmanager
    async def session_transaction(
        self, *args: Any, **kwargs: Any
    ) -> AsyncGenerator[SessionMixin, None]:
        """Give the session to a test, and save it when the block ends.

        Arguments:
            args: As those of :meth:`Testing.test_request_context`.
            kwargs: The same.

        Raises:
            TypeError: Cookies are disabled.
            RuntimeError: There is no session: the application has no secret key.
        """
        if self.cookie_jar is None:
            raise TypeError(NO_COOKIES)
        app = self.app
        prepared = prepare(app, args, kwargs, {})
        scope = prepared.scope(cookies=self._cookies_for(prepared))
        request = make_request(app, scope, prepared.text_of_body())
        interface: Any = app.session_interface
        async with app.request_context(request):
            session = await app.ensure_async(interface.open_session)(app, request)
        if session is None:
            raise RuntimeError("Session backend did not open a session. Check the secret_key?")
        # Meanwhile the request of the test is current, if there is one.
        yield session
        if interface.is_null_session(session):
            return
        response_class: Any = app.response_class
        response = response_class(b"")
        async with app.request_context(request):
            await app.ensure_async(interface.save_session)(app, session, response)
        self._store_cookies(prepared.url, response.headers)

    def _make_current(self, preserved: PreservedContexts) -> None:
        """Make the contexts of a request current: it ran in another task."""
        for context in preserved:
            assert context.app_context is not None
            body: Any = context.request.body
            if isinstance(body, FaithfulBody) and not body.complete:
                body.set_complete()  # Nothing more can come.
            self._owns_app_context = _cv_app.get(None) is not context.app_context
            self._tokens += [_cv_app.set(context.app_context), _cv_request.set(context)]

    async def _tear_down(self, preserved: PreservedContexts) -> None:
        """Run the teardown functions of the preserved contexts again, and make none current."""
        while preserved[:]:
            context = preserved.pop()
            assert context.app_context is not None
            # A fixture may end in another task than the one in which the request was sent.
            tokens: list[Any] = [_cv_app.set(context.app_context), _cv_request.set(context)]
            try:
                await self.app.do_teardown_request(None, context)
                await context.request.close()
                if self._owns_app_context:
                    await self.app.do_teardown_appcontext(None)
            finally:
                reset_variables(tokens)
        reset_variables(self._tokens)

    async def __aenter__(self) -> FaithfulClient:
        await super().__aenter__()
        self.preserve_context = PreservedContexts()  # type: ignore[assignment]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        preserved: Any = self.preserve_context
        self.preserve_context = False
        await self._tear_down(preserved)

    def __enter__(self) -> NoReturn:
        raise TypeError("use 'async with client': what ends with the block is asynchronous")

    def __exit__(self, *error: object) -> None:
        """Never called."""


class Testing(Quart):
    """Test clients, command line runners and requests with the arguments of Flask's."""

    test_client_class = FaithfulClient  # type: ignore[assignment]
    test_cli_runner_class = FaithfulCliRunner

    def test_client(  # type: ignore[override]
        self, use_cookies: bool = True, **kwargs: Any
    ) -> FaithfulClient:
        """Return a test client.

        Arguments:
            use_cookies: Whether it keeps cookies.
            kwargs: Arguments of :attr:`test_client_class`.
        """
        chosen: Any = self.test_client_class
        cls = FaithfulClient if chosen is None else chosen
        client: FaithfulClient = cls(self, use_cookies=use_cookies, **kwargs)
        return client

    def test_cli_runner(self, **kwargs: Any) -> FaithfulCliRunner:
        """Return a runner of the application's commands.

        Arguments:
            kwargs: Arguments of :attr:`test_cli_runner_class`.
        """
        chosen: Any = self.test_cli_runner_class
        cls = FaithfulCliRunner if chosen is None else chosen
        runner: FaithfulCliRunner = cls(self, **kwargs)
        return runner

    def test_request_context(self, *args: Any, **kwargs: Any) -> FaithfulRequestContext:
        """Return the context of a request that exists only in the test.

        Arguments:
            args: Arguments of :class:`flask.testing.EnvironBuilder`: a path and more.
            kwargs: The same, those of Quart, and *send_push_promise*.

        Raises:
            TypeError: An argument is not supported, or the body is an asynchronous iterator.
        """
        more = {name: kwargs.pop(name) for name in ("send_push_promise",) if name in kwargs}
        prepared = prepare(self, args, kwargs, {})
        if prepared.stream is not None:
            raise TypeError("the body of test_request_context() can't be an asynchronous iterator")
        prepared.mount()
        prepared.rewind()
        body = prepared.environ["wsgi.input"].read()
        prepared.close()
        request = make_request(self, prepared.scope(), body, **more)
        context: Any = self.request_context(request)
        return context  # type: ignore[no-any-return]
