"""Names for a project: its folder, its package and its distribution have the same one."""

from __future__ import annotations

import functools
import keyword
import re
import sys
import unicodedata
from collections.abc import Mapping
from importlib import metadata

__all__ = ["ProjectNameError", "check_name"]

NAME = re.compile(r"[a-z](?:[a-z0-9_]*[a-z0-9])?")
LONGEST = 30  # characters; the code that is made keeps its lines below 100
OWN = frozenset({"build", "dist", "docs", "migrations", "static", "templates", "test", "tests"})
WINDOWS = re.compile(r"con|prn|aux|nul|(?:com|lpt)\d")


class ProjectNameError(ValueError):
    """A project can't have this name; the message says why, and suggests another."""


def check_name(name: str) -> None:
    """Refuse a name that can't be imported everywhere, or that hides something.

    The name is a module's, so it is lower-case ASCII letters, digits and underscores, as PEP 8
    has it, and none of Python's words or modules, nor of the packages that are installed here.

    Raises:
        ProjectNameError: With the reason and a suggestion.
    """
    if reason := _reason(name):
        raise ProjectNameError(f"{name!r} can't be the name: {reason}. Try {_suggestion(name)!r}")


def _reason(name: str) -> str:
    if not name.isascii():
        return "modules are imported by ASCII names everywhere"
    if "-" in name:
        return "a dash is a minus in an import"
    if keyword.iskeyword(name):
        return "it is a word of Python's own"
    if not NAME.fullmatch(name):
        return (
            "it is made of lower-case letters, digits and underscores, begins with a letter, and"
            " doesn't end with an underscore"
        )
    if len(name) > LONGEST:
        return f"a name has {LONGEST} characters at most"
    if name in sys.stdlib_module_names:
        return "it would hide the module of that name in Python's library"
    if name in OWN or WINDOWS.fullmatch(name):
        return "a folder of that name has another meaning"
    if holders := _installed().get(name):
        return f"it would hide what {holders[0]} has installed here under that name"
    return ""


@functools.cache
def _installed() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _suggestion(name: str) -> str:
    """A name that is close to *name* and that is fine."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    found = re.sub(r"[^a-z0-9_]+", "_", plain).lstrip("0123456789_")[: LONGEST - 4].rstrip("_")
    if not found:
        return "my_app"
    return found if not _reason(found) else f"{found}_app"
