"""Where Flask-JWT-Extended stores the identity of a token.

In version 3 it was the claim ``identity``, and in version 4 it is ``sub``, which PyJWT 2.10 refuses
if it is no string.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from quartpatterns.porting.modernising.context import OldFile, OldProject
from quartpatterns.porting.modernising.jwt_loaders import LOADERS
from quartpatterns.porting.project import dotted_name
from quartpatterns.porting.settings import name_of_setting
from quartpatterns.porting.text_edits import end_of_line, indentation

__all__ = ["keep_identities"]

CREATE = ("create_access_token", "create_refresh_token")
CLAIM = "JWT_IDENTITY_CLAIM"
OLD_CLAIM = "identity"
NEW_CLAIM = "sub"
VERIFY = "JWT_VERIFY_SUB"
BESIDE = ("JWT_SECRET_KEY", "SECRET_KEY")


def keep_identities(project: OldProject) -> str:
    """Return the claim with the identity, and set what keeps it as it was.

    The settings are written beside the key. Without such a place, calls that create tokens are
    reported.
    """
    is_old = any(map(_uses_version_3, project.files))
    if is_old:
        _report_messages(project)
    if found := [*_values_of_claim(project)]:
        return found[0]
    if is_old and _set(project, CLAIM, f'"{OLD_CLAIM}"'):
        return OLD_CLAIM
    calls = [(old, node) for old in project.files for node in _calls(old)]
    is_set = any(VERIFY.encode() in old.file.text for old in project.files)
    if calls and not is_set and not _set(project, VERIFY, "False"):
        for old, call in calls:
            why = "PyJWT refuses an identity that is no string"
            old.report(call, why, f"set {VERIFY} = False, or write str() around the identity")
    return NEW_CLAIM


def _uses_version_3(old: OldFile) -> bool:
    return "flask_jwt_extended" in old.outdated or any(
        isinstance(node, cst.Attribute) and node.attr.value in LOADERS for node in old.file.spans
    )


def _report_messages(project: OldProject) -> None:
    for old in project.files:
        for node in old.file.spans:
            if isinstance(node, cst.Call):
                if old.full_name(node.func) == "flask_jwt_extended.JWTManager":
                    why = "version 4 of Flask-JWT-Extended has other messages of errors"
                    remedy = "look where clients and tests compare them"
                    old.report(node, why, remedy, "differs")


def _values_of_claim(project: OldProject) -> Iterator[str]:
    """Yield the strings that the project gives the setting."""
    for old in project.files:
        for node in old.file.spans:
            if name_of_setting(node, old.file) == CLAIM:
                for around in old.file.ancestors(node):
                    if isinstance(around, cst.Assign | cst.DictElement | cst.Arg):
                        value = around.value
                        if isinstance(value, cst.SimpleString):
                            yield str(value.evaluated_value)
                        break


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


def _set(project: OldProject, setting: str, value: str) -> bool:
    """Set *setting* wherever the project sets the key. Return whether it does."""
    found = False
    for key in BESIDE:
        for old in project.files:
            for node in old.file.spans:
                if name_of_setting(node, old.file) == key:
                    found |= _add_line(old, node, key, f"{setting} = {value}")
        if found:
            break
    return found


def _add_line(old: OldFile, node: cst.CSTNode, key: str, line: str) -> bool:
    """Add a line after the assignment of a key that *node* is in, if it is one."""
    statement = next((e for e in old.file.ancestors(node) if isinstance(e, cst.Assign)), None)
    if statement is None or len(statement.targets) != 1:
        return False
    parent = old.file.parents[statement]
    target = old.file.source(statement.targets[0].target)
    if not isinstance(parent, cst.SimpleStatementLine) or len(parent.body) > 1:
        return False
    if not target.endswith((key, f"{key}']", f'{key}"]')):
        return False
    setting, _, value = line.partition(" = ")
    new = f"{target.replace(key, setting)} = {value}"
    newline = old.file.tree.default_newline
    position = end_of_line(statement, old.file)
    old.edits.insert(position, f"{newline}{indentation(parent, old.file)}{new}")
    return True
