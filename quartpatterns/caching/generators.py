"""Generators as results: they are joined, because they can be read only once."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any, cast

from quartpatterns._shared.calling import call

__all__ = ["joined"]


async def joined(result: Any) -> Any:
    """Return a result, or what a generator yields, as Flask-Caching does.

    Texts or bytes are joined. Anything else becomes a list. A synchronous generator runs in a
    thread.
    """
    if inspect.isgenerator(result):
        chunks = await call(list, cast("Any", result))
    elif issubclass(cast("Any", type(result)), AsyncIterator):
        chunks = [chunk async for chunk in result]
    else:
        return result
    if all(isinstance(chunk, str) for chunk in chunks):
        return "".join(chunks)
    if all(isinstance(chunk, bytes) for chunk in chunks):
        return b"".join(chunks)
    return chunks
