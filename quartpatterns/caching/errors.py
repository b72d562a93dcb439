"""Errors of a cache.

Each has a built-in or HTTP error as its base; they share none::

    ServiceUnavailableError (503)
        CacheUnavailableError
    TypeError
        UncacheableError
"""

from __future__ import annotations

from quartpatterns._shared.unavailable import ServiceUnavailableError

__all__ = ["CacheUnavailableError", "UncacheableError"]


class CacheUnavailableError(ServiceUnavailableError):
    """The store can't be reached, or has not answered in time.

    Methods of :class:`Cache` raise it only if ``CACHE_IGNORE_ERRORS`` is false. A view that lets
    it through answers 503. The cause is the error of the client library. The description names no
    address, because clients see it.

    .. versionadded:: 0.1
    """

    description = (
        "The cache is not available. Start Redis or Valkey, or set CACHE_REDIS_URL to a server"
        " that runs. If the cache is a folder, check that its disk is not full."
    )


class UncacheableError(TypeError):
    """A value can't be stored, or an argument can't be part of a cache key.

    .. versionadded:: 0.1
    """
