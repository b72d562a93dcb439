"""What goes wrong with a cache, in words that name the remedy."""

from __future__ import annotations

from werkzeug.exceptions import ServiceUnavailable

__all__ = ["CacheUnavailableError", "UncacheableError"]


class CacheUnavailableError(ServiceUnavailable):
    """The cache can't be asked; only with ``CACHE_IGNORE_ERRORS = False`` does anybody see it.

    A view that lets it through answers 503. Its cause is the error of the client or the disk;
    the address stays in the log, as the description is shown to clients.
    """

    description = (
        "The cache can't be reached. Start Redis or Valkey, or set CACHE_REDIS_URL to one that"
        " runs; for a folder look whether its disk is full."
    )


class UncacheableError(TypeError):
    """A value that can't be kept, or an argument that can't be part of a key."""
