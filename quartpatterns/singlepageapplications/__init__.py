"""A single-page application and its API: one index for all client routes.

.. code-block:: python

    from quartpatterns.singlepageapplications import SinglePageApp

    SinglePageApp(app, "dist", api=("api",))

The files that the build of a front end has written into ``dist`` are served with the right
caching, and compressed if the build has compressed them. Every other path outside of ``/api`` is
answered with ``dist/index.html``.
"""

from quartpatterns.singlepageapplications.application import (
    SinglePageApp,
    has_hash,
    is_client_route,
)

__all__ = ["SinglePageApp", "has_hash", "is_client_route"]
