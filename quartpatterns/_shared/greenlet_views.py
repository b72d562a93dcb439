"""Coroutines that run in a greenlet, with ``GREENLET_VIEWS``."""

from __future__ import annotations

__all__ = ["RUNS_COROUTINE"]

RUNS_COROUTINE = "quartpatterns_runs_coroutine"
"""The attribute of a greenlet whose code is a coroutine: it awaits, and need not wait."""
