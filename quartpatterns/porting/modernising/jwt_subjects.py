"""Identities in tokens that are no strings, which PyJWT 2.10 refuses.

Flask-JWT-Extended accepts them if ``JWT_VERIFY_SUB`` is false.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from quartpatterns.porting.modernising.context import OldFile, OldProject
from quartpatterns.porting.project import dotted_name
from quartpatterns.porting.settings import name_of_setting
from quartpatterns.porting.text_edits import end_of_line, indentation

__all__ = ["accept_subjects"]

CREATE = ("create_access_token", "create_refresh_token")
SETTING = "JWT_VERIFY_SUB"
BESIDE = ("JWT_SECRET_KEY", "SECRET_KEY")


def accept_subjects(project: OldProject) -> None:
    """Set ``JWT_VERIFY_SUB`` beside the key, or report the calls that create tokens."""
    calls = [(old, node) for old in project.files for node in _calls(old)]
    if not calls or any(SETTING.encode() in old.file.text for old in project.files):
        return
    found = False
    for name in BESIDE:
        for old in project.files:
            for node in old.file.spans:
                if name_of_setting(node, old.file) == name:
                    found |= _set(old, node, name)
        if found:
            return
    for old, call in calls:
        why = "PyJWT refuses an identity that is no string"
        old.report(call, why, f"set {SETTING} = False, or write str() around the identity")


def _calls(old: OldFile) -> Iterator[cst.Call]:
    """Yield the calls that create a token for an identity that may be no string."""
    for node in old.file.spans:
        if isinstance(node, cst.Call) and node.args and not old.file.is_test:
            if dotted_name(node.func).rpartition(".")[2] in CREATE:
                value = next(
                    (a.value for a in node.args if a.keyword and a.keyword.value == "identity"),
                    node.args[0].value,
                )
                is_text = isinstance(value, cst.SimpleString | cst.FormattedString) or (
                    isinstance(value, cst.Call) and dotted_name(value.func) == "str"
                )
                if not is_text:
                    yield node


def _set(old: OldFile, node: cst.CSTNode, name: str) -> bool:
    """Add a line after the one that sets *name*, if it is an assignment."""
    statement = next((e for e in old.file.ancestors(node) if isinstance(e, cst.Assign)), None)
    if statement is None or len(statement.targets) != 1:
        return False
    line = old.file.parents[statement]
    target = old.file.source(statement.targets[0].target)
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) > 1:
        return False
    if not target.endswith((name, f"{name}']", f'{name}"]')):
        return False
    new = f"{target.replace(name, SETTING)} = False"
    position = end_of_line(statement, old.file)
    old.edits.insert(position, f"{old.file.tree.default_newline}{indentation(line, old.file)}{new}")
    return True
