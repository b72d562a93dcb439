"""Pass functions that select a locale or time zone to Flask-Babel's ``init_app()``.

Flask-Babel 2 had the decorators ``@babel.localeselector`` and ``@babel.timezoneselector``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import libcst as cst

from quartpatterns.porting.project import (
    PythonFile,
    SourceProject,
    absolute_module,
    dotted_name,
)
from quartpatterns.porting.text_edits import Edits

__all__ = ["pass_selectors"]

KEYWORDS = {"localeselector": "locale_selector", "timezoneselector": "timezone_selector"}


def pass_selectors(
    project: SourceProject, edits: Mapping[PythonFile, Edits]
) -> Iterator[tuple[PythonFile, cst.CSTNode, str]]:
    """Replace the decorators, and yield those whose ``init_app()`` is not found."""
    for file in project.files:
        for node in file.spans:
            if isinstance(node, cst.Call):
                name = dotted_name(node.func).rpartition(".")[2]
                if name in KEYWORDS:
                    yield file, node, KEYWORDS[name]
            if not isinstance(node, cst.FunctionDef):
                continue
            for index, decorator in enumerate(node.decorators):
                owner, _, name = dotted_name(decorator.decorator).rpartition(".")
                if name not in KEYWORDS or not owner:
                    continue
                if _pass(project, edits, file, node, owner, KEYWORDS[name]):
                    following = (*node.decorators[index + 1 :], node)[0]
                    start = file.spans[decorator][0]
                    edits[file].replace_span(start, file.spans[following][0], "")
                else:
                    yield file, decorator, KEYWORDS[name]


def _pass(
    project: SourceProject,
    edits: Mapping[PythonFile, Edits],
    file: PythonFile,
    function: cst.FunctionDef,
    owner: str,
    keyword: str,
) -> bool:
    """Pass *function* wherever the object *owner* is given an application."""
    place = _place(function, file)
    name = function.name.value
    found = False
    for call in _initialisations(owner, file, constructor=True):
        inside = _place(call, file)
        if place is not file.tree and inside is not place:
            continue
        later = place is inside  # The function is defined after this call, perhaps.
        _add(edits[file], call, keyword, f"lambda: {name}()" if later else name)
        found = True
    if place is not file.tree:
        return found
    for other in project.files:
        for node in other.spans if other is not file else ():
            if not isinstance(node, cst.ImportFrom) or isinstance(node.names, cst.ImportStar):
                continue
            if project.resolve(absolute_module(node, other), other) is not file:
                continue
            for alias in node.names:
                if dotted_name(alias.name) != owner:
                    continue
                bound = other.source(alias.asname.name) if alias.asname else owner
                for call in _initialisations(bound, other, constructor=False):
                    taken = any(
                        isinstance(each, cst.Name) and each.value == name for each in other.spans
                    )
                    new = f"select_{keyword.partition('_')[0]}" if taken else name
                    source = name if new == name else f"{name} as {new}"
                    edits[other].insert_once(other.spans[alias][1], f", {source}")
                    _add(edits[other], call, keyword, new)
                    found = True
    return found


def _initialisations(owner: str, file: PythonFile, *, constructor: bool) -> Iterator[cst.Call]:
    """Yield the calls of ``owner.init_app(app)``, and of ``owner = Babel(app)``."""
    for node in file.spans:
        if isinstance(node, cst.Call) and node.args:
            parent = file.parents[node]
            if dotted_name(node.func) == f"{owner}.init_app" or (
                constructor
                and dotted_name(node.func).rpartition(".")[2] == "Babel"
                and isinstance(parent, cst.Assign)
                and any(file.source(each.target) == owner for each in parent.targets)
            ):
                yield node


def _place(node: cst.CSTNode, file: PythonFile) -> cst.CSTNode:
    """Return the function or module that contains *node*."""
    functions = (each for each in file.ancestors(node) if isinstance(each, cst.FunctionDef))
    return next(functions, file.tree)


def _add(edits: Edits, call: cst.Call, keyword: str, value: str) -> None:
    edits.insert(edits.file.spans[call.args[-1]][1], f", {keyword}={value}")
