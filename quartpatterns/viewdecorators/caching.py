"""``cached``: the answer of a view, kept for a while and made once however many ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial, wraps
from typing import Any, ParamSpec, cast
from weakref import WeakKeyDictionary

from quart import Quart, Request, Response, current_app, request
from quart.typing import ResponseTypes

from quartpatterns.caching.entries import is_shared
from quartpatterns.caching.lookup import Shelf, Wanted
from quartpatterns.caching.settings import read_settings
from quartpatterns.caching.stores import open_store
from quartpatterns.caching.views import Rules, answered, made, request_digest
from quartpatterns.viewdecorators.calling import call
from quartpatterns.viewdecorators.entries import OwnStore, Store
from quartpatterns.viewdecorators.order import DecoratorOrderError, is_protected

__all__ = ["MOST_ENTRIES", "StreamNotCachedError", "cached"]

MOST_ENTRIES = 1000
"""Answers in the memory that an application has where it is given no other cache."""

KEY = "quartpatterns.viewdecorators.cached"
SETTINGS = read_settings({"CACHE_THRESHOLD": MOST_ENTRIES}, KEY)

P = ParamSpec("P")


class StreamNotCachedError(TypeError):
    """A view below ``cached`` has answered with a stream or a file, which is read but once."""


def cached(
    timeout: float = 300,
    key: str = "view/{}",
    *,
    vary: Collection[str] = (),
    cache: Store | None = None,
) -> Callable[[Callable[P, Any]], Callable[P, Awaitable[Any]]]:
    """Keep the answers of the view, for GET and HEAD.

    There is one for each scheme, host, path, query and method, and for each value of the headers
    in *vary*. Requests that come while the first is being answered wait for that.

    What is one visitor's is not kept: an answer that sets a cookie, whose view has read or
    changed the session, or that is ``private`` or varies by another header. Requests with a
    session cookie or ``Authorization`` call the view, unless *vary* names that header. Errors
    are not kept, raised or returned.

    :mod:`quartpatterns.caching` has this and more, in a store that workers share.

    Arguments:
        timeout: Seconds.
        key: What the keys begin with; ``{}`` is the path.
        vary: Names of request headers that make another answer, such as ``Accept-Language``. With
            ``Cookie`` each visitor has answers of his own. A view that reads a cookie by its name
            belongs here.
        cache: A ``cashews.Cache`` that is set up, or anything with its ``get`` and ``set``; by
            default a memory of 1000 answers in the application.

    Raises:
        DecoratorOrderError: It stands above ``login_required`` and would answer in its place.
        ModuleNotFoundError: cashews is not installed, and no *cache* is given.
        StreamNotCachedError: When called: the view has returned a stream or a file.
        ValueError: *timeout* is no number of seconds above 0.

    See Flask's page "View Decorators", section "Caching Decorator".
    """
    if callable(timeout) or not timeout > 0:
        raise ValueError("cached takes the seconds to keep an answer for: @cached(timeout=300)")
    if isinstance(vary, str):
        raise TypeError('vary is a collection of names: @cached(vary=["Accept-Language"])')
    if cache is None:
        open_store(SETTINGS)  # now, not in a request, it is found out that a library is missing
    headers = sorted({header.lower() for header in vary})
    rules = Rules(headers, refuse_stream=_refuse)

    def decorator(view: Callable[P, Any]) -> Callable[P, Awaitable[Any]]:
        if is_protected(view):
            raise DecoratorOrderError(
                "cached stands above login_required, and would answer in its place: write"
                " login_required above it"
            )
        name = f"{view.__module__}.{getattr(view, '__qualname__', type(view).__name__)}"
        # Of this decorator, as another one may keep its answers elsewhere or for longer; and of
        # one application, as two of one factory have the same view.
        shelves: WeakKeyDictionary[Quart, Shelf] = WeakKeyDictionary()

        @wraps(view)
        async def decorated(*args: P.args, **kwargs: P.kwargs) -> Any:
            make = partial(call, view, *args, **kwargs)
            asked: Request = cast(Any, request)._get_current_object()
            if asked.method not in ("GET", "HEAD"):
                return await make()
            app: Quart = cast(Any, current_app)._get_current_object()
            if (shelf := shelves.get(app)) is None:
                shelf = shelves[app] = _shelf(app, cache)
            wanted = Wanted(_key(asked, key, name, headers), timeout)
            response: ResponseTypes
            if is_shared(asked, headers):
                response, _ = await answered(asked, shelf, wanted, make, rules)
            else:
                response = (await made(make, rules)).result
            response.vary.update(vary)
            return response

        return decorated

    return decorator


def _key(asked: Request, prefix: str, name: str, vary: Collection[str]) -> str:
    """The key of the answer to the request *asked*.

    It begins with *prefix*, in which ``{}`` is the path, so that the answers of a path can be
    deleted by a pattern.
    """
    query = asked.query_string
    digest = request_digest(asked, vary, name, asked.method, asked.path, query)
    return f"{prefix.format(asked.path)}:{digest}"


async def _refuse(response: ResponseTypes) -> None:
    """Close a stream.

    Raises:
        StreamNotCachedError: In any case.
    """
    if isinstance(response, Response):
        async with response.response:
            pass  # leaving it closes the stream
    raise StreamNotCachedError(
        f"the view {request.endpoint!r} answers with a stream or a file, which is read but once:"
        " take cached away, or return text or bytes"
    )


def _shelf(app: Quart, cache: Store | None) -> Shelf:
    """Where answers of *app* are kept: in *cache*, or in a memory that no two share."""
    if cache is not None:
        return Shelf(app, SETTINGS, OwnStore(cache))
    extensions: dict[str, Any] = app.extensions
    if KEY not in extensions:
        extensions[KEY] = open_store(SETTINGS)
    return Shelf(app, SETTINGS, extensions[KEY])
