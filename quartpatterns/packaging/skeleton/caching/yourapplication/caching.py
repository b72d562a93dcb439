"""The cache."""

from __future__ import annotations

from quartpatterns.caching import Cache

cache = Cache()
