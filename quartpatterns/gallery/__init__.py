"""The gallery: every port at ``/<pattern>/``, and a page about each.

Hypercorn runs it as ``quartpatterns.gallery:create_app()``; ``quartpatterns serve`` does the rest.
"""

from quartpatterns.gallery.application import create_app

__all__ = ["create_app"]
