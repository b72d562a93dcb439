"""A command of this package in a process of its own, with limits, whose progress can be followed.

The process and all that it starts end with the process that called :func:`run_command`, even if
that is killed. Its temporary files are in a folder of its own, which is removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from quartpatterns._shared.cleanup import finish
from quartpatterns._shared.threads import run_sync, to_thread
from quartpatterns.compare.processes import Process
from quartpatterns.compare.services import ServiceMissingError, mongod_program

__all__ = ["CommandOutput", "OutputLimitError", "is_alive", "run_command"]

POLL_INTERVAL = 0.1
"""Seconds between two looks at the progress."""
MAX_OUTPUT = 20 * 1024 * 1024
"""Bytes of the output, and of the progress."""
TAIL = 2_000
"""Characters of the last lines that are kept."""

# Settings of the gallery. The command must not change its data.
REMOVED = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SQLITE_FILE", "UPLOAD_FOLDER")
REMOVED_PREFIXES = ("QUART_", "QUARTPATTERNS_", "PROMETHEUS_")
# Comparisons are not urgent: the pages of the gallery come first.
PRIORITY = ("nice", "-n", "10")
# The shell writes the output into a file and is replaced by the command.
REDIRECT = 'exec "$@" > "$0"'
PROGRAM = (sys.executable, "-m", "quartpatterns")

OnLine = Callable[[str], Awaitable[None]]


class OutputLimitError(Exception):
    """A command has written more than :data:`MAX_OUTPUT` bytes."""


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """What a command has returned.

    Arguments:
        code: The exit code.
        output: The standard output.
        last_lines: The last lines of its errors and progress.
    """

    code: int
    output: bytes
    last_lines: str


async def run_command(
    name: str, arguments: Sequence[str], on_line: OnLine, *, memory: int | None = None
) -> CommandOutput:
    """Run ``quartpatterns`` with *arguments*, and return what it has returned.

    If the caller is cancelled, the process is ended with all that it has started.

    Arguments:
        name: A name for the folder of its files. A folder of this name that a killed process has
            left is removed.
        arguments: The arguments of the command.
        on_line: Called with each line of its progress.
        memory: Bytes that each of its processes may allocate, on Linux. If one needs more, its
            allocation fails: Python raises ``MemoryError``.

    Raises:
        OutputLimitError: The output is too long.
        StartError: The process can't be started.
    """
    async with _folder(name) as folder:
        progress, output = folder / "progress", folder / "output"
        shell = ["/bin/sh", "-c", _memory_limit(memory) + REDIRECT, str(output)]
        command = [*PRIORITY, *shell, *PROGRAM, *arguments]
        temporary = folder / "tmp"

        def start() -> Process:
            temporary.mkdir()
            env = _environment(os.environ, temporary)
            return Process(command, log=progress, env=env, cwd=temporary)

        starting = asyncio.ensure_future(to_thread(start))
        try:
            process = await asyncio.shield(starting)
            await _follow(process, progress, output, on_line)
        finally:
            process = await finish(lambda: starting)
            await finish(lambda: to_thread(process.stop))
        found: CommandOutput = await run_sync(_read)(process.returncode or 0, output, progress)
        return found


def _memory_limit(memory: int | None) -> str:
    """Return the start of a shell script that limits the memory of the processes after it.

    The limit is that of private writable memory, ``RLIMIT_DATA``. ``RLIMIT_AS`` would also count
    the address space that MongoDB and Node reserve and never use.
    """
    if memory is None:
        return ""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most != resource.RLIM_INFINITY:
        memory = min(memory, most)  # Only root may raise a limit.
    return f"ulimit -d {memory // 1024} && "


@contextlib.asynccontextmanager
async def _folder(name: str) -> AsyncGenerator[Path]:
    """Create a folder for *name* among the temporary files, and remove it at the end."""
    parent = Path(tempfile.gettempdir())
    prefix = f"quartpatterns-{os.getuid()}-{name}-"

    def create() -> Path:
        for left in parent.glob(f"{prefix}*"):
            process = left.name.removeprefix(prefix).partition("-")[0]
            if process.isdecimal() and not is_alive(int(process)):
                shutil.rmtree(left, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))

    folder: Path = await run_sync(create)()
    try:
        yield folder
    finally:
        await finish(lambda: run_sync(shutil.rmtree)(folder, ignore_errors=True))


def is_alive(process: int) -> bool:
    """Return whether a process of this machine has the id *process*."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # The process of another user.
    return True


def _environment(environ: Mapping[str, str], temporary: Path) -> dict[str, str]:
    env = {
        name: value
        for name, value in environ.items()
        if name not in REMOVED and not name.startswith(REMOVED_PREFIXES)
    }
    if _has_mongod():  # A run that is ended would leave its databases on another one.
        env.pop("MONGODB_URL", None)
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [package, environ.get("PYTHONPATH")]))
    more = {"PYTHONPATH": path, "QUARTPATTERNS_PROGRESS": "lines", "TMPDIR": str(temporary)}
    return env | more | {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


def _has_mongod() -> bool:
    try:
        mongod_program()
    except ServiceMissingError:
        return False
    return True


async def _follow(process: Process, progress: Path, output: Path, on_line: OnLine) -> None:
    """Call *on_line* with each line of the file *progress* until the process has ended."""
    position, rest, ended = 0, "", False
    while not ended:
        ended = process.returncode is not None
        data, size = await run_sync(_new_data)(progress, position, output)
        if position + len(data) > MAX_OUTPUT or size > MAX_OUTPUT:
            raise OutputLimitError(f"the command has written more than {MAX_OUTPUT:,} bytes")
        position += len(data)
        *lines, rest = (rest + data.decode(errors="replace")).split("\n")
        for line in lines:
            await on_line(line.rstrip("\r"))
        if not ended and not data:
            await asyncio.sleep(POLL_INTERVAL)


def _new_data(progress: Path, position: int, output: Path) -> tuple[bytes, int]:
    """Return what the file *progress* has after *position*, and the size of the file *output*."""
    with progress.open("rb") as file:
        file.seek(position)
        data = file.read(MAX_OUTPUT + 1)
    return data, output.stat().st_size if output.exists() else 0


def _read(code: int, output: Path, progress: Path) -> CommandOutput:
    text = progress.read_bytes()[-4 * TAIL :].decode(errors="replace")
    return CommandOutput(code, output.read_bytes() if output.exists() else b"", text[-TAIL:])
