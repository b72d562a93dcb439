"""The views that ``--only`` names, and the others that have to be asynchronous with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
        info: what
        for node, (file, what) in analysis.bound.items()
        if (info := analysis.enclosing(node, file)) is not None
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
        self._own: dict[tuple[PythonFile, str], str] = {}
        self._registered: set[str] = set()
        for file in project.files:
            for call, prefix in _calls_with_prefix(file):
                parent = file.parents[call]
                if isinstance(call.func, cst.Attribute) and call.func.attr.value.startswith(
                    "register_blueprint"
                ):
                    self._registered.add(prefix)
                elif isinstance(parent, cst.Assign):
                    for target in parent.targets:
                        self._own[file, dotted_name(target.target)] = prefix

    def urls(self, method: Method, node: cst.Call, file: PythonFile, rule: str) -> set[str]:
        """Return the URLs that *rule* can have: alone, and with the prefix of its blueprint.

        Which prefix another module gives a blueprint when it is registered is not followed.

        Arguments:
            method: The method that registers the rule.
            node: The call of the method.
            file: The file with the call.
            rule: The rule.
        """
        prefixes = {""}
        if method.type != "flask.Flask" and isinstance(node.func, cst.Attribute):
            own = self._own.get((file, dotted_name(node.func.value)), "")
            prefixes |= self._registered | {own}
        urls = {f"{prefix.rstrip('/')}{rule}" for prefix in prefixes}
        return {url for url in urls if url.startswith("/")}


def _calls_with_prefix(file: PythonFile) -> Iterator[tuple[cst.Call, str]]:
    """Yield the calls with ``url_prefix="..."``, and the prefix."""
    for node in file.spans:
        if isinstance(node, cst.Call):
            for arg in node.args:
                if arg.keyword is not None and arg.keyword.value == "url_prefix":
                    if isinstance(arg.value, cst.SimpleString):
                        yield node, str(arg.value.evaluated_value)
