"""Settings that a helper refuses, and URLs of databases with drivers that block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module

import libcst as cst

from quartpatterns._shared.declarations import Declarations
from quartpatterns.porting.project import PythonFile, SourceProject
from quartpatterns.porting.rules import Rules

__all__ = ["is_declared", "name_of_setting", "refused_settings"]

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
        settings = _declarations(name)
        for file in project.files:
            for node in file.spans:
                name = name_of_setting(node, file)
                if name in settings.instead:
                    yield file, node, f"{name} is not supported", settings.instead[name]
                elif name.startswith(settings.prefixes) and settings.find(name) is None:
                    yield file, node, f"{name} is unknown", "remove it"
    for file in project.files if "flask_sqlalchemy" in rules.settings else ():
        for node in file.spans:
            if isinstance(node, cst.SimpleString) and (match := URL.match(_text(node))):
                if match["driver"] not in ASYNCHRONOUS:
                    why = f"{match['driver']} blocks the event loop, and is refused"
                    yield file, node, why, f"write {match['database']}:// without a driver"


def is_declared(name: str, rules: Rules) -> bool:
    """Return whether a helper of the rules knows the setting *name*, or refuses it."""
    helpers = map(_declarations, rules.settings.values())
    return any(name.startswith(settings.prefixes) for settings in helpers)


def _declarations(helper: str) -> Declarations:
    settings: Declarations = import_module(f"quartpatterns._shared.settings_of.{helper}").SETTINGS
    return settings


def name_of_setting(node: cst.CSTNode, file: PythonFile) -> str:
    """Return the name of a setting that *node* sets: a key, a keyword or a variable."""
    parent = file.parents.get(node)
    if isinstance(node, cst.Name):
        is_set = isinstance(parent, cst.AssignTarget | cst.AnnAssign) and parent.target is node
        is_keyword = isinstance(parent, cst.Arg) and parent.keyword is node
        return node.value if is_set or is_keyword else ""
    if isinstance(parent, cst.DictElement) and parent.key is node:
        return _text(node)
    if isinstance(parent, cst.Index):
        owner = file.parents[file.parents[parent]]
        environ = isinstance(owner, cst.Subscript) and file.source(owner.value).endswith("environ")
        return "" if environ else _text(node)
    return ""


def _text(node: cst.CSTNode) -> str:
    value = node.evaluated_value if isinstance(node, cst.SimpleString) else ""
    return value if isinstance(value, str) else ""
