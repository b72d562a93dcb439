"""The module that every server process imports: the compared application, as ``app``.

Two environment variables contain the name of the application and the :func:`repr` of its
configuration. This module imports nothing else but the standard library, so that the measured
memory belongs to the application and its server.

The original of a pattern is in the package of its helper, which would import Quart and the helper.
A Flask application has neither, so these packages stay empty in its process.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys

from quartpatterns.compare.applications import load_application

NAME = "QUARTPATTERNS_TARGET"
CONFIG = "QUARTPATTERNS_TARGET_CONFIG"

_ORIGINAL = re.compile(r"(quartpatterns\.\w+)\.example\.original(?::.*)?")


def _empty_packages(name: str) -> None:
    """Put the packages above the original *name* into :data:`sys.modules` without running them."""
    if match := _ORIGINAL.fullmatch(name):
        for package in (match[1], f"{match[1]}.example"):
            if package not in sys.modules and (spec := importlib.util.find_spec(package)):
                sys.modules[package] = importlib.util.module_from_spec(spec)


_empty_packages(os.environ[NAME])
app = load_application(
    os.environ[NAME], ast.literal_eval(os.environ[CONFIG]) if CONFIG in os.environ else None
)
