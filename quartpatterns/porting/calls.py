"""What calls do: with functions of the project, and by the rules with others."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import libcst as cst

from quartpatterns.porting.analysis import Problem
from quartpatterns.porting.attributes import LOOKUPS, bound_to_thread
from quartpatterns.porting.finalizers import movable_fixture
from quartpatterns.porting.framework_calls import (
    OFF_LOOP,
    OFF_LOOP_NAMES,
    FrameworkCalls,
    instances,
)
from quartpatterns.porting.models import EXTENSION, WAIT
from quartpatterns.porting.parameters import all_parameters, positional_names
from quartpatterns.porting.project import dotted_name
from quartpatterns.porting.replacing import PATCHES, Replacing
from quartpatterns.porting.rules import NameRule
from quartpatterns.porting.scopes import function_of
from quartpatterns.porting.values import (
    NOTHING,
    ClassInfo,
    Closing,
    Context,
    Function,
    FunctionInfo,
    Instance,
    Items,
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

__all__ = ["Calls"]

# Functions that return collections without items that can be followed.
COLLECTIONS = frozenset(
    {"list", "tuple", "set", "dict", "collections.defaultdict", "collections.deque"}
) | {"collections.OrderedDict", "weakref.WeakKeyDictionary", "weakref.WeakValueDictionary"}
# Methods of collections: those that add their arguments, or the items of these, and those that
# return items.
ADDING_ALL = frozenset({"extend", "extendleft", "update"})
ADDING = ADDING_ALL | {"add", "append", "appendleft", "insert", "setdefault"}
ITEMS_OF = frozenset({"copy", "get", "items", "pop", "values"})
# Functions and methods that iterate over their arguments.
CONSUMERS = frozenset(
    "all any dict enumerate extend filter frozenset iter join list map max min next reversed set"
    " sorted sum tuple zip".split()
)
# Functions that do not use the methods of their arguments.
HARMLESS = CONSUMERS | frozenset(
    "bool getattr hasattr id isinstance print repr setattr str type contextlib.closing"
    " contextlib.aclosing functools.partial flask.render_template flask.render_template_string"
    " flask.stream_template flask.stream_template_string".split()
)


# Packages that are given applications and are no extensions of Flask.
# Arguments with which a call does not wait.
NO_WAIT = {
    "block": "False",
    "blocking": "False",
    "check_deliverability": "False",
    "timeout": "0",
    "wait": "False",
}
SERVERS = frozenset(
    {"asgiref", "flask", "gunicorn", "hypercorn", "quart", "quartpatterns", "uvicorn", "werkzeug"}
)


def _is_library(name: str) -> bool:
    package, separator, _ = name.partition(".")
    return bool(separator) and package not in SERVERS | sys.stdlib_module_names


class Calls:
    """Evaluates calls."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.rules = evaluator.rules
        self.result = evaluator.result
        self.flow = evaluator.flow
        self.replacing = Replacing(evaluator)
        self.framework = FrameworkCalls(evaluator)

    def call(self, node: cst.Call, scope: Scope) -> Values:
        functions = self.evaluator.evaluate(node.func, scope)
        arguments = [(self.evaluator.evaluate(arg.value, scope), arg) for arg in node.args]
        if functions:  # It is known now.
            self._forget_escapes(arguments)
        found: set[Value] = set()
        targets: list[FunctionInfo] = []
        for function in functions:
            if isinstance(function, Function):
                targets.append(function.info)
                self.bind(function, arguments)
                found |= self.call_function(function.info, node, scope)
            elif isinstance(function, LambdaFunction):
                self.result.lambdas.setdefault(node, set()).add(function)
                found |= self.call_lambda(function, arguments)
            elif isinstance(function, ProjectClass):
                found |= self._create(function.info, node, arguments, scope)
            elif isinstance(function, Method):
                found |= self._call_method(function, node, arguments, scope)
            elif isinstance(function, Name):
                found |= self._call_name(function.name, node, arguments, scope)
            elif isinstance(function, Instance):
                found |= self._call_instance(function, node, arguments, scope)
        self.result.unify(targets)
        if isinstance(node.func, cst.Attribute) and node.func.attr.value == "init_app":
            self.result.extensions.pop(node, None)
            if not functions and arguments:
                owners = self.evaluator.evaluate(node.func.value, scope)
                packages = {each.type for each in owners if isinstance(each, Instance)}
                names = sorted(each.partition(".")[0] for each in packages if isinstance(each, str))
                self.result.extensions[node] = (scope.file, names[0] if names else "")
        if not functions:
            if isinstance(node.func, cst.Attribute) and node.func.attr.value in LOOKUPS:
                owners = self.evaluator.evaluate(node.func.value, scope)
                for _, arg in arguments[:1]:
                    self.evaluator.attributes.read_item(owners, arg.value, node, scope)
            return self._call_unknown(node, arguments, scope)
        self._check_mixed(functions, node, scope)
        return frozenset(found)

    def _call_unknown(
        self, node: cst.Call, arguments: list[tuple[Values, cst.Arg]], scope: Scope
    ) -> Values:
        """Return what a method of a collection returns; note functions that other code gets."""
        if isinstance(node.func, cst.Attribute):
            name = node.func.attr.value
            owner = node.func.value
            if name in ADDING:
                added = NOTHING.union(*(values for values, _ in arguments))
                if name in ADDING_ALL:
                    added |= self.evaluator.items(added)
                if self.evaluator.add_items(owner, added, scope):
                    return added if name == "setdefault" else NOTHING
            if name in ITEMS_OF:
                owners = self.evaluator.evaluate(owner, scope)
                items = self.evaluator.items(owners)
                if items and name in ("get", "pop"):
                    return items.union(*(values for values, _ in arguments))
                if items:
                    return frozenset(
                        {Items(frozenset({Items(items)}) if name == "items" else items)}
                    )
        where = scope.file.source(node.func)
        for values, arg in arguments:
            self.escape(values, arg, scope, f"{where}()")
            self._collect(values, arg, where.rpartition(".")[2], scope)
        return NOTHING

    def call_lambda(
        self, function: LambdaFunction, arguments: list[tuple[Values, cst.Arg]]
    ) -> Values:
        self._bind(function.node.params, function.scope, arguments, 0)
        return self.flow.read((function.scope, "return"))

    def _forget_escapes(self, arguments: list[tuple[Values, cst.Arg]]) -> None:
        for values, arg in arguments:
            self.result.leaks.pop(arg, None)
            self.result.blocking.pop(arg, None)
            for value in values:
                if isinstance(value, Function):
                    value.info.escapes.pop(arg, None)

    def _check_mixed(self, functions: Values, node: cst.Call, scope: Scope) -> None:
        """Report a method that is awaited, or not, depending on the object."""
        awaited: set[str] = set()
        blocking: set[str] = set()
        for function in functions:
            if isinstance(function, Method):
                for rule in self.rules.type_rules(function.type):
                    if function.name in rule.awaited:
                        awaited.add(function.type)
                    elif rule.blocked(function.name):
                        blocking.add(function.type)
        if awaited and blocking:
            self.result.problem(
                "breaks",
                scope.file,
                node,
                f"this can be {' and '.join(sorted(awaited | blocking))}, and only one is awaited",
                "use one of them",
            )

    def bind(self, function: Function, arguments: list[tuple[Values, cst.Arg]]) -> None:
        """Pass arguments to the parameters of a function."""
        kinds = function.info.kinds
        is_bound = "classmethod" in kinds or (
            function.instance is not None and "staticmethod" not in kinds
        )
        owner = function.instance
        names = positional_names(function.info.node.params)
        if owner is not None and is_bound and names:
            first: Value = owner
            if "classmethod" in kinds and isinstance(owner.type, ClassInfo):
                first = ProjectClass(owner.type)
            self.flow.add((function.info.scope, names[0]), {first})
        given = function.given + (1 if is_bound else 0)
        self._bind(function.info.node.params, function.info.scope, arguments, given)

    def _bind(
        self,
        params: cst.Parameters,
        scope: Scope,
        arguments: list[tuple[Values, cst.Arg]],
        given: int,
    ) -> None:
        """Pass arguments to parameters, of which the first *given* have one."""
        names = positional_names(params)[given:]
        position = 0
        for values, arg in arguments:
            if arg.star == "*":
                for name in names[position:]:
                    self.flow.add((scope, name), self.evaluator.items(values))
            elif arg.star == "**":
                pass
            elif arg.keyword is not None:
                known = {each.name.value for each in all_parameters(params)}
                if arg.keyword.value in known:
                    self.flow.add((scope, arg.keyword.value), values)
                elif isinstance(params.star_kwarg, cst.Param):
                    name = params.star_kwarg.name.value
                    self.flow.add((scope, name), {Items(values)})
            elif position < len(names):
                self.flow.add((scope, names[position]), values)
                position += 1
            elif isinstance(params.star_arg, cst.Param):
                self.flow.add((scope, params.star_arg.name.value), {Items(values)})

    def call_function(self, info: FunctionInfo, node: cst.CSTNode, scope: Scope) -> Values:
        if "contextmanager" in info.kinds:
            return frozenset({Context(info)})
        if info.generator:
            self.result.use_items(info, node, scope.file)
            return frozenset({Items(self.flow.read((info, "yield")))}) | {Context(info)}
        self.result.use_call(info, node, scope.file)
        return self.flow.read((info, "return"))

    def _call_instance(
        self,
        instance: Instance,
        node: cst.Call,
        arguments: list[tuple[Values, cst.Arg]],
        scope: Scope,
    ) -> Values:
        """Call an object that has ``__call__``."""
        if isinstance(instance.type, str):
            if what := bound_to_thread(instance.type):
                self.result.bound[node] = (scope.file, what)
            return self._call_method(Method(instance.type, "__call__"), node, arguments, scope)
        found: set[Value] = set()
        for method in self.evaluator.attributes.of_instance(
            instance, instance.type, "__call__", node, scope
        ):
            if isinstance(method, Function):
                self.bind(method, arguments)
                found |= self.call_function(method.info, node, scope)
        return frozenset(found)

    def _create(
        self, info: ClassInfo, node: cst.Call, arguments: list[tuple[Values, cst.Arg]], scope: Scope
    ) -> Values:
        instance = Instance(info)
        made: set[Value] = set()
        for base in self.result.external_bases(info):
            for rule in self.rules.type_rules(base):
                if "__new__" in rule.returns:  # A factory makes objects of another class.
                    self.result.use_session(scope)
                    made.add(Instance(rule.returns["__new__"]))
                if rule.create and not isinstance(scope.file.parents.get(node), cst.Await):
                    self.result.creations[node] = rule.create
                    self.result.await_(node, scope.file, f"{info.node.name.value}.{rule.create}()")
        for value in self.evaluator.attributes.of_class(info, "__init__"):
            if isinstance(value, Function):
                self.result.use_call(value.info, node, scope.file)
                self.bind(Function(value.info, instance), arguments)
        return frozenset(made) or frozenset({instance})

    def _call_method(
        self, method: Method, node: cst.Call, arguments: list[tuple[Values, cst.Arg]], scope: Scope
    ) -> Values:
        if method == Method("pytest.MonkeyPatch", "setattr"):
            self.replacing.replace(node, arguments, scope)
            return NOTHING
        if method == Method("unittest.TestCase", "addCleanup") and arguments:
            self.result.cleanups[node.func] = arguments[0][0]
            return NOTHING
        if method == Method("pytest.FixtureRequest", "addfinalizer") and arguments:
            if movable_fixture(node, scope.file):
                self.result.finalizers[node] = arguments[0][0]
                for value in arguments[0][0]:
                    if isinstance(value, Function):
                        self.result.use_call(value.info, node, scope.file)
                return NOTHING
        found: set[Value] = set()
        passed: set[Value] = set()
        accepts = views = False
        for rule in self.rules.type_rules(method.type):
            if rule.open and method.name in LOOKUPS:
                found |= self._look_up(method, arguments)
            if method.name in rule.thread:
                remedy = "call it with 'await asyncio.to_thread(...)', in an 'async def' function"
                text = f"{method.type}.{method.name}()"
                self.result.threadable[node] = scope.file
                self.result.blocking[node] = (scope.file, text, remedy)
            if method.name in rule.awaited:
                self.result.await_(node, scope.file, f"{scope.file.source(node.func)}()")
            if kind := rule.returned(method.name):
                found.add(Instance(kind))
            if (remedy := rule.blocked(method.name)) and not _returns_at_once(node):
                text = f"{method.type}.{method.name}()"
                self.result.blocking[node] = (scope.file, text, remedy)
            accepts |= method.name in rule.accepts
            views |= method.name in rule.views
            passed |= {Instance(rule.passes[name]) for name in rule.passes if name == method.name}
        route = self.framework.route(method, node, scope) if views else None
        for values, arg in arguments:
            for info in self.framework.views_of_class(arg, scope) if views else ():
                self.framework.accept(info, view=True, route=route)
            for value in values:
                if accepts or views:
                    on_loop = method.type not in OFF_LOOP
                    self.framework.accept_value(
                        value, frozenset(passed), view=views, route=route, on_loop=on_loop
                    )
                elif isinstance(value, Function):
                    value.info.escapes[arg] = f"{method.type}.{method.name}()"
        if accepts or views:
            found.add(Method(method.type, method.name))
        return frozenset(found)

    def _call_name(
        self, name: str, node: cst.Call, arguments: list[tuple[Values, cst.Arg]], scope: Scope
    ) -> Values:
        if name in PATCHES:
            self.replacing.replace(node, arguments, scope, by_owner=PATCHES[name])
            return frozenset({Name(name)})
        if name == "asyncio.to_thread" and arguments:
            return self._result_of(arguments[0][0])
        rule = self.rules.names.get(name)
        if rule is not None and name in self.rules.elsewhere:
            rule = self._by_place(rule, name, node, scope)
        if rule is None:
            if name == "functools.partial":
                return self._partial(arguments)
            if name == "dict":
                for values, arg in arguments:
                    self._collect(values, arg, name, scope)
                return frozenset({Items(NOTHING.union(*(values for values, _ in arguments)))})
            for values, arg in arguments:
                self.escape(values, arg, scope, f"{name}()")
                if Instance("flask.Flask") in values and _is_library(name):
                    self.result.extensions[node] = (scope.file, name.partition(".")[0])
                self._collect(values, arg, name, scope)
                if name == "contextlib.closing" and self._has_asynchronous_close(values):
                    self.result.closings.add(node)
                    return frozenset({Closing(values)})
            if name == WAIT and arguments:
                return arguments[0][0]
            if name in ("list", "tuple", "set", "sorted", "reversed", "iter", "next") and arguments:
                values = arguments[0][0]
                items = self.evaluator.items(values)
                if name in ("next", "iter"):
                    return items if name == "next" else values
                return frozenset({Items(items)})
            if name == "super":
                return self._super(scope)
            if name in COLLECTIONS:
                return frozenset({Items(NOTHING)})
            if name == "getattr" and len(arguments) > 1:
                attribute = arguments[1][1].value
                if not isinstance(attribute, cst.SimpleString):
                    return self._request_methods(arguments[0][0])
                named = str(attribute.evaluated_value)
                owners = arguments[0][0]
                every = (
                    self.evaluator.attributes.of(owner, named, node, scope) for owner in owners
                )
                return NOTHING.union(*every)
            return frozenset()
        if rule.awaited:
            self.result.await_(node, scope.file, f"{name.rpartition('.')[2]}()")
        if rule.blocks and not _returns_at_once(node):
            self.result.blocking[node] = (scope.file, f"{name}()", rule.blocks)
        self.result.note_difference(node, scope.file, f"{name}()", rule)
        found: set[Value] = set()
        if rule.returns:
            found.add(Instance(rule.returns))
        if name == "flask.Flask":
            self.result.applications.add(node)
        if name == "threading.Thread":
            arguments = self._thread(node, arguments, scope)
        for values, arg in arguments:
            if rule.returns == EXTENSION and arg.keyword and arg.keyword.value == "model_class":
                self.flow.add((EXTENSION, "Model"), values)
            if rule.accepts or rule.views:
                on_loop = not name.startswith(OFF_LOOP_NAMES)
                passed = instances(rule.passes)
                for value in values:
                    self.framework.accept_value(value, passed, view=rule.views, on_loop=on_loop)
                    if isinstance(value, Function):
                        found.add(value)
            elif not rule.transparent:
                self.escape(values, arg, scope, f"{name}()")
        if rule.kind == "proxy":
            found |= self._returned(arguments)
        elif rule.transparent or rule.kind:
            found.add(Name(name))
        return frozenset(found)

    def _request_methods(self, owners: Values) -> Values:
        """Return the methods of a test client: tests choose one by a name that is computed."""
        client = "flask.testing.FlaskClient"
        if Instance(client) not in owners:
            return NOTHING
        names = {name for rule in self.rules.type_rules(client) for name in rule.awaited}
        return frozenset(Method(client, name) for name in names)

    def _thread(
        self, node: cst.Call, arguments: list[tuple[Values, cst.Arg]], scope: Scope
    ) -> list[tuple[Values, cst.Arg]]:
        """Note the function of a thread, and return the arguments that remain.

        If it becomes asynchronous, ``asyncio.run()`` runs it in the thread.
        """
        keywords = {arg.keyword.value: arg.value for arg in node.args if arg.keyword is not None}
        if "kwargs" in keywords and not dotted_name(keywords["kwargs"]):
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
                    (
                        self.evaluator.evaluate(each.value, scope),
                        cst.Arg(
                            each.value, star="*" if isinstance(each, cst.StarredElement) else ""
                        ),
                    )
                    for each in arg.value.elements
                ]
        return []

    def _returned(self, arguments: list[tuple[Values, cst.Arg]]) -> Values:
        """Return what the function that is the first argument returns."""
        found: set[Value] = set()
        for value in arguments[0][0] if arguments else ():
            if isinstance(value, Function):
                found |= self.flow.read((value.info, "return"))
            elif isinstance(value, LambdaFunction):
                found |= self.call_lambda(value, [])
        return frozenset(found)

    def _partial(self, arguments: list[tuple[Values, cst.Arg]]) -> Values:
        """Return functions that have some of their arguments."""
        found: set[Value] = set()
        given = sum(arg.keyword is None and not arg.star for _, arg in arguments) - 1
        for value in arguments[0][0] if arguments else ():
            if isinstance(value, Function):
                self.bind(value, arguments[1:])
                found.add(replace(value, given=value.given + given))
            elif isinstance(value, LambdaFunction | Method | Name):
                found.add(value)
        return frozenset(found)

    def _result_of(self, functions: Values) -> Values:
        """Return what functions return in a thread."""
        found: set[Value] = set()
        for function in functions:
            if isinstance(function, Function):
                found |= self.flow.read((function.info, "return"))
            if isinstance(function, Name) and (rule := self.rules.names.get(function.name)):
                rule = self.rules.elsewhere[function.name] if rule.on_loop else rule
                if rule.returns:
                    found.add(Instance(rule.returns))
        return frozenset(found)

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

    def _by_place(self, rule: NameRule, name: str, node: cst.Call, scope: Scope) -> NameRule:
        """Return the rule of a call that only changes on the event loop."""
        if rule.thread:
            self.result.threadable[node] = scope.file
            return replace(self.rules.elsewhere[name], returns=rule.returns)
        if not self.result.moves(node, scope.file, name, awaited=rule.awaited):
            return self.rules.elsewhere[name]
        self.result.moved.add(name)
        if isinstance(node.func, cst.Attribute):
            for owner in self.evaluator.evaluate(node.func.value, scope):
                if isinstance(owner, Name):
                    attribute = node.func.attr.value
                    self.evaluator.attributes.rename(owner.name, attribute, rule.port, node.func)
        return rule

    def _look_up(self, method: Method, arguments: list[tuple[Values, cst.Arg]]) -> Values:
        """Return an attribute that ``g.pop("db", None)`` returns."""
        if not arguments or not isinstance(name := arguments[0][1].value, cst.SimpleString):
            return NOTHING
        key = (method.type, str(name.evaluated_value))
        if method.name == "setdefault" and len(arguments) > 1:
            self.flow.add(key, arguments[1][0])
        return self.flow.read(key).union(*(values for values, _ in arguments[1:]))

    def _collect(self, values: Values, arg: cst.Arg, name: str, scope: Scope) -> None:
        """Make a list of an asynchronous iterator for a function that iterates over it.

        What iterates later, as ``iter`` does, stays, and is reported.
        """
        if name not in CONSUMERS:
            return
        for value in values:
            if isinstance(value, Instance) and isinstance(value.type, str):
                if any(rule.async_for for rule in self.rules.type_rules(value.type)):
                    if name in ("next", "iter"):
                        self.result.problem(
                            "breaks",
                            scope.file,
                            arg,
                            f"{name}() does not take what is iterated over with 'async for'",
                            "use 'async for', or fetchone() if it is a cursor",
                        )
                    else:
                        self.result.collect(arg.value, scope.file, f"in {name}()")

    def _has_asynchronous_close(self, values: Values) -> bool:
        return any(
            "close" in rule.awaited
            for value in values
            if isinstance(value, Instance) and isinstance(value.type, str)
            for rule in self.rules.type_rules(value.type)
        )

    def escape(self, values: Values, node: cst.CSTNode, scope: Scope, where: str) -> None:
        """Note functions and asynchronous objects that code outside the project gets."""
        harmless = (
            where.endswith(("[...]", "event.listen()")) or where.removesuffix("()") in HARMLESS
        )
        for value in values:
            if isinstance(value, Function):
                value.info.escapes.setdefault(node, where)
            elif isinstance(value, Items):
                self.escape(value.values, node, scope, where)
            elif isinstance(value, Method) and self.result.is_awaited(frozenset({value})):
                self.result.problem(
                    "differs",
                    scope.file,
                    node,
                    f"{value.type}.{value.name}() has to be awaited, and {where} may not do it",
                    "check that it accepts asynchronous functions, or give it another function",
                )
            elif isinstance(value, Instance) and isinstance(value.type, str) and not harmless:
                for rule in self.rules.type_rules(value.type):
                    if rule.escapes and (rule.thread or rule.blocks):
                        text = f"{where} with an object of {value.type}"
                        self.result.blocking[node] = (scope.file, text, rule.escapes)
                    elif rule.escapes:
                        why = f"{where} gets a {value.type}, whose methods have to be awaited"
                        self.result.leaks[node] = Problem(
                            "breaks", scope.file, node, why, rule.escapes
                        )


def _returns_at_once(node: cst.Call) -> bool:
    """Return whether an argument says that a call does not wait, such as ``block=False``."""
    return any(
        isinstance(arg.value, cst.Name | cst.Integer)
        and arg.keyword is not None
        and NO_WAIT.get(arg.keyword.value) == arg.value.value
        for arg in node.args
    )
