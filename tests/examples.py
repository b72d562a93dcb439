"""How many examples the property tests try."""

from __future__ import annotations

import os

__all__ = ["examples"]

IN_CI = bool(os.environ.get("CI"))


def examples(number: int) -> int:
    """Return how many examples Hypothesis tries: *number* in CI, and a fifth of it elsewhere.

    Hypothesis chooses other examples in each run.
    """
    return number if IN_CI else max(number // 5, 10)
