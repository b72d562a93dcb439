"""The module that every server process imports: the application under comparison, as ``app``.

One mechanism serves all servers: the name of the application and the :func:`repr` of its
configuration come in the environment. Nothing but the standard library is imported beside the
application itself, so that the memory measured is the application's and its server's.
"""

from __future__ import annotations

import ast
import os

from quartpatterns.compare.loading import load

__all__ = ["CONFIG", "NAME", "app"]

NAME = "QUARTPATTERNS_TARGET"
CONFIG = "QUARTPATTERNS_TARGET_CONFIG"

app = load(os.environ[NAME], ast.literal_eval(os.environ[CONFIG]) if CONFIG in os.environ else None)
