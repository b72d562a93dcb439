"""Flask-Login 0.2: ``is_authenticated()`` and the like are attributes now."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libcst as cst

from quartpatterns.porting.modernising.context import OldFile, OldProject
from quartpatterns.porting.project import is_source
from quartpatterns.porting.text_edits import indentation

__all__ = ["modernise_logins"]

TEMPLATES = (".html", ".htm", ".jinja", ".jinja2", ".j2", ".txt", ".xml")
CALL = re.compile(rb"(\{[{%][^{}]*?\.(?:is_active|is_anonymous|is_authenticated))\(\)")
CALL_OF_CURRENT_USER = re.compile(
    rb"(\{[{%][^{}]*?\bcurrent_user\.(?:is_active|is_anonymous|is_authenticated))\(\)"
)
FLAGS = ("is_active", "is_anonymous", "is_authenticated")


def modernise_logins(project: OldProject) -> dict[str, bytes]:
    """Make methods of users properties, and read them without parentheses.

    Return the new texts of templates that call one of them.
    """
    if "flask_login" not in project.packages:
        return {}
    others = _methods_of_others(project)
    pattern = CALL_OF_CURRENT_USER if others else CALL
    templates = dict(_templates(project.project.folder, pattern))
    calls = [(old, call) for old in project.files for call in _calls(old)]
    calls = [(old, call) for old, call in calls if not _may_be_other(old, call, others)]
    if not calls and not templates:
        return {}  # The project is written for Flask-Login 0.3 or newer.
    for old in project.files:
        for node in old.file.spans:
            if isinstance(node, cst.ClassDef) and _is_user(node):
                for method in _flags(node):
                    _make_property(old, method)
    for old, call in calls:
        old.edits.replace(call, old.file.source(call.func))
    return templates


def _methods_of_others(project: OldProject) -> set[str]:
    """Return the methods of these names in classes that are no users."""
    return {
        method.name.value
        for old in project.files
        for node in old.file.spans
        if isinstance(node, cst.ClassDef) and not _is_user(node)
        for method in _flags(node)
    }


def _may_be_other(old: OldFile, call: cst.Call, others: set[str]) -> bool:
    """Return whether a call may be of such a method: it stays."""
    function: Any = call.func
    owner = old.full_name(function.value)
    return function.attr.value in others and owner != "flask_login.current_user"


def _calls(old: OldFile) -> Iterator[cst.Call]:
    for node in old.file.spans:
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and not node.args:
            if node.func.attr.value in FLAGS:
                yield node


def _templates(folder: Path, pattern: re.Pattern[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the templates that call one of the methods, with their new texts."""
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if is_source(Path(base, name)))
        for path in (Path(base, name) for name in sorted(names) if name.endswith(TEMPLATES)):
            if path.is_symlink() or not path.is_file():
                continue
            try:
                old = path.read_bytes()
            except OSError:
                continue  # Files without templates need not be readable.
            new, count = pattern.subn(rb"\1", old)
            while count:  # several in one tag
                new, count = pattern.subn(rb"\1", new)
            if new != old:
                yield path.relative_to(folder).as_posix(), new


def _is_user(node: cst.ClassDef) -> bool:
    """Return whether a class has two methods that users have, or inherits some."""
    body = node.body.body if isinstance(node.body, cst.IndentedBlock) else ()
    names = {each.name.value for each in body if isinstance(each, cst.FunctionDef)}
    bases = [cst.Module([]).code_for_node(base.value) for base in node.bases]
    return len(names & {*FLAGS, "get_id"}) > 1 or any(base.endswith("UserMixin") for base in bases)


def _flags(node: cst.ClassDef) -> list[cst.FunctionDef]:
    """Return the methods that are no properties yet."""
    body = node.body.body if isinstance(node.body, cst.IndentedBlock) else ()
    return [
        each
        for each in body
        if isinstance(each, cst.FunctionDef)
        and each.name.value in FLAGS
        and not each.decorators
        and len(each.params.params) == 1
    ]


def _make_property(old: OldFile, method: cst.FunctionDef) -> None:
    indent = indentation(method, old.file)
    newline = old.file.tree.default_newline
    old.edits.insert(old.file.spans[method][0], f"@property{newline}{indent}")
