"""The module that every server process imports: the compared application, as ``app``.

Two environment variables contain the name of the application and the :func:`repr` of its
configuration. This module imports nothing else but the standard library, so that the measured
memory belongs to the application and its server.
"""

from __future__ import annotations

import ast
import os

from quartpatterns.compare.applications import load_application

NAME = "QUARTPATTERNS_TARGET"
CONFIG = "QUARTPATTERNS_TARGET_CONFIG"

app = load_application(
    os.environ[NAME], ast.literal_eval(os.environ[CONFIG]) if CONFIG in os.environ else None
)
