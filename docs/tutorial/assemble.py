"""Write the photo board, as it is after a step of the tutorial, into a new folder.

python docs/tutorial/assemble.py 3 ~/photoboard
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

__all__ = ["STEPS", "assemble"]

STEPS = sorted((Path(__file__).parent / "photoboard").glob("[0-9]_*"))
"""A folder for each step, with the files that the step adds or changes."""


def assemble(number: int, folder: Path) -> None:
    """Copy the files of the steps 1 to *number* into *folder*.

    Raises:
        FileExistsError: The folder exists already.
        ValueError: There is no such step.
    """
    if not 1 <= number <= len(STEPS):
        raise ValueError(f"there are the steps 1 to {len(STEPS)}, and no step {number}")
    folder.mkdir(parents=True)
    for step in STEPS[:number]:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(step, folder, ignore=ignored, dirs_exist_ok=True)


if __name__ == "__main__":
    if len(sys.argv) != 3 or not sys.argv[1].isdecimal():
        sys.exit("usage: python assemble.py STEP FOLDER")
    try:
        assemble(int(sys.argv[1]), Path(sys.argv[2]))
    except (FileExistsError, ValueError) as error:
        sys.exit(str(error))
