"""Somebody who reads a page: saves its files, and runs its commands."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.reading.page import NAME, Block, PageError, blocks, commands, matches
from tests.serving import TIMEOUT

__all__ = ["SERVERS", "Reader"]

SERVERS = re.compile(
    r"(?:hypercorn|quart --app|quartpatterns worker) '?([\w.]+:[^' ]+|[\w.]+)'?( run)?$"
)
"""Commands that run until they are stopped."""

PROGRAMS = ("alembic", "pybabel", "python", "quart", "quartpatterns")
"""Programs of this environment."""

_SHELLS = ("console", "sh")
# Commands that are safe on any machine.
_SAFE = re.compile(r"(cmp|echo|export|mkdir|printf|rm|sha1sum|sleep|touch)\b|\w+=")
_DATA: Mapping[str, Callable[[str], object]] = {
    "ini": str,
    "json": json.loads,
    "text": str,
    "toml": tomllib.loads,
}


class Reader(ABC):
    """Somebody who saves the files of a page into *folder* and runs its commands.

    Arguments:
        folder: The current folder.
        replace: Addresses that the page names, and where they are here.
        skipped: Whether a command is not run.
    """

    def __init__(
        self, folder: Path, *, replace: Mapping[str, str], skipped: Callable[[str], bool]
    ) -> None:
        self.folder = folder
        self.replace = dict(replace)
        self.skipped = skipped
        programs = str(Path(sys.executable).parent)
        self.environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
        self.changed = True  # a file, since the server was started
        self.unused: set[str] = set()  # Python files that were saved and not executed
        self._python: str | None = None  # the file to which a block without a name is added

    async def follow(self, page: Path) -> None:
        """Do what *page* says.

        Raises:
            PageError: Something does not work, or prints something else than the page shows.
        """
        for block in blocks(page):
            try:
                await self._do(block)
            except Exception as error:
                raise PageError(f"{block}: {error}") from error
        await self.finish(page)

    @abstractmethod
    async def run(self, command: str, shown: str) -> str:
        """Run a program of this environment, curl or a server, and return what it prints."""

    @abstractmethod
    async def test(self, file: str) -> None:
        """Run the tests of a file."""

    @abstractmethod
    async def finish(self, page: Path) -> None:
        """Check what is known only at the end of *page*."""

    async def _do(self, block: Block) -> None:
        if block.language in _SHELLS:
            for command, shown in commands(block):
                await self._command(self._local(command), shown and self._local(shown))
        elif named := NAME.match(block.text):
            await self._save(named[1], block.text, append=named[2] is not None)
        elif block.language == "python":
            if self._python is None:
                raise PageError("the first line names the file: '# app.py'")
            await self._save(self._python, block.text, append=True)
        elif check := _DATA.get(block.language):
            check(block.text)
        elif not block.language.startswith("{"):  # a directive of Sphinx
            raise PageError("the first line names no file")

    def _local(self, text: str) -> str:
        for there, here in self.replace.items():
            text = text.replace(there, here)
        return text

    async def _command(self, command: str, shown: str | None) -> None:
        if self.skipped(command):
            return
        program = command.split()[0]
        if program in PROGRAMS or program == "curl" or SERVERS.match(command):
            printed = await self.run(command, shown or "")
        elif _SAFE.match(command):
            printed = await self.shell(command)
        else:
            raise PageError(f"{command}: run it, or say why not")
        if shown is not None and not matches(shown, printed):
            raise PageError(f"{command}\nprints\n{printed[:2000]}\nand not\n{shown}")

    async def shell(self, command: str) -> str:
        """Run *command* in a shell, and return what it prints; its variables stay."""
        return self.bash(command)

    def bash(self, command: str) -> str:
        """Run *command* in a shell, and return what it prints; its variables stay."""
        done = subprocess.run(
            ["bash", "-ec", f"set -a; {command}\nenv -0 > .environment"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise PageError(f"{command}: exit code {done.returncode}: {done.stderr}")
        listed = (self.folder / ".environment").read_text().rstrip("\0").split("\0")
        self.environment = dict(variable.split("=", 1) for variable in listed)
        return done.stdout

    async def _save(self, name: str, text: str, *, append: bool) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() + "\n\n" if append else ""
        path.write_text(before + self._local(text))
        self.changed = True
        if path.suffix == ".py":
            self._python = name
            ast.parse(path.read_text())
            self.unused.add(name)
            if path.name.startswith("test_"):
                await self.test(name)
