"""``host.pyz``: the programs of the hosts in one file, made of the package ``onhost``."""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import cache
from importlib.resources import files

__all__ = ["program", "program_version", "session_source"]

START = "import sys\n\nfrom onhost.__main__ import main\n\nmain(sys.argv[1:])\n"
THEN = (1980, 1, 1, 0, 0, 0)


@cache
def program() -> bytes:
    """The file, the same to the byte wherever it is made."""
    made = io.BytesIO()
    sources = {
        f"onhost/{one.name}": one.read_text()
        for one in files(f"{__package__}.onhost").iterdir()
        if one.name.endswith(".py") and one.name != "session.py"
    }
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in sorted({**sources, "__main__.py": START}.items()):
            archive.writestr(zipfile.ZipInfo(name, THEN), text)
    return made.getvalue()


def program_version() -> str:
    """What a supervisor that runs this very file tells as its version."""
    return hashlib.sha256(program()).hexdigest()[:12]


@cache
def session_source() -> str:
    """The source of the program that holds a host's lock."""
    return files(f"{__package__}.onhost").joinpath("session.py").read_text()
