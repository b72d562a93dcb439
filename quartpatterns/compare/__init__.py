"""Compare two applications: what they answer, and how fast.

This package meets applications only as WSGI and ASGI callables or as URLs, so it serves any two.
What a pattern's ``cases.py`` needs is here; the machinery is in the modules.
"""

from quartpatterns.compare.case import Arrangement, Case, Difference, File, Step

__all__ = ["Arrangement", "Case", "Difference", "File", "Step"]
