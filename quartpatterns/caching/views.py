"""The answers of views: given from what is kept, or made and looked at whether to keep them."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import logging
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from quart import Request, current_app, has_request_context, request
from quart.typing import ResponseTypes

from quartpatterns.caching.entries import (
    Entry,
    body_of,
    entity_tag,
    is_error,
    keepable,
    session_watch,
)
from quartpatterns.caching.lookup import Kept, Made, Shelf, Wanted, look_up, make_and_keep, renew

__all__ = ["Rules", "answered", "is_around", "is_dispatched", "made", "request_digest"]

log = logging.getLogger("quartpatterns.caching")

Make = Callable[[], Awaitable[Any]]
# The key of an answer that is being renewed, in the request that was made up for that.
_renewed: ContextVar[str | None] = ContextVar("renewed", default=None)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept of the answers of a view.

    Arguments:
        vary: Names of headers, in lower case, by which answers are told apart.
        tagged: Whether answers get an ``ETag``, and 304 where the client has them already.
        accepts: Told what the view has returned; false means not to keep it.
        refuse_stream: Told of an answer that is read but once; by default it passes.
    """

    vary: Collection[str] = ()
    tagged: bool = False
    accepts: Callable[[Any], Awaitable[bool]] | None = None
    refuse_stream: Callable[[ResponseTypes], Awaitable[None]] | None = None


def request_digest(asked: Request, vary: Collection[str], *more: object) -> str:
    """A digest of what tells the request *asked* from others for its path.

    That is scheme, host, mount point, the headers in *vary*, and what else is given. As a digest
    it keeps cookies out of keys.
    """
    headers = asked.headers
    told = (
        asked.scheme,
        headers.get("Host"),
        asked.root_path,
        [headers.getlist(name) for name in vary],
        *more,
    )
    text = repr(told).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def is_around(view: Any, wrapper: Any) -> bool:
    """Whether *view* is *wrapper*, or a function that wraps it."""
    while view is not None:
        if view is wrapper:
            return True
        view = getattr(view, "__wrapped__", None)
    return False


def is_dispatched(wrapper: Any) -> bool:
    """Whether *wrapper* is what answers the current request, or a part of that."""
    if not has_request_context() or not request.endpoint:
        return False
    view: Any = current_app.view_functions.get(request.endpoint)
    if is_around(view, wrapper):
        return True
    methods = (request.method.lower(), "get", "dispatch_request")
    cls = getattr(view, "view_class", None)
    return any(is_around(getattr(cls, name, None), wrapper) for name in methods)


def renewing(key: str) -> bool:
    """Whether this request was made up to renew what is kept under *key*."""
    return _renewed.get() == key


async def answered(
    asked: Request,
    shelf: Shelf,
    wanted: Wanted,
    make: Make,
    rules: Rules,
    *,
    forced: bool = False,
) -> tuple[ResponseTypes, bool]:
    """The answer that is wanted, and whether it was there already.

    Arguments:
        asked: The current request.
        shelf: Where answers are kept.
        wanted: Which one.
        make: Calls the view.
        rules: What to keep.
        forced: Whether it is made anew in any case.
    """
    making = partial(made, make, rules)
    found: ResponseTypes | Kept
    if forced or renewing(wanted.key):
        found = await make_and_keep(shelf, wanted, making)
    else:
        start = partial(_start_renewing, asked, shelf, wanted) if wanted.stale else None
        found = await look_up(shelf, wanted, making, on_stale=start)
    hit = isinstance(found, Kept)
    response: ResponseTypes
    if isinstance(found, Kept):
        assert isinstance(found.payload, Entry)
        response = found.payload.response()
    else:
        response = found
    if rules.tagged and response.status_code == 200 and _is_conditional(asked):
        await _make_conditional(asked, response)
    return response, hit


async def made(make: Make, rules: Rules) -> Made[ResponseTypes]:
    """A new answer of the view, and what may be kept of it."""
    with session_watch() as session:
        returned = await make()
        response = await current_app.make_response(returned)
    body = await body_of(response)
    if body is None:
        if rules.refuse_stream is not None:
            await rules.refuse_stream(response)
        return Made(response, None, keep=True)
    if is_error(response):
        return Made(response, None, keep=False)
    if session.is_private(rules.vary) or not keepable(response, rules.vary):
        return Made(response, None, keep=True)
    if rules.accepts is not None and not await rules.accepts(returned):
        return Made(response, None, keep=False)
    if rules.tagged and response.status_code == 200 and "ETag" not in response.headers:
        response.set_etag(entity_tag(body))
    return Made(response, Entry.of(response, body), keep=True)


def _is_conditional(asked: Request) -> bool:
    headers = asked.headers
    return "If-None-Match" in headers or "If-Modified-Since" in headers


async def _make_conditional(asked: Request, response: ResponseTypes) -> None:
    conditional: Any = response.make_conditional(asked)  # type: ignore[arg-type]
    if asyncio.iscoroutine(conditional):
        await conditional


def _start_renewing(asked: Request, shelf: Shelf, wanted: Wanted) -> None:
    """Renew *wanted* beside the request, with a request of its own that has no body."""
    app: Any = shelf.app
    twin: Any = copy.copy(asked)
    twin.method = "GET"
    # A test client asks for the context of its request to be kept, not of this one.
    scope: dict[str, Any] = twin.scope
    twin.scope = {key: value for key, value in scope.items() if not key.startswith("_quart")}
    twin.body = twin._counted_body = asked.body_class(None, None)
    twin.body.set_complete()

    async def again() -> None:
        token = _renewed.set(wanted.key)
        try:
            await app.handle_request(twin)
        finally:
            _renewed.reset(token)

    app.add_background_task(renew, shelf, wanted, again)
