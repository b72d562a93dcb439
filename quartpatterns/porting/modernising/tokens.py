"""PyJWT 1, whose ``encode()`` returned bytes, and whose ``decode()`` needed no algorithms."""

from __future__ import annotations

import re

import libcst as cst

from quartpatterns.porting.modernising.cascades import requirements
from quartpatterns.porting.modernising.context import OldFile, OldProject

__all__ = ["modernise_tokens"]

OLD = re.compile(r"(?im)^\W*pyjwt\W+[01]\.")
ALGORITHMS = ', algorithms=["HS256"]'  # the default of encode()
OPTIONS = ', options={"verify_sub": False}'  # PyJWT 2.10 refuses a subject that is no string.


def modernise_tokens(project: OldProject) -> None:
    """Write calls of PyJWT 2 that do the same, if the project requires PyJWT 1."""
    if "jwt" not in project.packages:
        return
    files = requirements(project.project.folder)
    if any(OLD.search(path.read_text(encoding="utf-8", errors="replace")) for path in files):
        for old in project.files:
            for node in old.file.spans:
                if isinstance(node, cst.Call):
                    _call(old, node)


def _call(old: OldFile, node: cst.Call) -> None:
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
        if "algorithms" not in keywords and positional < 4 and not any(a.star for a in node.args):
            if "options" not in keywords:
                old.edits.insert(position, ALGORITHMS + OPTIONS)
            else:
                old.edits.insert(position, ALGORITHMS)
