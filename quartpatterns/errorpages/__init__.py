"""Error pages for browsers and problem documents for programs, with the id of each request.

.. code-block:: python

    from quartpatterns.errorpages import APIError, ErrorPages

    ErrorPages(app, templates={404: "404.html", 500: "500.html"}, prefixes={"/api": "problem"})

    @app.get("/foo")
    async def get_foo():
        raise APIError("This view is gone", status_code=410)
"""

from quartpatterns.errorpages.pages import APIError, ErrorPages
from quartpatterns.errorpages.refused_fields import field_errors, handle_invalid_request
from quartpatterns.errorpages.request_ids import SETTINGS, RequestIDFilter, request_id

__all__ = [
    "SETTINGS",
    "APIError",
    "ErrorPages",
    "RequestIDFilter",
    "field_errors",
    "handle_invalid_request",
    "request_id",
]
