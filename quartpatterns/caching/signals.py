"""Signals, as Flask-Caching names them; sent only where somebody has connected.

The sender is the application. Receivers get ``cache``, ``cache_key``, ``args`` and ``kwargs``;
those of ``cache_memoize_hit`` and ``cache_memoize_miss`` also ``f``, the function.
"""

from __future__ import annotations

from typing import Any

from blinker import NamedSignal, Namespace
from quart import Quart

__all__ = [
    "cache_memoize_hit",
    "cache_memoize_miss",
    "cache_view_hit",
    "cache_view_miss",
    "send",
]

_signals = Namespace()

cache_view_hit = _signals.signal("cache-view-hit")
cache_view_miss = _signals.signal("cache-view-miss")
cache_memoize_hit = _signals.signal("cache-memoize-hit")
cache_memoize_miss = _signals.signal("cache-memoize-miss")


async def send(signal: NamedSignal, app: Quart, **values: Any) -> None:
    """Tell the receivers of *signal*, synchronous and asynchronous ones."""
    if signal.receivers:
        wrapper: Any = app.ensure_async
        await signal.send_async(app, _sync_wrapper=wrapper, **values)
