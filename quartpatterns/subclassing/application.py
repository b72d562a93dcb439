"""The application class and the blueprint class."""

from __future__ import annotations

from typing import Any, TypeVar

from flask.typing import URLDefaultCallable
from quart import Quart
from quart.wrappers import Response

from quartpatterns.subclassing import (
    cancellation,
    cli,
    config,
    connection,
    context,
    debugging,
    dispatch,
    files,
    greenlets,
    json_provider,
    methods,
    response,
    routing,
    sessions,
    templates,
    testing,
    urls,
    websocket_connection,
)
from quartpatterns.subclassing.request import (
    FaithfulRequest,
    FaithfulWebsocket,
    UnsupportedAttribute,
)

__all__ = ["FaithfulBlueprint", "FaithfulQuart"]

T_url_defaults = TypeVar("T_url_defaults", bound=URLDefaultCallable)


class FaithfulQuart(  # pyright: ignore[reportIncompatibleMethodOverride] - its test client
    greenlets.GreenletViews,
    urls.URLs,
    debugging.RoutingRedirects,
    templates.Templates,
    dispatch.Dispatch,
    response.ReturnValues,
    dispatch.URLProcessors,
    dispatch.TeardownOrder,
    context.Contexts,
    routing.Hosts,
    dispatch.SyncThreads,
    cancellation.Cancellation,
    files.StaticFiles,
    context.SessionInTemplates,
    files.FileDefaults,
    cli.AsyncCommands,
    methods.ApplicationMethods,
    testing.Testing,
    Quart,
):
    """A :class:`quart.Quart` that behaves like Flask 3.1, and handles a request with less work.

    Each base class removes some of the differences between Quart and Flask and can be used
    alone; the README has a table. It is used like Quart:

    .. code-block:: python

        app = FaithfulQuart(__name__)

    Settings beyond Quart's:

    * ``SYNC_THREADS``: The number of threads for synchronous views; 40 by default. With ``None``
      they run in asyncio's.
    * ``CANCEL_ON_DISCONNECT``: Whether a view is cancelled when its client disconnects. With
      ``False``, the default, it runs to its end, as in Flask.
    * ``FILE_CACHE_SIZE``: The bytes of memory for small files; 16 MiB by default, 0 for none.
    * ``GREENLET_VIEWS``: Whether SQLAlchemy can load lazily in views and templates.
    * ``RESPONSE_TIMEOUT``: The seconds in which a client must take one message of a response.
      Quart limits the whole response.

    .. versionadded:: 0.1
    """

    app_ctx_globals_class = context.AppGlobals
    asgi_http_class = connection.FaithfulHTTPConnection
    asgi_websocket_class = websocket_connection.FaithfulWebsocketConnection
    request_class = FaithfulRequest
    config_class = config.FaithfulConfig
    jinja_environment = templates.FaithfulEnvironment
    json_provider_class = json_provider.FaithfulJSONProvider
    session_interface = sessions.FaithfulSessionInterface()
    url_map_class = routing.FaithfulMap
    url_rule_class = routing.FaithfulRule
    websocket_class = FaithfulWebsocket

    answers_root = True
    """It answers a request for its mount point without a slash itself, as Flask does."""

    ensure_sync = UnsupportedAttribute("use app.ensure_async()")
    async_to_sync = UnsupportedAttribute(
        "await the coroutine; for the other direction use app.sync_to_async()"
    )
    wsgi_app = UnsupportedAttribute("wrap app.asgi_app")


class FaithfulBlueprint(methods.BlueprintResources):
    """A blueprint that refuses asynchronous ``url_defaults`` functions at once.

    :class:`FaithfulQuart` works with Quart's own blueprints as well, and refuses such functions
    when it registers the blueprint.

    .. versionadded:: 0.1
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cli = cli.FaithfulAppGroup(self.name)

    async def send_static_file(self, filename: str) -> Response:
        """Send a file of the blueprint's static folder.

        Raises:
            RuntimeError: The blueprint has no static folder.
        """
        return await files.send_static_file(self, filename)

    def url_defaults(self, f: T_url_defaults) -> T_url_defaults:
        """Register a function that adds values to URLs of this blueprint.

        Raises:
            TypeError: It is a coroutine function.
        """
        return super().url_defaults(dispatch.refuse_async_url_defaults(f))

    def app_url_defaults(self, f: T_url_defaults) -> T_url_defaults:
        """Register a function that adds values to all URLs.

        Raises:
            TypeError: It is a coroutine function.
        """
        return super().app_url_defaults(dispatch.refuse_async_url_defaults(f))
