"""What decorators do: those of the project, and by the rules others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from quartpatterns.porting.framework_calls import OFF_LOOP, OFF_LOOP_NAMES, ROUTES, instances
from quartpatterns.porting.rules import NameRule
from quartpatterns.porting.values import (
    NOTHING,
    Function,
    FunctionInfo,
    Instance,
    LambdaFunction,
    Method,
    Name,
    ProjectClass,
    Scope,
    Value,
    Values,
)

if TYPE_CHECKING:
    from quartpatterns.porting.evaluation import Evaluator

__all__ = ["Decorators"]

PROTECTORS = frozenset({"flask_login.login_required", "flask_login.fresh_login_required"})
# Decorators that make tasks: of Celery, which awaits nothing, and of quartpatterns.tasks.
TASKS = {Method("celery.Celery", "task"): "task", Method("tasks.Tasks", "task"): "queued"}


class Decorators:
    """Evaluates decorators."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.rules = evaluator.rules
        self.result = evaluator.result
        self.flow = evaluator.flow
        self.calls = evaluator.calls
        self.framework = evaluator.calls.framework

    def decorate(
        self, decorator: cst.Decorator, values: Values, info: FunctionInfo, scope: Scope
    ) -> Values:
        node = decorator.decorator
        found: set[Value] = set()
        known = False
        decorators = self.evaluator.evaluate(node, scope)
        # What a decorator with optional arguments returns is a decorator, or the new function.
        some = any(isinstance(each, Function) and each.info.decorator for each in decorators)
        for value in decorators:
            if isinstance(value, Function):
                known = True
                if some and not value.info.decorator:
                    continue
                arguments = [(values, cst.Arg(cst.Name("_")))]
                self.calls.bind(value, arguments)
                if "decorator" in value.info.kinds:  # It calls the function that it gets.
                    found.add(value)
                    continue
                found |= self.flow.read((value.info, "return"))
            elif isinstance(value, LambdaFunction):
                known = True
                found |= self.calls.call_lambda(value, [(values, cst.Arg(cst.Name("_")))])
            elif isinstance(value, Method):
                known = True
                found |= self._decorate_with_method(value, values, node, scope)
                # What the other decorators return is called, and so is the function itself.
                self._decorate_with_method(value, frozenset({Function(info)}), node, scope)
                info.routed |= value.name in ROUTES
            elif isinstance(value, Name):
                rule = self.rules.names.get(value.name)
                if value.name in PROTECTORS and info.routed and "flask_login" in self.rules.modules:
                    self.result.problem(
                        "breaks",
                        scope.file,
                        decorator,
                        "a decorator above the route protects nothing, and the application does not"
                        " start",
                        "write it below the route",
                    )
                if rule is not None:
                    known = True
                    off_loop = value.name.startswith(OFF_LOOP_NAMES)
                    found |= self._decorate_with_name(rule, values, info, on_loop=not off_loop)
                elif value.name.endswith((".setter", ".deleter", ".getter")):
                    known = True
            elif isinstance(value, ProjectClass):
                known = True
                found.add(Instance(value.info))
                for method in self.evaluator.attributes.of_class(value.info, "__init__"):
                    if isinstance(method, Function):
                        self.calls.bind(
                            Function(method.info, Instance(value.info)),
                            [(values, cst.Arg(cst.Name("_")))],
                        )
        text = scope.file.source(node)
        if text.startswith("pytest.mark.") or text.endswith((".setter", ".deleter", ".getter")):
            return values
        if known:
            info.escapes.pop(decorator, None)
        else:
            info.escapes.setdefault(decorator, f"@{text}")
        return frozenset(found) or values

    def _decorate_with_method(
        self, method: Method, values: Values, node: cst.CSTNode, scope: Scope
    ) -> Values:
        if kind := TASKS.get(method):
            for value in values:
                if isinstance(value, Function):
                    value.info.kinds.add(kind)
                    self.flow.add((value.info, "task"), {Name(method.type)})
            return values
        route = self.framework.route(method, node, scope)
        for rule in self.rules.type_rules(method.type):
            if method.name in rule.views or method.name in rule.accepts:
                passed = instances(rule.passes.get(method.name, ""))
                for value in values:
                    on_loop = method.type not in OFF_LOOP
                    view = method.name in rule.views
                    self.framework.accept_value(
                        value, passed, view=view, route=route, on_loop=on_loop
                    )
        return values

    def _decorate_with_name(
        self, rule: NameRule, values: Values, info: FunctionInfo, *, on_loop: bool
    ) -> Values:
        if rule.kind == "fixture":
            info.fixture = True
        elif rule.kind:
            info.kinds.add(rule.kind)
        if rule.accepts or rule.views:
            for value in values:
                passed = instances(rule.passes)
                self.framework.accept_value(value, passed, view=rule.views, on_loop=on_loop)
        return values

    def decorate_views(self, decorators: Values, views: Values) -> None:
        """Apply what the attribute ``decorators`` of a class-based view contains."""
        for value in decorators:
            if isinstance(value, Function):
                self.calls.bind(value, [(views, cst.Arg(cst.Name("_")))])
                for returned in self.flow.read((value.info, "return")):
                    self.framework.accept_value(returned, NOTHING, view=True)
