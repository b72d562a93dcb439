"""Settings that a helper refuses, and URLs of databases with drivers that block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module

import libcst as cst

from quartpatterns._shared.declarations import Declarations
from quartpatterns.porting.project import PythonFile, SourceProject
from quartpatterns.porting.rules import Rules

__all__ = ["refused_settings"]

URL = re.compile(r"(?P<database>mariadb|mssql|mysql|oracle|postgresql)\+(?P<driver>\w+)://")
ASYNCHRONOUS = {"aiomysql", "aioodbc", "asyncmy", "asyncpg", "oracledb", "psycopg"}


def refused_settings(
    project: SourceProject, rules: Rules
) -> Iterator[tuple[PythonFile, cst.CSTNode, str, str]]:
    """Yield the names and strings that the helpers refuse: file, place, reason and remedy."""
    for extension, name in rules.settings.items():
        modules = extension.encode(), rules.modules[extension].encode()
        if not any(module in file.text for file in project.files for module in modules):
            continue
        settings: Declarations = import_module(f"quartpatterns._shared.settings_of.{name}").SETTINGS
        for file in project.files:
            for node in file.spans:
                text = _text(node)
                if text in settings.instead:
                    yield file, node, f"{text} is not supported", settings.instead[text]
                elif text.isidentifier() and text.startswith(settings.prefixes):
                    if text not in settings:
                        yield file, node, f"{text} is unknown", "remove it"
    for file in project.files if "flask_sqlalchemy" in rules.settings else ():
        for node in file.spans:
            if isinstance(node, cst.SimpleString) and (match := URL.match(_text(node))):
                if match["driver"] not in ASYNCHRONOUS:
                    why = f"{match['driver']} blocks the event loop, and is refused"
                    yield file, node, why, f"write {match['database']}:// without a driver"


def _text(node: cst.CSTNode) -> str:
    if isinstance(node, cst.SimpleString):
        value = node.evaluated_value
        return value if isinstance(value, str) else ""
    return node.value if isinstance(node, cst.Name) else ""
