"""A JSON API in layers: resources call services, and services call what knows the request."""

from .factory import create_app

__all__ = ["create_app"]
