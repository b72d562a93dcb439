"""Flask's names ``current_app``, ``g``, ``request`` and ``session`` in a Quart application.

An extension that is written for Flask reads them from ``flask``, where Quart sets nothing.
:func:`bridge_flask` makes one application set them as well.
"""

from quartpatterns.subclassing.bridge.application import (
    FlaskExtensions,
    async_to_sync,
    bridge_flask,
)

__all__ = ["FlaskExtensions", "async_to_sync", "bridge_flask"]
