"""What a project needs to be installed after the port."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from quartpatterns._shared.extras import requirements

if TYPE_CHECKING:
    from quartpatterns.porting.report import FileChange

__all__ = ["new_requirements"]

IMPORT = re.compile(rb"(?m)^\s*(?:from|import) (quartpatterns|niquests)\b(?:\.(\w+))?")


def new_requirements(changes: Iterable[FileChange]) -> list[str]:
    """Return the requirements of what *changes* import, as in ``requirements.txt``.

    An extra of ``quartpatterns`` has the name of the package in it that needs it.
    """
    libraries: set[str] = set()
    extras: set[str] = set()
    uses_package = False
    for change in changes:
        for name, package in IMPORT.findall(change.after):
            if name == b"quartpatterns":
                uses_package = True
                extras |= {package.decode()} & requirements().keys()
            else:
                libraries.add(name.decode())
        if b"asyncio_mode" in change.after:
            libraries.add("pytest-asyncio")
    chosen = f"[{','.join(sorted(extras))}]" if extras else ""
    return [*([f"quartpatterns{chosen}"] if uses_package else []), *sorted(libraries)]
