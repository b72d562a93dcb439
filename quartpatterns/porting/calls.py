"""What calls and decorators do: with functions of the project, and by the rules with others."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import libcst as cst

from quartpatterns.porting.parameters import all_parameters, positional_names
from quartpatterns.porting.project import dotted_name
from quartpatterns.porting.rules import NameRule
from quartpatterns.porting.scopes import function_of
from quartpatterns.porting.values import (
    NOTHING,
    ClassInfo,
    Context,
    Function,
    FunctionInfo,
    Instance,
    Items,
    Method,
    Name,
    ProjectClass,
    ProjectModule,
    Scope,
    Value,
    Values,
)

if TYPE_CHECKING:
    from quartpatterns.porting.evaluation import Evaluator

__all__ = ["Calls"]


# Packages that are given applications and are no extensions of Flask.
SERVERS = frozenset(
    {"asgiref", "flask", "gunicorn", "hypercorn", "quart", "quartpatterns", "uvicorn", "werkzeug"}
)


def _is_library(name: str) -> bool:
    package, separator, _ = name.partition(".")
    return bool(separator) and package not in SERVERS | sys.stdlib_module_names


class Calls:
    """Evaluates calls and decorators."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.rules = evaluator.rules
        self.result = evaluator.result
        self.flow = evaluator.flow

    def call(self, node: cst.Call, scope: Scope) -> Values:
        functions = self.evaluator.evaluate(node.func, scope)
        arguments = [(self.evaluator.evaluate(arg.value, scope), arg) for arg in node.args]
        found: set[Value] = set()
        targets: list[FunctionInfo] = []
        for function in functions:
            if isinstance(function, Function):
                targets.append(function.info)
                self.bind(function, arguments)
                found |= self.call_function(function.info, node, scope)
            elif isinstance(function, ProjectClass):
                found |= self._create(function.info, node, arguments, scope)
            elif isinstance(function, Method):
                found |= self._call_method(function, node, arguments, scope)
            elif isinstance(function, Name):
                found |= self._call_name(function.name, node, arguments, scope)
            elif isinstance(function, Instance) and isinstance(function.type, ClassInfo):
                for method in self.evaluator.attributes.of_instance(
                    function, function.type, "__call__", node, scope
                ):
                    if isinstance(method, Function):
                        self.bind(method, arguments)
                        found |= self.call_function(method.info, node, scope)
        self.result.unify(targets)
        if isinstance(node.func, cst.Attribute) and node.func.attr.value == "init_app":
            self.result.extensions.pop(node, None)
            if not functions and arguments:
                self.result.extensions[node] = (scope.file, "")
        if not functions:
            for values, arg in arguments:
                self.escape(values, arg, scope, f"{scope.file.source(node.func)}()")
        return frozenset(found)

    def bind(self, function: Function, arguments: list[tuple[Values, cst.Arg]]) -> None:
        """Pass arguments to the parameters of a function."""
        params = function.info.node.params
        names = positional_names(params)
        if function.instance is not None and names and "staticmethod" not in function.info.kinds:
            if "classmethod" not in function.info.kinds:
                self.flow.add((function.info.scope, names[0]), {function.instance})
            names = names[1:]
        position = 0
        for values, arg in arguments:
            if arg.star == "*":
                for name in names[position:]:
                    self.flow.add((function.info.scope, name), self.evaluator.items(values))
            elif arg.star == "**":
                pass
            elif arg.keyword is not None:
                known = {each.name.value for each in all_parameters(params)}
                if arg.keyword.value in known:
                    self.flow.add((function.info.scope, arg.keyword.value), values)
                elif isinstance(params.star_kwarg, cst.Param):
                    name = params.star_kwarg.name.value
                    self.flow.add((function.info.scope, name), {Items(values)})
            elif position < len(names):
                self.flow.add((function.info.scope, names[position]), values)
                position += 1
            elif isinstance(params.star_arg, cst.Param):
                self.flow.add((function.info.scope, params.star_arg.name.value), {Items(values)})

    def call_function(self, info: FunctionInfo, node: cst.CSTNode, scope: Scope) -> Values:
        if "contextmanager" in info.kinds:
            return frozenset({Context(info)})
        if info.generator:
            info.iterations[node] = scope.file
            return frozenset({Items(self.flow.read((info, "yield")))}) | {Context(info)}
        self.result.use_call(info, node, scope.file)
        return self.flow.read((info, "return"))

    def _create(
        self, info: ClassInfo, node: cst.Call, arguments: list[tuple[Values, cst.Arg]], scope: Scope
    ) -> Values:
        instance = Instance(info)
        for base in self.result.external_bases(info):
            for rule in self.rules.type_rules(base):
                if rule.create and not isinstance(scope.file.parents.get(node), cst.Await):
                    self.result.creations[node] = rule.create
                    self.result.await_(node, scope.file, f"{info.node.name.value}.{rule.create}()")
        for value in self.evaluator.attributes.of_class(info, "__init__"):
            if isinstance(value, Function):
                self.bind(Function(value.info, instance), arguments)
        return frozenset({instance})

    def _call_method(
        self, method: Method, node: cst.Call, arguments: list[tuple[Values, cst.Arg]], scope: Scope
    ) -> Values:
        if method == Method("pytest.MonkeyPatch", "setattr"):
            return self._replace_attribute(node, arguments, scope)
        found: set[Value] = set()
        accepts = views = False
        for rule in self.rules.type_rules(method.type):
            if method.name in rule.awaited:
                self.result.await_(node, scope.file, f"{scope.file.source(node.func)}()")
            if method.name in rule.returns:
                found.add(Instance(rule.returns[method.name]))
            if method.name in rule.blocks:
                self.result.blocking[node] = (
                    scope.file,
                    f"{method.type}.{method.name}()",
                    rule.blocks[method.name],
                )
            accepts |= method.name in rule.accepts
            views |= method.name in rule.views
        for values, arg in arguments:
            for value in values:
                if isinstance(value, Function) and (accepts or views):
                    self.accept(value.info, view=views)
                elif isinstance(value, Function):
                    value.info.escapes[arg] = f"{method.type}.{method.name}()"
        if accepts or views:
            found.add(Method(method.type, method.name))
        return frozenset(found)

    def _call_name(
        self, name: str, node: cst.Call, arguments: list[tuple[Values, cst.Arg]], scope: Scope
    ) -> Values:
        rule = self.rules.names.get(name)
        if rule is None:
            for values, arg in arguments:
                self.escape(values, arg, scope, f"{name}()")
                if Instance("flask.Flask") in values and _is_library(name):
                    self.result.extensions[node] = (scope.file, name.partition(".")[0])
            if name in ("list", "tuple", "set", "sorted", "reversed", "iter", "next") and arguments:
                values = arguments[0][0]
                return self.evaluator.items(values) if name == "next" else values
            if name == "super":
                return self._super(scope)
            if name == "getattr" and len(arguments) > 1:
                attribute = arguments[1][1].value
                if isinstance(attribute, cst.SimpleString):
                    named = str(attribute.evaluated_value)
                    owners = arguments[0][0]
                    every = (
                        self.evaluator.attributes.of(owner, named, node, scope) for owner in owners
                    )
                    return NOTHING.union(*every)
            return frozenset()
        if rule.awaited:
            self.result.await_(node, scope.file, f"{name.rpartition('.')[2]}()")
        if rule.blocks:
            self.result.blocking[node] = (scope.file, f"{name}()", rule.blocks)
        if rule.differs:
            self.result.problem(
                "differs", scope.file, node, f"{name}() differs on Quart", rule.differs
            )
        found: set[Value] = set()
        if rule.returns:
            found.add(Instance(rule.returns))
        if name == "flask.Flask":
            self.result.applications.add(node)
        if name == "threading.Thread":
            arguments = self._thread(node, arguments, scope)
        for values, arg in arguments:
            if rule.accepts or rule.views:
                for value in values:
                    if isinstance(value, Function):
                        self.accept(value.info, view=rule.views)
                        found.add(value)
            elif not rule.transparent:
                self.escape(values, arg, scope, f"{name}()")
        if rule.transparent or rule.kind:
            found.add(Name(name))
        return frozenset(found)

    def _thread(
        self, node: cst.Call, arguments: list[tuple[Values, cst.Arg]], scope: Scope
    ) -> list[tuple[Values, cst.Arg]]:
        """Note the function of a thread, and return the arguments that remain.

        If it becomes asynchronous, ``asyncio.run()`` runs it in the thread.
        """
        keywords = {arg.keyword.value for arg in node.args if arg.keyword is not None}
        if "kwargs" in keywords:
            return arguments
        for values, arg in arguments:
            functions = {each.info for each in values if isinstance(each, Function)}
            if (
                functions
                and len(functions) == len(values)
                and arg.keyword is not None
                and arg.keyword.value == "target"
                and dotted_name(arg.value)
            ):
                self.result.threads.setdefault(node, set()).update(functions)
                self.result.unify(list(functions))
                for value in values:
                    if isinstance(value, Function):
                        self.bind(value, self._thread_arguments(node, scope))
                return [each for each in arguments if each[1] is not arg]
        return arguments

    def _thread_arguments(self, node: cst.Call, scope: Scope) -> list[tuple[Values, cst.Arg]]:
        """Return what a thread passes to its function."""
        for arg in node.args:
            if arg.keyword is None or arg.keyword.value != "args":
                continue
            if isinstance(arg.value, cst.Tuple | cst.List):
                return [
                    (self.evaluator.evaluate(element.value, scope), cst.Arg(element.value))
                    for element in arg.value.elements
                ]
        return []

    def _super(self, scope: Scope) -> Values:
        info = function_of(scope)
        if info is None or info.owner is None:
            return NOTHING
        found: set[Value] = set()
        for base in info.owner.bases:
            if isinstance(base, ProjectClass):
                found.add(Instance(base.info))
            elif isinstance(base, Name):
                rule = self.rules.names.get(base.name)
                found.add(Instance(rule.returns if rule and rule.returns else base.name))
        return frozenset(found)

    def escape(self, values: Values, node: cst.CSTNode, scope: Scope, where: str) -> None:
        """Note functions that code outside the project gets and may call."""
        for value in values:
            if isinstance(value, Function):
                value.info.escapes.setdefault(node, where)

    def accept(self, info: FunctionInfo, *, view: bool) -> None:
        if view and not info.view and not info.decorator and not info.unknown_decorators:
            info.view = True
            self.result.make_async(info, "the application calls it for requests")

    def _replace_attribute(
        self, node: cst.Call, arguments: list[tuple[Values, cst.Arg]], scope: Scope
    ) -> Values:
        """A function that replaces another one has to be asynchronous if the other is."""
        plain = [arg.value for _, arg in arguments if arg.keyword is None and not arg.star]
        if not plain or len(arguments) < 2:
            return NOTHING
        replaced: Values = NOTHING
        if isinstance(plain[0], cst.SimpleString):
            replaced = self._by_path(str(plain[0].evaluated_value))
            new = arguments[1][0]
        elif len(plain) > 1 and isinstance(plain[1], cst.SimpleString) and len(arguments) > 2:
            name = str(plain[1].evaluated_value)
            for owner in arguments[0][0]:
                replaced |= self.evaluator.attributes.of(owner, name, node, scope)
            new = arguments[2][0]
        else:
            return NOTHING
        targets = [each.info for each in (*replaced, *new) if isinstance(each, Function)]
        self.result.unify(list(dict.fromkeys(targets)))
        if any(target.asynchronous for target in targets) and len(targets) < 2:
            self.result.problem(
                "differs",
                scope.file,
                node,
                "this replaces a function that is asynchronous now",
                "replace it with an asynchronous function",
            )
        return NOTHING

    def _by_path(self, path: str) -> Values:
        """Return what a full name such as ``shop.db.connect`` means."""
        parts = path.split(".")
        for count in range(len(parts) - 1, 0, -1):
            file = self.evaluator.project.modules.get(".".join(parts[:count]))
            if file is None:
                continue
            values = self.flow.read((self.evaluator.scopes[file.tree], parts[count]))
            for name in parts[count + 1 :]:
                inner = set[Value]()
                for value in values:
                    if isinstance(value, ProjectClass):
                        inner |= self.evaluator.attributes.of_class(value.info, name)
                    elif isinstance(value, ProjectModule):
                        inner |= self.flow.read((self.evaluator.scopes[value.file.tree], name))
                values = frozenset(inner)
            return values
        return NOTHING

    # Decorators

    def decorate(
        self, decorator: cst.Decorator, values: Values, info: FunctionInfo, scope: Scope
    ) -> Values:
        node = decorator.decorator
        found: set[Value] = set()
        known = False
        for value in self.evaluator.evaluate(node, scope):
            if isinstance(value, Function):
                known = True
                arguments = [(values, cst.Arg(cst.Name("_")))]
                self.bind(value, arguments)
                found |= self.flow.read((value.info, "return"))
            elif isinstance(value, Method):
                known = True
                found |= self._decorate_with_method(value, values)
                # What the other decorators return is called, and so is the function itself.
                self._decorate_with_method(value, frozenset({Function(info)}))
            elif isinstance(value, Name):
                rule = self.rules.names.get(value.name)
                if rule is not None:
                    known = True
                    found |= self._decorate_with_name(rule, values, info)
                elif value.name.endswith((".setter", ".deleter", ".getter")):
                    known = True
            elif isinstance(value, ProjectClass):
                known = True
                found.add(Instance(value.info))
                for method in self.evaluator.attributes.of_class(value.info, "__init__"):
                    if isinstance(method, Function):
                        self.bind(
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

    def _decorate_with_method(self, method: Method, values: Values) -> Values:
        for rule in self.rules.type_rules(method.type):
            if method.name in rule.views or method.name in rule.accepts:
                for value in values:
                    if isinstance(value, Function):
                        self.accept(value.info, view=method.name in rule.views)
        return values

    def _decorate_with_name(self, rule: NameRule, values: Values, info: FunctionInfo) -> Values:
        if rule.kind == "fixture":
            info.fixture = True
        elif rule.kind:
            info.kinds.add(rule.kind)
        for value in values:
            if isinstance(value, Function) and (rule.accepts or rule.views):
                self.accept(value.info, view=rule.views)
        return values
