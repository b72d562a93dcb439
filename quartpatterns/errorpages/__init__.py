"""Errors as pages for people and as problem documents for programs, each with its request's id.

.. code-block:: python

    from quartpatterns.errorpages import APIError, ErrorPages

    ErrorPages(app, templates={404: "404.html", 500: "500.html"}, prefixes={"/api": "problem"})

    @app.get("/foo")
    async def get_foo():
        raise APIError("This view is gone", status_code=410)
"""

from quartpatterns.errorpages.identity import DEFAULTS, RequestIDFilter, request_id
from quartpatterns.errorpages.pages import ErrorPages
from quartpatterns.errorpages.problems import APIError

__all__ = ["DEFAULTS", "APIError", "ErrorPages", "RequestIDFilter", "request_id"]
