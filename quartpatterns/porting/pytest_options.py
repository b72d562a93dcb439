"""Make pytest await asynchronous tests and fixtures."""

from __future__ import annotations

import configparser
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["OptionsFile", "pytest_options"]

OPTIONS = {
    "asyncio_mode": "auto",
    # Applications, clients and databases belong to one event loop, as in a server.
    "asyncio_default_fixture_loop_scope": "session",
    "asyncio_default_test_loop_scope": "session",
}


@dataclass(frozen=True, slots=True)
class OptionsFile:
    """A configuration file with its new text."""

    path: Path
    text: str
    before: str | None


def pytest_options(folder: Path) -> OptionsFile | None:
    """Return the configuration with the options of pytest-asyncio, or None if it has them.

    pytest reads the first of ``pytest.ini``, ``pyproject.toml``, ``tox.ini`` and ``setup.cfg`` that
    has a section for it. Without one this creates ``pytest.ini``.
    """
    for name, section, always in (
        ("pytest.ini", "pytest", True),
        (".pytest.ini", "pytest", True),
        ("pyproject.toml", "tool.pytest.ini_options", False),
        ("tox.ini", "pytest", False),
        ("setup.cfg", "tool:pytest", False),
    ):
        path = folder / name
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        known = _options(text, section, toml=name.endswith(".toml"))
        if known is None and not always:
            continue
        missing = {key: value for key, value in OPTIONS.items() if key not in (known or {})}
        if not missing:
            return None
        return OptionsFile(path, _added(text, section, missing, toml=name.endswith(".toml")), text)
    lines = "".join(f"{key} = {value}\n" for key, value in OPTIONS.items())
    return OptionsFile(folder / "pytest.ini", f"[pytest]\n{lines}", None)


def _options(text: str, section: str, *, toml: bool) -> dict[str, Any] | None:
    """Return the options in *section*, or None if there is no such section."""
    if toml:
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            return None
        *parents, last = section.split(".")
        for part in parents:
            data = data.get(part, {})
        return data.get(last)
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return dict(parser[section]) if section in parser else None


def _added(text: str, section: str, options: dict[str, str], *, toml: bool) -> str:
    """Return *text* with options after the line of the section."""
    quote = '"' if toml else ""
    lines = "".join(f"{key} = {quote}{value}{quote}\n" for key, value in options.items())
    head = f"[{section}]"
    for line in text.splitlines(keepends=True):
        if line.strip() == head:
            return text.replace(line, f"{line.rstrip()}\n{lines}", 1)
    return f"{text.rstrip()}\n\n{head}\n{lines}" if text.strip() else f"{head}\n{lines}"
