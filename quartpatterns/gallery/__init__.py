"""The gallery: every port at ``/<pattern>/``, and a page about each pattern.

``quartpatterns serve`` runs ``quartpatterns.gallery:create_app()`` under a server.
"""

from quartpatterns.gallery.application import create_app

__all__ = ["create_app"]
