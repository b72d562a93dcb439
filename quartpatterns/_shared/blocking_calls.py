"""A plugin of pytest: it writes down which lines of a project stop the event loop.

``quartpatterns port --run`` loads it into the tests after the port. The environment variable
``PORT_BLOCKING_CALLS`` names the file to which it appends a line of JSON for each place: the
function that waits, and the lines of the project that led to it, the innermost first. With
pytest-xdist each process appends. Without BlockBuster it appends the line ``{}``.

A call is noted if a coroutine, or something that it calls, waits for the operating system while
the event loop runs, as `BlockBuster <https://github.com/cbornet/blockbuster>`_ defines it. It still
takes place. Imports, and what the framework does by itself, are left out.
"""

from __future__ import annotations

import json
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blockbuster.blockbuster import BlockBusterFunction

__all__ = ["FILE_VARIABLE", "pytest_configure"]

FILE_VARIABLE = "PORT_BLOCKING_CALLS"
# Below this function of asyncio there is no code of the task that runs.
TASK = ("asyncio/events.py", "_run")
IMPORTS = "<frozen importlib._bootstrap"
# What these do between the line of the project and the call is not the project's concern. Handlers
# of logging that wait are reported where they are created.
FRAMEWORK = frozenset({"jinja2", "logging", "quart", "quartpatterns"})


class BlockingCalls:
    """The calls that stop the event loop, while it is active.

    Arguments:
        folder: The folder of the project.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._found: dict[tuple[str, tuple[tuple[str, int], ...]], None] = {}

    def watch(self, function: BlockBusterFunction) -> None:
        """Note calls of *function*, and let them pass."""
        is_allowed = function.can_block_predicate

        def allow(*args: Any, **kwargs: Any) -> bool:
            if not is_allowed(*args, **kwargs):
                self._note(function)
            return True

        function.can_block_predicate = allow

    def _note(self, function: BlockBusterFunction) -> None:
        lines: list[tuple[str, int]] = []
        for frame, line in traceback.walk_stack(None):
            path, name = frame.f_code.co_filename, frame.f_code.co_name
            if path == __file__:
                continue
            if path.endswith(TASK[0]) and name == TASK[1]:
                break
            if path.startswith(IMPORTS) or _allows(function, path, name):
                return
            module = frame.f_globals.get("__name__", "")
            if place := self._place(path):
                lines.append((place, line))
            elif not lines and module.partition(".")[0] in FRAMEWORK:
                return
        if lines:
            self._found[function.full_name, tuple(lines)] = None

    def _place(self, name: str) -> str:
        """Return the path of a Python file of the project, relative to its folder, or ""."""
        path = Path(name)
        is_source = path.suffix == ".py" and "site-packages" not in path.parts
        if not is_source or not path.is_relative_to(self._folder):
            return ""
        return path.relative_to(self._folder).as_posix()

    def append(self, file: Path) -> None:
        """Append what was found to *file*."""
        with file.open("a", encoding="utf-8") as stream:
            for name, lines in self._found:
                stream.write(json.dumps({"function": name, "lines": lines}) + "\n")


def _allows(function: BlockBusterFunction, path: str, name: str) -> bool:
    return any(
        path.endswith(file) and name in names for file, names in function.can_block_functions
    )


def pytest_configure(config: Any) -> None:
    """Note the calls until pytest ends."""
    if not (name := os.environ.get(FILE_VARIABLE)):
        return
    file = Path(name)
    try:
        from blockbuster import BlockBuster
    except ImportError:
        with file.open("a", encoding="utf-8") as stream:
            stream.write("{}\n")
        return
    found = BlockingCalls(Path.cwd())
    guard = BlockBuster()
    for function in guard.functions.values():
        found.watch(function)

    def end() -> None:
        guard.deactivate()
        found.append(file)

    config.add_cleanup(end)
    guard.activate()
