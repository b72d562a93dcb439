"""The line that imports the helper of a pattern, for the gallery and the command."""

from __future__ import annotations

import re

__all__ = ["import_line"]


def import_line(name: str, readme: str) -> str:
    """Return the first line of *readme* that imports names from the pattern *name*.

    Without such a line, it is the import of the package.
    """
    found = re.search(rf"(?m)^from quartpatterns\.{name}[\w.]* import [\w, ]+$", readme)
    return found[0] if found else f"import quartpatterns.{name}"
