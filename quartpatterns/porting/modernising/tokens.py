"""PyJWT 1, whose ``encode()`` returned bytes, and whose ``decode()`` needed no algorithms."""

from __future__ import annotations

import re

import libcst as cst

from quartpatterns.porting.modernising.cascades import requirements
from quartpatterns.porting.modernising.context import OldFile, OldProject

__all__ = ["modernise_tokens"]

OLD = re.compile(r"(?im)^\W*pyjwt\W+[01]\.")
DEFAULT = "HS256"  # the algorithm of encode()
OPTIONS = ', options={"verify_sub": False}'  # PyJWT 2.10 refuses a subject that is no string.


def modernise_tokens(project: OldProject) -> None:
    """Write calls of PyJWT 2 that do the same, if the project requires PyJWT 1."""
    if "jwt" not in project.packages:
        return
    files = requirements(project.project.folder)
    if any(OLD.search(path.read_text(encoding="utf-8", errors="replace")) for path in files):
        calls = [
            (old, node)
            for old in project.files
            for node in old.file.spans
            if isinstance(node, cst.Call)
        ]
        known = {
            _algorithm(node) for old, node in calls if old.full_name(node.func) == "jwt.encode"
        }
        for old, node in calls:
            _call(old, node, known or {DEFAULT})


def _algorithm(node: cst.Call) -> str | None:
    """Return the algorithm of a call of ``encode()``, or ``None`` if it is not known."""
    given = [arg.value for arg in node.args if arg.keyword and arg.keyword.value == "algorithm"]
    plain = [arg.value for arg in node.args if arg.keyword is None]
    if not (values := given or plain[2:]):
        return DEFAULT
    value = values[0]
    return str(value.evaluated_value) if isinstance(value, cst.SimpleString) else None


def _call(old: OldFile, node: cst.Call, known: set[str | None]) -> None:
    name = old.full_name(node.func)
    end = old.file.spans[node][1]
    if name == "jwt.encode":
        parent = old.file.parents[node]
        if not isinstance(parent, cst.Attribute) or parent.attr.value != "encode":
            old.edits.insert(end, ".encode()")
    elif name == "jwt.decode" and len(node.args) > 1:
        keywords = {arg.keyword.value for arg in node.args if arg.keyword}
        positional = len(node.args) - len(keywords)
        position = old.file.spans[node.args[-1]][1]
        if positional > 2 or "verify" in keywords:
            remedy = "write algorithms=[...], and options={'verify_signature': False} for False"
            old.report(node, "decode() of PyJWT 2 has no 'verify'", remedy)
        elif "algorithms" not in keywords and not any(arg.star for arg in node.args):
            if None in known:
                old.report(node, "decode() needs the algorithms", "write algorithms=[...]")
                return
            names = ", ".join(f'"{name}"' for name in sorted(filter(None, known)))
            options = "" if "options" in keywords else OPTIONS
            old.edits.insert(position, f", algorithms=[{names}]{options}")
