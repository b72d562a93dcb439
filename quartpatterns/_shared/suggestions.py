"""The name that was meant by a misspelt one, for error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean"]


def did_you_mean(name: str, known: Iterable[str], *, before: str = "", otherwise: str = "") -> str:
    """Return a question with the names in *known* that come closest to *name*.

    Arguments:
        name: The misspelt name.
        known: All names.
        before: What the question begins with.
        otherwise: What is returned if none comes close.
    """
    names = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), names, n=3)
    if not close:
        return otherwise
    return f"{before}did you mean {' or '.join(names[each] for each in close)}?"
