"""Check that the reference describes every public name."""

from __future__ import annotations

import importlib

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.logging import getLogger

from quartpatterns.catalog import PATTERNS

__all__ = ["check"]

log = getLogger(__name__)


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn about each public name of a pattern that no page describes."""
    described = env.domains.python_domain.objects
    for pattern in PATTERNS:
        package = importlib.import_module(f"quartpatterns.{pattern.name}")
        for name in package.__all__:
            if f"{package.__name__}.{name}" not in described:
                log.warning("the reference lacks %s.%s", package.__name__, name)
