"""What is computed once and kept for a while."""

from __future__ import annotations

from quartpatterns.caching import Cache

cache = Cache()
