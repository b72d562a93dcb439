"""Callbacks that run before a response is sent, or after it was sent.

.. code-block:: python

    from quartpatterns.deferredcallbacks import after_response, after_this_request

    @app.before_request
    async def detect_language():
        @after_this_request
        def remember(response):
            response.set_cookie("language", g.language)

    @app.post("/orders")
    async def order():
        after_response(send_receipt, (await request.form)["email"])
        return "Thank you", 202
"""

from quartpatterns.deferredcallbacks.callbacks import (
    after_response,
    after_this_request,
    after_this_websocket,
)

__all__ = ["after_response", "after_this_request", "after_this_websocket"]
