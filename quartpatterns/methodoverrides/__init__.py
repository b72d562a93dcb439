"""HTTP methods that a proxy, a firewall or an HTML form can't send.

Wrap the application, so that the method is replaced before anything reads it:

.. code-block:: python

    from quartpatterns.methodoverrides import HTTPMethodOverrideMiddleware

    app.asgi_app = HTTPMethodOverrideMiddleware(app.asgi_app, methods={"POST"})
"""

from quartpatterns.methodoverrides.middleware import HTTPMethodOverrideMiddleware

__all__ = ["HTTPMethodOverrideMiddleware"]
