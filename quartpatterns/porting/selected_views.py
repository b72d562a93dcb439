"""The views that ``--only`` names, and the others that have to be asynchronous with them."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from quartpatterns._shared.suggestions import did_you_mean
from quartpatterns.porting.analysis import Analysis, reached
from quartpatterns.porting.project import PortError, PythonFile, SourceProject, dotted_name
from quartpatterns.porting.values import FunctionInfo, Method

__all__ = ["Prefixes", "select_views"]

LISTED = 10  # routes that an error lists


def select_views(analysis: Analysis, names: Sequence[str]) -> None:
    """Make the views that *names* select asynchronous, and those that must not run in threads.

    Other views stay as they are, unless something in them has to be awaited. They run in threads.
    So a view that uses ``g`` or ``sqlite3`` becomes asynchronous as well: hooks run on the event
    loop, and a connection that one of them opens can only be used there.

    Arguments:
        analysis: The analysis, without the views that await nothing.
        names: Modules, packages or files, and routes, which begin with a slash.

    Raises:
        PortError: A name selects no view.
    """
    views = [info for info in analysis.functions.values() if info.routes]
    for name in names:
        selected = [info for info in views if _is_selected(info, name)]
        if not selected:
            raise PortError(f"--only {name}: {_explain(name, views, analysis.project)}")
        for info in selected:
            analysis.make_async(info, "the application calls it for requests")
    called = analysis.called()
    bound = {
        user: what
        for node, (file, what) in analysis.bound.items()
        if (user := analysis.enclosing(node, file)) is not None
    }
    for info in views:
        for function in reached([info], called) & bound.keys():
            analysis.make_async(info, f"{bound[function]} must stay in one thread")


def _is_selected(info: FunctionInfo, name: str) -> bool:
    if name.startswith("/"):
        return any(name in route.urls for route in info.routes)
    return any(_is_in(file, name) for file in (info.file, *(route.file for route in info.routes)))


def _is_in(file: PythonFile, name: str) -> bool:
    return name in (file.module, file.name) or file.module.startswith(f"{name}.")


def _explain(name: str, views: Sequence[FunctionInfo], project: SourceProject) -> str:
    """Return why *name* selects nothing."""
    routes = sorted({url for info in views for route in info.routes for url in route.urls})
    if name.startswith("/"):
        more = ", ..." if len(routes) > LISTED else ""
        listed = f"; the routes are {', '.join(routes[:LISTED])}{more}" if routes else ""
        hint = did_you_mean(name, routes, before="; ", otherwise=listed)
        return f"the project has no such route{hint}"
    if any(_is_in(file, name) for file in project.files):
        modules = sorted({route.file.module for info in views for route in info.routes})
        return f"this module has no view; those with views are {', '.join(modules)}"
    modules = [file.module for file in project.files if not file.is_test]
    hint = did_you_mean(name, modules, before="; ")
    return f"the project has no such module, and a route begins with a slash{hint}"


class Prefixes:
    """The prefixes that blueprints add to their rules."""

    def __init__(self, project: SourceProject) -> None:
        self._of: dict[tuple[PythonFile, str], set[str]] = {}
        registered: list[tuple[PythonFile, str, str, set[str]]] = []
        for file in project.files:
            for call in (node for node in file.spans if isinstance(node, cst.Call)):
                parent = file.parents[call]
                if isinstance(parent, cst.Assign | cst.AnnAssign) and file.source(
                    call.func
                ).endswith("Blueprint"):
                    targets = parent.targets if isinstance(parent, cst.Assign) else [parent]
                    for target in targets:
                        prefixes = self._of.setdefault((file, dotted_name(target.target)), set())
                        prefixes |= _prefix(call)
                elif isinstance(call.func, cst.Attribute) and call.args:
                    if call.func.attr.value == "register_blueprint":
                        name = dotted_name(call.args[0].value)
                        parent_name = dotted_name(call.func.value)
                        registered.append((file, parent_name, name, _prefix(call)))
        self._everywhere: set[str] = set()  # of blueprints that were not found
        for file, _, name, given in registered:
            for prefixes in self._found(file, name) or [self._everywhere]:
                prefixes |= given
        own = {id(prefixes): prefixes | {""} for prefixes in self._of.values()}
        for _ in registered:  # A blueprint in a blueprint, as deep as they are nested.
            for file, parent_name, name, _ in registered:
                for outer in self._found(file, parent_name):
                    for prefixes in self._found(file, name):
                        if prefixes is not outer:
                            prefixes |= {
                                before.rstrip("/") + after
                                for before in outer
                                for after in own[id(prefixes)]
                            }

    def _found(self, file: PythonFile, name: str) -> list[set[str]]:
        """Return the prefixes of the blueprints that a variable can be."""
        module, _, variable = _imported(file, name).rpartition(".")
        return [
            prefixes
            for (place, own), prefixes in self._of.items()
            if own == variable
            and (place is file if not module else place.module.split(".")[-1] == module)
        ]

    def urls(self, method: Method, node: cst.Call, file: PythonFile, rule: str) -> set[str]:
        """Return the URLs that *rule* can have: alone, and with the prefixes of its blueprint.

        Arguments:
            method: The method that registers the rule.
            node: The call of the method.
            file: The file with the call.
            rule: The rule.
        """
        prefixes: set[str] = set()
        if method.type != "flask.Flask" and isinstance(node.func, cst.Attribute):
            prefixes |= self._of.get((file, dotted_name(node.func.value)), set())
            prefixes |= self._everywhere
        urls = {rule} | {
            f"{prefix.rstrip('/')}/{rule.lstrip('/')}" if rule else prefix
            for prefix in prefixes
            if prefix
        }
        return {url for url in urls if url.startswith("/")}


def _prefix(call: cst.Call) -> set[str]:
    """Return the ``url_prefix`` of a call, if it is a literal."""
    return {
        str(arg.value.evaluated_value)
        for arg in call.args
        if arg.keyword is not None
        and arg.keyword.value == "url_prefix"
        and isinstance(arg.value, cst.SimpleString)
    }


def _imported(file: PythonFile, name: str) -> str:
    """Return the last part of the module of a variable and its name there, or only the name."""
    head, _, rest = name.rpartition(".")
    if head:
        return f"{head.rpartition('.')[2]}.{rest}"
    for node in file.spans:
        if (
            isinstance(node, cst.ImportFrom)
            and node.module
            and not isinstance(node.names, cst.ImportStar)
        ):
            for alias in node.names:
                bound = alias.asname.name if alias.asname else alias.name
                if dotted_name(bound) == name:
                    module = dotted_name(node.module).rpartition(".")[2]
                    return f"{module}.{dotted_name(alias.name)}"
    return name
