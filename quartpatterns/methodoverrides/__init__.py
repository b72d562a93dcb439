"""Methods that a proxy, a firewall or an HTML form can't send, carried by one that they can.

Wrap the application, before anything looks at the method:

.. code-block:: python

    from quartpatterns.methodoverrides import HTTPMethodOverrideMiddleware

    app.asgi_app = HTTPMethodOverrideMiddleware(app.asgi_app, carriers={"POST"})
"""

from quartpatterns.methodoverrides.middleware import HTTPMethodOverrideMiddleware

__all__ = ["HTTPMethodOverrideMiddleware"]
