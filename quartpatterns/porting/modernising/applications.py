"""Attributes that applications and blueprints no longer have."""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.modernising.context import OldFile
from quartpatterns.porting.project import dotted_name
from quartpatterns.porting.rules import Rules
from quartpatterns.porting.text_edits import indentation

__all__ = ["modernise_applications"]

FIRST = {
    "before_first_request": "before_request",
    "before_app_first_request": "before_app_request",
}
ONCE = "from quartpatterns.subclassing.once import once"
BLUEPRINTS = ("blueprint", "bp")
APPLICATIONS = ("app", "application", "current_app", "self.app", "bp", "blueprint")


def modernise_applications(old: OldFile, rules: Rules) -> None:
    """Write the successors of removed attributes, or report them."""
    for node in old.file.spans:
        if isinstance(node, cst.Call):
            _blueprint(old, node)
        if not isinstance(node, cst.Attribute):
            continue
        name = node.attr.value
        if name in FIRST and _first_request(old, node):
            continue
        if name in rules.removed and old.file.source(node.value) in APPLICATIONS:
            old.report(node, f"applications have no {name} any more", rules.removed[name])


def _blueprint(old: OldFile, node: cst.Call) -> None:
    """Report an extension that is given a blueprint."""
    name = dotted_name(node.func).rpartition(".")[2]
    if name == "init_app" and node.args and node.args[0].keyword is None:
        if dotted_name(node.args[0].value).rpartition(".")[2] in BLUEPRINTS:
            why = "a blueprint cannot be set up after an application has registered it"
            remedy = "if several applications are created, as in tests, pass the application"
            old.report(node, why, remedy, "differs")


def _first_request(old: OldFile, node: cst.Attribute) -> bool:
    """Write a function for the first request as one that runs once, before a request."""
    file = old.file
    parent = file.parents[node]
    if isinstance(parent, cst.Decorator):
        indent = indentation(parent, file)
        old.edits.insert(file.spans[parent][1], f"{file.tree.default_newline}{indent}@once")
    elif isinstance(parent, cst.Call) and parent.func is node and len(parent.args) == 1:
        old.edits.wrap(parent.args[0], "once(", ")")
    else:
        return False
    old.edits.replace(node.attr, FIRST[node.attr.value])
    old.add_import(ONCE)
    return True
