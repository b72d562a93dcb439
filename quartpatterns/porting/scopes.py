"""Find the names that each module, class, function and comprehension assigns."""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.project import PythonFile
from quartpatterns.porting.values import FunctionInfo, Scope

__all__ = ["COMPREHENSIONS", "build_scopes", "function_of"]

COMPREHENSIONS = (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)
_SCOPES = (cst.FunctionDef, cst.ClassDef, cst.Lambda, *COMPREHENSIONS)


def build_scopes(file: PythonFile) -> dict[cst.CSTNode, Scope]:
    """Return the scopes of a file by the nodes that open them."""
    module = Scope(file, file.tree, None)
    scopes: dict[cst.CSTNode, Scope] = {file.tree: module}
    pending: list[tuple[cst.CSTNode, Scope]] = [(file.tree, module)]
    while pending:
        node, scope = pending.pop()
        for child in node.children:
            inner = scope
            if isinstance(child, _SCOPES):
                inner = scopes[child] = Scope(file, child, scope)
                if isinstance(child, cst.FunctionDef | cst.ClassDef):
                    scope.names.add(child.name.value)
            _declare(child, inner)
            pending.append((child, inner))
    for scope in scopes.values():
        scope.names -= scope.global_names
    return scopes


def _declare(node: cst.CSTNode, scope: Scope) -> None:
    """Add the names that *node* assigns to *scope*."""
    if isinstance(node, cst.Param):
        scope.names.add(node.name.value)
    elif isinstance(node, cst.AssignTarget | cst.CompFor | cst.For):
        _add_targets(node.target, scope)
    elif isinstance(node, cst.AnnAssign | cst.AugAssign):
        _add_targets(node.target, scope)
    elif isinstance(node, cst.NamedExpr):
        while isinstance(scope.node, COMPREHENSIONS) and scope.parent:
            scope = scope.parent
        _add_targets(node.target, scope)
    elif isinstance(node, cst.AsName):
        _add_targets(node.name, scope)
    elif isinstance(node, cst.ImportAlias) and node.asname is None:
        name: cst.BaseExpression = node.name
        while isinstance(name, cst.Attribute):
            name = name.value
        _add_targets(name, scope)
    elif isinstance(node, cst.Global):
        scope.global_names |= {item.name.value for item in node.names}
    elif isinstance(node, cst.Nonlocal):
        scope.global_names |= {item.name.value for item in node.names}
    elif isinstance(node, cst.MatchAs | cst.MatchStar) and node.name is not None:
        scope.names.add(node.name.value)


def _add_targets(target: cst.BaseExpression, scope: Scope) -> None:
    if isinstance(target, cst.Name):
        scope.names.add(target.value)
    elif isinstance(target, cst.Tuple | cst.List):
        for element in target.elements:
            _add_targets(element.value, scope)
    elif isinstance(target, cst.StarredElement):
        _add_targets(target.value, scope)


def function_of(scope: Scope | None) -> FunctionInfo | None:
    """Return the function whose body *scope* belongs to; None in a lambda, class or module."""
    while scope is not None:
        if scope.function is not None:
            return scope.function
        if isinstance(scope.node, cst.Lambda | cst.ClassDef):
            return None
        scope = scope.parent
    return None
