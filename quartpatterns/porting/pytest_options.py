"""Make pytest await asynchronous tests and fixtures."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

from quartpatterns.porting.project import PortError
from quartpatterns.porting.report import FileChange

__all__ = ["pytest_options"]

OPTIONS = {
    "asyncio_mode": "auto",
    # Applications, clients and databases belong to one event loop, as in a server.
    "asyncio_default_fixture_loop_scope": "session",
    "asyncio_default_test_loop_scope": "session",
}
GREENLETS = {"greenlet_tests": "true"}
# The files that pytest reads, in this order: the name, the section, and whether pytest uses the
# file without this section.
FILES = (
    ("pytest.toml", "pytest", True),
    (".pytest.toml", "pytest", True),
    ("pytest.ini", "pytest", True),
    (".pytest.ini", "pytest", True),
    ("pyproject.toml", "tool.pytest.ini_options", False),
    ("pyproject.toml", "tool.pytest", False),  # since pytest 9
    ("tox.ini", "pytest", False),
    ("setup.cfg", "tool:pytest", False),
)


def pytest_options(folder: Path, *, greenlets: bool = False) -> FileChange | None:
    """Return the configuration with the options of pytest-asyncio, or None if it has them.

    pytest reads the first of its files that has a section for it. Without one this creates
    ``pytest.ini``.

    Arguments:
        folder: The folder of the project.
        greenlets: Whether to add the option of this package for lazy loads.

    Raises:
        PortError: A file of TOML has the options, and not in a table with a line of its own.
    """
    wanted = OPTIONS | GREENLETS if greenlets else OPTIONS
    for name, section, always in FILES:
        path = folder / name
        if not path.is_file():
            continue
        try:
            before = path.read_bytes()
        except OSError as error:
            raise PortError(f"{path}: {error.strerror}") from error
        text = before.decode(errors="surrogateescape")
        toml = name.endswith(".toml")
        known = _options(text, section, toml=toml)
        if known is None and not always:
            continue
        missing = {key: value for key, value in wanted.items() if key not in (known or {})}
        if not missing:
            return None
        if toml and known and not any(_is_head(line, section) for line in text.splitlines()):
            raise PortError(f"{path}: write the options of pytest in a table [{section}]")
        after = _added(text, section, missing, toml=toml)
        return FileChange(name, before, after.encode(errors="surrogateescape"))
    lines = "".join(f"{key} = {value}\n" for key, value in wanted.items())
    return FileChange("pytest.ini", None, f"[pytest]\n{lines}".encode())


def _options(text: str, section: str, *, toml: bool) -> dict[str, Any] | None:
    """Return the options in *section*, or None if there is no such section."""
    if toml:
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            return None
        found: dict[str, Any] = data
        for part in section.split("."):
            inner: Any = found.get(part)
            if not isinstance(inner, dict):
                return None
            found = {**inner}
        # The table [tool.pytest.ini_options] alone is not one with the options of pytest 9.
        return None if section == "tool.pytest" and not found else found
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return dict(parser[section]) if section in parser else None


def _is_head(line: str, section: str) -> bool:
    """Return whether *line* begins *section*; a comment may follow."""
    name = r"\s*\.\s*".join(map(re.escape, section.split(".")))
    return re.fullmatch(rf"\[\s*{name}\s*\]\s*([#;].*)?", line.strip()) is not None


def _added(text: str, section: str, options: dict[str, str], *, toml: bool) -> str:
    """Return *text* with options after the line of the section."""
    newline = "\r\n" if "\r\n" in text else "\n"
    new = ""
    for key, value in options.items():
        quote = '"' if toml and value != "true" else ""
        new += f"{key} = {quote}{value}{quote}{newline}"
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if _is_head(line, section):
            lines[number] = f"{line.rstrip()}{newline}{new}"
            return "".join(lines)
    head = f"[{section}]{newline}{new}"
    return f"{text.rstrip()}{newline}{newline}{head}" if text.strip() else head
