"""Compare two applications: their responses (parity) and their speed (benchmark).

This package knows applications only as WSGI and ASGI callables or as URLs, so it compares any two.
The names below are what the ``cases.py`` of a pattern, or your own tests, use.
"""

from quartpatterns.compare.case import (
    Arrangement,
    Capture,
    Case,
    Close,
    Difference,
    File,
    Receive,
    Send,
    Step,
)

__all__ = [
    "Arrangement",
    "Capture",
    "Case",
    "Close",
    "Difference",
    "File",
    "Receive",
    "Send",
    "Step",
]
