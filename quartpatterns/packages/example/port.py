"""The port: the application that is a package, with Quart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quartpatterns.packages.example.yourapplication import app
from quartpatterns.subclassing import FaithfulQuart


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """The one application that the package has, with *config* in its settings."""
    app.config.from_mapping(config or {})
    return app
