"""A single-page application beside its API: one index for every client route.

.. code-block:: python

    from quartpatterns.singlepageapplications import SinglePageApp

    SinglePageApp(app, "dist", api=("api",))

What a front end's build has written into ``dist`` is served with the caching that each file
allows, compressed where the build has compressed it, and every other path outside of ``/api``
is answered with ``dist/index.html``.
"""

from quartpatterns.singlepageapplications.application import SinglePageApp
from quartpatterns.singlepageapplications.names import has_hash, is_client_route

__all__ = ["SinglePageApp", "has_hash", "is_client_route"]
