"""Settings, and their values, that extensions no longer know."""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.modernising.context import OldFile, OldProject
from quartpatterns.porting.project import PythonFile
from quartpatterns.porting.settings import is_declared, name_of_setting

__all__ = ["modernise_settings"]


def modernise_settings(old: OldFile, project: OldProject) -> None:
    """Write the new values of settings such as ``CACHE_TYPE``, and report what nothing reads."""
    values = {
        name.partition(".")[2]: table
        for name, table in project.rules.setting_values.items()
        if name.partition(".")[0] in project.packages
    }
    for node in old.file.spans:
        if isinstance(node, cst.SimpleString):
            for setting, table in values.items():
                new = table.get(str(node.evaluated_value))
                if new is not None and setting in _names_of(node, old.file):
                    old.edits.replace(node, f"{node.quote}{new}{node.quote}")
        name = name_of_setting(node, old.file)
        if name in project.rules.old_settings and not is_declared(name, project.rules):
            remedy = project.rules.old_settings[name]
            old.report(node, f"nothing reads {name} any more", remedy, "differs")


def _names_of(node: cst.SimpleString, file: PythonFile) -> set[str]:
    """Return the names and keys that get a string as their value, or are compared with it."""
    parent = file.parents[node]
    keys: list[cst.CSTNode] = []
    if isinstance(parent, cst.DictElement) and parent.value is node:
        keys = [parent.key]
    elif isinstance(parent, cst.Assign):
        keys = [target.target for target in parent.targets]
    elif isinstance(parent, cst.AnnAssign):
        keys = [parent.target]
    elif isinstance(parent, cst.ComparisonTarget):
        comparison = file.parents[parent]
        keys = [comparison.left] if isinstance(comparison, cst.Comparison) else []
    elif isinstance(parent, cst.Arg):  # CACHE_TYPE="...", get("CACHE_TYPE", "...")
        call = file.parents[parent]
        keys = [parent.keyword] if parent.keyword else []
        if isinstance(call, cst.Call) and call.args[0] is not parent:
            keys.append(call.args[0].value)
    found: set[str] = set()
    for key in keys:
        if isinstance(key, cst.Subscript):
            index = key.slice[0].slice
            key = index.value if isinstance(index, cst.Index) else key
        if isinstance(key, cst.SimpleString):
            found.add(str(key.evaluated_value))
        elif isinstance(key, cst.Name):
            found.add(key.value)
    return found
