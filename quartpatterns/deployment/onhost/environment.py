"""The environment of an application, kept in a file apart from its code."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

__all__ = ["parse", "process_environment"]

LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")


def parse(text: str) -> dict[str, str]:
    """The variables in *text*: lines ``KEY=value``, as systemd and shells read them.

    Values may stand in quotes; empty lines and those that begin with ``#`` are comments.

    Raises:
        ValueError: A line is no such thing; its value isn't shown, as it may be a secret.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if not match or "\0" in line:
            raise ValueError(f"line {number} is not like KEY=value")
        value = match[2]
        if value[:1] in {'"', "'"}:
            if len(value) < 2 or value[-1] != value[0]:
                raise ValueError(f"line {number} has a quote that is not closed")
            value = value[1:-1]
        found[match[1]] = value
    return found


def process_environment(folder: Path, release: Path) -> dict[str, str]:
    """The environment of a process of *release* in the deployment's *folder*.

    Raises:
        ValueError: The file can't be used.
    """
    venv = release / "venv"
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("LISTEN_")},
        **_variables(folder / "shared" / "env"),
        "PATH": f"{venv / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(venv),
        "PYTHONUNBUFFERED": "1",
    }


def _variables(file: Path) -> Mapping[str, str]:
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ValueError(f"{file} can be read by others: chmod 600 {file}")
        return parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
