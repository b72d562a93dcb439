"""Forms of marshmallow 2."""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.modernising.context import OldFile, OldProject
from quartpatterns.porting.project import dotted_name
from quartpatterns.porting.text_edits import remove_items

__all__ = ["modernise_schemas"]

# Methods with these decorators get keyword arguments in version 3 or 4.
HOOKS = ("post_dump", "post_load", "pre_dump", "pre_load", "validates", "validates_schema")
OLD_SCHEMAS = {"ModelSchema": "SQLAlchemyAutoSchema", "TableSchema": "SQLAlchemyAutoSchema"}
RESULTS = ("dump", "dumps", "load", "loads")
SUCCESSOR = (
    "inherit from SQLAlchemyAutoSchema, with 'include_relationships = True' and"
    " 'load_instance = True' in Meta if it is a ModelSchema"
)
VALIDATES = (
    "load() raises marshmallow.ValidationError: its attribute messages has the errors, and"
    " valid_data the rest"
)


def modernise_schemas(old: OldFile, project: OldProject) -> None:
    """Write what marshmallow 3 has instead, or report it."""
    if project.packages.isdisjoint({"marshmallow", "flask_marshmallow", "marshmallow_sqlalchemy"}):
        return
    for node in old.file.spans:
        if isinstance(node, cst.FunctionDef):
            _hook(old, node)
        elif isinstance(node, cst.Attribute):
            _attribute(old, node)
        elif isinstance(node, cst.Assign):
            _errors(old, node)
        elif isinstance(node, cst.Call):
            _strict(old, node)
        elif isinstance(node, cst.ImportAlias):
            _old_schema(old, node, dotted_name(node.name))


def _hook(old: OldFile, function: cst.FunctionDef) -> None:
    """Let a method such as ``@post_load`` take keyword arguments."""
    for decorator in function.decorators:
        node = decorator.decorator
        name = old.full_name(node.func if isinstance(node, cst.Call) else node)
        if not name.startswith("marshmallow.") or name.rpartition(".")[2] not in HOOKS:
            continue
        parameters = function.params
        if parameters.star_kwarg is not None or not parameters.params:
            return
        known = {each.name.value for each in (*parameters.params, *parameters.kwonly_params)}
        if "many" in known and "partial" in known:
            return
        last = (*parameters.params, *parameters.kwonly_params)[-1]
        end = old.file.spans[last][1]
        old.edits.insert(end, ", **kwargs")
        return


def _attribute(old: OldFile, node: cst.Attribute) -> None:
    """Write ``schema.dump(x)`` for ``schema.dump(x).data``."""
    name = node.attr.value
    _old_schema(old, node, name)
    call = node.value
    if name not in ("data", "errors") or not isinstance(call, cst.Call):
        return
    method = dotted_name(call.func).rpartition(".")[2] if call.args else ""
    if not isinstance(call.func, cst.Attribute) or call.func.attr.value not in RESULTS:
        return
    method = call.func.attr.value
    if name == "errors":
        old.report(node, f"{method}() returns no errors any more", VALIDATES)
        return
    old.edits.replace_span(old.file.spans[call][1], old.file.spans[node][1], "")
    if method.startswith("load"):
        old.report(node, f"{method}() returned errors", VALIDATES, "differs")


def _errors(old: OldFile, node: cst.Assign) -> None:
    """Report ``data, errors = schema.load(x)``."""
    call = node.value
    target = node.targets[0].target
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return
    if isinstance(target, cst.Tuple) and len(target.elements) == 2:
        if call.func.attr.value in RESULTS and "chema" in old.file.source(call.func.value):
            method = call.func.attr.value
            old.report(node, f"{method}() returns no errors any more", VALIDATES)


def _strict(old: OldFile, node: cst.Call) -> None:
    """Remove ``strict=True``: schemas are strict always."""
    if not dotted_name(node.func).endswith("Schema"):
        return
    removed = [arg for arg in node.args if arg.keyword and arg.keyword.value == "strict"]
    if removed:
        remove_items(old.edits, node.args, removed)


def _old_schema(old: OldFile, node: cst.CSTNode, name: str) -> None:
    if name in OLD_SCHEMAS:
        old.report(node, f"marshmallow has no {name} any more", SUCCESSOR)
