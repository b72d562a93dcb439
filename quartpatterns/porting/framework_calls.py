"""Functions that the framework calls: views, hooks, filters, commands and the like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from quartpatterns.porting.parameters import positional_names
from quartpatterns.porting.values import (
    NOTHING,
    ClassInfo,
    Function,
    FunctionInfo,
    Instance,
    LambdaFunction,
    Method,
    ProjectClass,
    Route,
    Scope,
    Value,
    Values,
)

if TYPE_CHECKING:
    from quartpatterns.porting.evaluation import Evaluator

__all__ = ["OFF_LOOP", "OFF_LOOP_NAMES", "ROUTES", "FrameworkCalls", "instances"]

# Functions that these call do not run on the event loop.
OFF_LOOP = frozenset({"celery.Celery", "flask.cli.AppGroup", "pytest.MonkeyPatch"})
OFF_LOOP_NAMES = ("celery.", "click.", "flask.cli.", "flask.copy_current_request_context")
# The methods that register views. Others, such as before_request(), register hooks.
ROUTES = frozenset({"route", "get", "post", "put", "delete", "patch", "add_url_rule", "endpoint"})


class FrameworkCalls:
    """Notes which functions the framework calls, and what it passes to them."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.result = evaluator.result
        self.flow = evaluator.flow

    def route(self, method: Method, node: cst.CSTNode, scope: Scope) -> Route | None:
        """Return the URL rule of a call such as ``app.route("/")``; other methods add hooks."""
        if method.name not in ROUTES or not isinstance(node, cst.Call):
            return None
        urls = set[str]()
        for position, arg in enumerate(node.args):
            named = arg.keyword.value == "rule" if arg.keyword else position == 0
            if named and method.name != "endpoint" and isinstance(arg.value, cst.SimpleString):
                rule = str(arg.value.evaluated_value)
                urls = self.evaluator.prefixes.urls(method, node, scope.file, rule)
        return Route(scope.file, frozenset(urls))

    def views_of_class(self, arg: cst.Arg, scope: Scope) -> Iterator[FunctionInfo]:
        """Yield the methods behind ``view_func=Page.as_view("page")``."""
        call = arg.value
        if isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute):
            if call.func.attr.value == "as_view":
                for value in self.evaluator.evaluate(call.func.value, scope):
                    if isinstance(value, ProjectClass):
                        yield from (each.info for each in self.evaluator.view_methods(value.info))

    def accept_value(
        self,
        value: Value,
        passed: Values,
        *,
        view: bool,
        route: Route | None = None,
        on_loop: bool = True,
    ) -> None:
        """Note that the framework calls *value* with *passed* as the last argument."""
        if isinstance(value, Function):
            self.accept(value.info, view=view, route=route, on_loop=on_loop)
            if passed and (names := positional_names(value.info.node.params)):
                self.flow.add((value.info.scope, names[-1]), passed)
        elif isinstance(value, LambdaFunction) and passed:
            self.evaluator.calls.call_lambda(value, [(passed, cst.Arg(cst.Name("_")))])
        elif isinstance(value, Instance) and isinstance(value.type, ClassInfo):
            for method in self.evaluator.attributes.of_class(value.type, "__call__"):
                self.accept_value(method, passed, view=view, route=route, on_loop=on_loop)

    def accept(
        self,
        info: FunctionInfo,
        *,
        view: bool,
        route: Route | None = None,
        on_loop: bool = True,
    ) -> None:
        if info.decorator:
            return
        # Views that are not selected run in threads.
        in_thread = route is not None and not self.evaluator.all_views
        info.on_loop |= on_loop and not in_thread
        if view and not info.unknown_decorators:
            info.view = True
            if route is not None:
                info.routes.add(route)
            if not in_thread:
                self.result.make_async(info, "the application calls it for requests")


def instances(type_name: str) -> Values:
    """Return an instance of a type, or nothing if the name is empty."""
    return frozenset({Instance(type_name)}) if type_name else NOTHING
