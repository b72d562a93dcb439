"""Flask's patterns, async-first on Quart.

Each pattern is a package of its own: ``from quartpatterns.streaming import stream_with_context``.
"""

__version__ = "0.1.0"
