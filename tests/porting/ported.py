"""Port a project that a test writes."""

from __future__ import annotations

import textwrap
from pathlib import Path

from quartpatterns.porting import Plan, make_plan

__all__ = ["port", "ported", "written"]


def written(folder: Path, files: dict[str, str]) -> Path:
    """Write *files* into *folder*, and return it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    return folder


def port(folder: Path, stage: str = "async") -> Plan:
    """Port the project in *folder*, and write the changes."""
    plan = make_plan(folder, stage)
    for change in plan.changes:
        (folder / change.file).write_bytes(change.after)
    return plan


def ported(folder: Path, text: str, stage: str = "async") -> str:
    """Return *text*, a module, after the port."""
    written(folder, {"app.py": text})
    port(folder, stage)
    return (folder / "app.py").read_text()
