"""Forms of WTForms 2."""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.modernising.context import OldFile, OldProject

__all__ = ["modernise_forms"]


def modernise_forms(old: OldFile, project: OldProject) -> None:
    """Let ``validate()`` of forms take the argument that WTForms 3 passes."""
    if project.packages.isdisjoint({"flask_wtf", "wtforms"}):
        return
    for node in old.file.spans:
        if not isinstance(node, cst.ClassDef) or not isinstance(node.body, cst.IndentedBlock):
            continue
        if not any(old.file.source(base.value).endswith("Form") for base in node.bases):
            continue
        for method in node.body.body:
            if isinstance(method, cst.FunctionDef) and method.name.value == "validate":
                parameters = method.params
                if len(parameters.params) == 1 and not parameters.star_kwarg:
                    if not isinstance(parameters.star_arg, cst.Param):
                        end = old.file.spans[parameters.params[0]][1]
                        old.edits.insert(end, ", extra_validators=None")
