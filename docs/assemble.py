"""Write an application of the documentation, as it is after a step, into a new folder.

python docs/assemble.py tutorial 3 ~/photoboard
python docs/assemble.py moving 2 ~/toolshed
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["APPLICATIONS", "assemble", "steps"]

DOCS = Path(__file__).parent
APPLICATIONS = {
    "tutorial": DOCS / "tutorial" / "photoboard",
    "moving": DOCS / "moving" / "toolshed",
}
"""The folder of each application: in it is a folder for each step."""
SCRIPT = "commands.sh"
"""What a step removes and moves, before its files are added."""


def steps(name: str) -> dict[int, Path]:
    """Return a folder for each step, with the files that the step adds or changes."""
    folders = sorted(APPLICATIONS[name].glob("[0-9]_*"))
    return {int(folder.name.partition("_")[0]): folder for folder in folders}


def assemble(name: str, number: int, folder: Path) -> None:
    """Write the application *name* as it is after a step into *folder*.

    Raises:
        FileExistsError: The folder exists already.
        ValueError: There is no such step.
    """
    found = steps(name)
    if number not in found:
        raise ValueError(f"there are the steps {min(found)} to {max(found)}, and no step {number}")
    folder.mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__", ".*", SCRIPT)
    for step in (found[each] for each in found if each <= number):
        if (script := step / SCRIPT).exists():
            subprocess.run(["sh", "-e", str(script.resolve())], cwd=folder, check=True)
        shutil.copytree(step, folder, ignore=ignored, dirs_exist_ok=True)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in APPLICATIONS or not sys.argv[2].isdecimal():
        sys.exit(f"usage: python assemble.py {'|'.join(APPLICATIONS)} STEP FOLDER")
    try:
        assemble(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    except (OSError, ValueError) as error:
        sys.exit(str(error))
