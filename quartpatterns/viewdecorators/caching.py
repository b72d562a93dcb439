"""``cached``: the answer of a view, kept for a while and made once however many ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Collection
from functools import partial
from functools import wraps
from typing import Any
from typing import ParamSpec
from typing import cast
from weakref import WeakKeyDictionary

from quart import Quart
from quart import Response
from quart import current_app
from quart import request
from quart.typing import ResponseTypes
from quart.wrappers.response import DataBody

from quartpatterns.viewdecorators.calling import call
from quartpatterns.viewdecorators.entries import Entry
from quartpatterns.viewdecorators.entries import Store
from quartpatterns.viewdecorators.entries import is_shared
from quartpatterns.viewdecorators.entries import keepable
from quartpatterns.viewdecorators.entries import request_key
from quartpatterns.viewdecorators.entries import session_watch
from quartpatterns.viewdecorators.order import DecoratorOrderError
from quartpatterns.viewdecorators.order import is_protected

__all__ = ["MOST_ENTRIES", "StreamNotCachedError", "cached"]

MOST_ENTRIES = 1000
"""Answers in the memory that an application has where it is given no other cache."""

KEY = "quartpatterns.viewdecorators.cached"
# Under the key of an answer that could not be shared: nobody need wait for the next one.
_OWN = b"own"

P = ParamSpec("P")
Make = Callable[[], Awaitable[Any]]
Flights = dict[str, asyncio.Future[Entry | None]]


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
        _require_cashews()
    headers = sorted({header.lower() for header in vary})

    def decorator(view: Callable[P, Any]) -> Callable[P, Awaitable[Any]]:
        if is_protected(view):
            raise DecoratorOrderError(
                "cached stands above login_required, and would answer in its place: write"
                " login_required above it"
            )
        name = f"{view.__module__}.{getattr(view, '__qualname__', type(view).__name__)}"
        # Of this decorator, as another one may keep its answers elsewhere or for longer; and of
        # one application, as two of one factory have the same view.
        flights: WeakKeyDictionary[Quart, Flights] = WeakKeyDictionary()

        @wraps(view)
        async def decorated(*args: P.args, **kwargs: P.kwargs) -> Any:
            make = partial(call, view, *args, **kwargs)
            if request.method not in ("GET", "HEAD"):
                return await make()
            store = _memory() if cache is None else cache
            app: Quart = cast(Any, current_app)._get_current_object()
            flying = flights.setdefault(app, {})
            response = await _answer(
                make, store, timeout, request_key(key, name, headers), headers, flying
            )
            response.vary.update(vary)
            return response

        return decorated

    return decorator


async def _answer(
    make: Make, store: Store, seconds: float, key: str, vary: Collection[str], flights: Flights
) -> ResponseTypes:
    """The answer that is kept, or a new one."""
    made: ResponseTypes | None = None

    async def made_and_kept() -> Entry | None:
        nonlocal made
        made, entry = await _made(make, vary)
        await store.set(key, _OWN if entry is None else entry.pack(), expire=seconds)
        return entry

    async def found_or_made() -> Entry | None:
        packed = await store.get(key)
        if (entry := Entry.unpack(packed)) is not None or packed == _OWN:
            return entry
        return await made_and_kept()

    if not is_shared(vary):
        return (await _made(make, vary))[0]
    entry = await _together(flights, key, found_or_made)
    if made is None and entry is not None:
        return entry.response()
    if made is None:
        await made_and_kept()
    assert made is not None
    return made


async def _made(make: Make, vary: Collection[str]) -> tuple[ResponseTypes, Entry | None]:
    """A new answer of the view, and what may be kept of it."""
    with session_watch() as session:
        response = await current_app.make_response(await make())
    body = await _body(response)
    private = session.changed or (session.touched and "cookie" not in vary)
    kept = keepable(response, vary) and not private
    return response, Entry.of(response, body) if kept else None


async def _together(
    flights: Flights, key: str, fly: Callable[[], Awaitable[Entry | None]]
) -> Entry | None:
    """What *fly* returns, called once for all who ask for *key* while it runs.

    Where it fails those who waited get ``None``; where it is cancelled, as its client has left,
    the next of them flies.
    """
    while (flight := flights.get(key)) is not None:
        await asyncio.wait([flight])
        if not flight.cancelled():
            return flight.result()
    flight = flights[key] = asyncio.get_running_loop().create_future()
    try:
        entry = await fly()
        flight.set_result(entry)
        return entry
    except Exception:
        flight.set_result(None)
        raise
    finally:
        flight.cancel()  # does nothing to one that has landed
        del flights[key]


async def _body(response: ResponseTypes) -> bytes:
    """The body of *response*.

    Raises:
        StreamNotCachedError: It is a stream; that is closed.
    """
    if not isinstance(response, Response):
        if response.is_sequence:
            return response.get_data()
    elif isinstance(response.response, DataBody):
        return response.response.data
    elif response.status_code == 204 or 300 <= response.status_code < 400:
        return b""  # Quart makes a stream of no body, too.
    else:
        async with response.response:
            pass  # leaving it closes the stream
    raise StreamNotCachedError(
        f"the view {request.endpoint!r} answers with a stream or a file, which is read but once:"
        " take cached away, or return text or bytes"
    )


def _require_cashews() -> None:
    try:
        import cashews  # noqa: F401  # pyright: ignore[reportUnusedImport] - now, not in a request
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"cached needs {missing.name}: pip install 'quartpatterns[caching]'", name=missing.name
        ) from missing


def _memory() -> Store:
    """The memory of the current application; two never share one."""
    extensions: dict[str, Any] = current_app.extensions
    if KEY not in extensions:
        from cashews import Cache

        memory = Cache(name=KEY)
        # What has expired is dropped when it is asked for, or is the oldest: no task of its own.
        memory.setup("mem://", size=MOST_ENTRIES, check_interval=0)
        extensions[KEY] = memory
    store: Store = extensions[KEY]
    return store
