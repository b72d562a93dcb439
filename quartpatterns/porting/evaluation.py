"""Evaluate the statements and expressions of a project with all values that they can have.

The analysis follows values through assignments, arguments, results, attributes and fixtures, in any
order of statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import libcst as cst

from quartpatterns.porting.analysis import Analysis, OnTheLoop
from quartpatterns.porting.attributes import Attributes, bound_to_thread
from quartpatterns.porting.calls import Calls
from quartpatterns.porting.decorators import Decorators
from quartpatterns.porting.flow import Flow, Unit
from quartpatterns.porting.models import MODEL, MODELS, loads_lazily, relationships
from quartpatterns.porting.parameters import all_parameters, positional_names
from quartpatterns.porting.project import (
    PythonFile,
    SourceProject,
    absolute_module,
    dotted_name,
)
from quartpatterns.porting.rules import Rules
from quartpatterns.porting.scopes import COMPREHENSIONS, build_scopes, function_of
from quartpatterns.porting.selected_views import Prefixes, select_views
from quartpatterns.porting.threads import send_to_threads
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
    ProjectModule,
    Route,
    Scope,
    Value,
    Values,
)

__all__ = ["analyse"]

VIEW = "flask.views.View"
# Methods that only applications have.
APPLICATION_METHODS = ("app_context", "test_client", "test_cli_runner", "test_request_context")


def analyse(project: SourceProject, rules: Rules, only: Sequence[str] = ()) -> Analysis:
    """Return what has to be awaited, and which functions become asynchronous.

    What becomes asynchronous says what runs on the event loop, and rules for calls there make more
    functions asynchronous. So the project is evaluated until nothing is new.

    Arguments:
        project: The project.
        rules: The rules.
        only: Modules and routes. Views of others become asynchronous only if they have to.

    Raises:
        PortError: One of *only* is no module with views, and no route.
    """
    known = OnTheLoop()
    while True:
        evaluator = Evaluator(project, rules, known, all_views=not only)
        evaluator.run()
        if only:
            select_views(evaluator.result, only)
            evaluator.run()
        found = known | evaluator.result.now_on_the_loop()
        if found == known or not rules.elsewhere:
            send_to_threads(evaluator.result)
            return evaluator.result
        known = found


class Evaluator:
    """Evaluates statements and expressions, and notes in the result what they need."""

    def __init__(
        self, project: SourceProject, rules: Rules, known: OnTheLoop, *, all_views: bool
    ) -> None:
        self.project = project
        self.all_views = all_views
        self.rules = rules
        self.result = Analysis(project, rules, known)
        self.flow = Flow()
        self.attributes = Attributes(self)
        self.calls = Calls(self)
        self.decorators = Decorators(self)
        self.prefixes = Prefixes(project)
        self.scopes: dict[cst.CSTNode, Scope] = {}
        self._begun: set[FunctionInfo] = set()
        self._unknown_owners: dict[cst.Attribute, tuple[Scope, Unit]] = {}
        self._guessed: set[cst.Attribute] = set()
        self.relationships = relationships(project.files)
        self.result.lazy = loads_lazily(project.files, rules)
        for file in project.files:
            self.scopes.update(build_scopes(file))

    def run(self) -> None:
        """Evaluate everything, also what was evaluated before."""
        for file in self.project.files:
            self.flow.enqueue(partial(self._block, file.tree.body, self.scopes[file.tree]))
        self._begun.clear()
        self.flow.run()
        self.guess()

    def guess(self) -> None:
        """Take objects that nothing is known about for applications, if they have the methods.

        Tests import modules by their path, for example.
        """
        for node, (scope, unit) in [*self._unknown_owners.items()]:
            if not self.evaluate(node.value, scope):
                self._guessed.add(node)
                self.flow.enqueue(unit)
        self.flow.run()

    # Statements

    def _block(self, body: Iterable[cst.CSTNode], scope: Scope) -> None:
        for statement in body:
            self._statement(statement, scope)

    def _statement(self, node: cst.CSTNode, scope: Scope) -> None:
        method = getattr(self, f"_do_{type(node).__name__.lower()}", None)
        if method is not None:
            method(node, scope)
        else:
            self._children(node, scope)

    def _children(self, node: cst.CSTNode, scope: Scope) -> None:
        """Evaluate all expressions and statements in *node*."""
        for child in node.children:
            if isinstance(child, cst.BaseExpression):
                self.evaluate(child, scope)
            else:
                self._statement(child, scope)

    def _do_assign(self, node: cst.Assign, scope: Scope) -> None:
        self._middleware(node, scope)
        values = self.evaluate(node.value, scope)
        for target in node.targets:
            self._assign(target.target, values, scope)

    def _middleware(self, node: cst.Assign, scope: Scope) -> None:
        """Write ``app.asgi_app`` where middleware that exists for ASGI wraps ``app.wsgi_app``."""
        target, value = node.targets[0].target, node.value
        if not isinstance(value, cst.Call) or not value.args:
            return
        pair = (target, value.args[0].value)
        if all(isinstance(each, cst.Attribute) and each.attr.value == "wsgi_app" for each in pair):
            for function in self.evaluate(value.func, scope):
                rule = self.rules.names.get(function.name) if isinstance(function, Name) else None
                if rule and rule.kind == "middleware":
                    self.result.named.update(dict.fromkeys(pair, ("asgi_app", True)))

    def _do_annassign(self, node: cst.AnnAssign, scope: Scope) -> None:
        values = self._annotated(node.annotation, scope)
        if node.value is not None:
            values |= self.evaluate(node.value, scope)
        self._assign(node.target, values, scope)

    def _do_augassign(self, node: cst.AugAssign, scope: Scope) -> None:
        self.evaluate(node.target, scope)
        self.evaluate(node.value, scope)
        if self.result.awaited.pop(node.target, None) is not None:
            self.result.augmented.add(node)

    def _do_return(self, node: cst.Return, scope: Scope) -> None:
        if node.value is not None:
            values = self.evaluate(node.value, scope)
            if info := function_of(scope):
                self.flow.add((info, "return"), values)

    def _do_for(self, node: cst.For, scope: Scope) -> None:
        values = self.evaluate(node.iter, scope)
        self._iterate(node, values, scope)
        self._assign(node.target, self.items(values), scope)
        self._statement(node.body, scope)
        if node.orelse:
            self._statement(node.orelse, scope)

    def _do_with(self, node: cst.With, scope: Scope) -> None:
        for item in node.items:
            entered: set[Value] = set()
            for value in self.evaluate(item.item, scope):
                entered |= self._enter(item, value, scope)
            if item.asname:
                self._assign(item.asname.name, frozenset(entered), scope)
        self._statement(node.body, scope)

    def _enter(self, item: cst.WithItem, value: Value, scope: Scope) -> Values:
        """Return what ``with`` assigns; note that it has to be asynchronous."""
        if isinstance(value, Closing):
            self.result.make_with(item, scope.file, scope.file.source(item.item))
            return value.values
        if isinstance(value, Context):
            self.result.use_with(value.info, item, scope.file)
            return self.flow.read((value.info, "yield"))
        if isinstance(value, Instance):
            if isinstance(value.type, str):
                for rule in self.rules.type_rules(value.type):
                    if rule.async_with:
                        self.result.make_with(item, scope.file, scope.file.source(item.item))
                    for name, part in (("__enter__", "the beginning"), ("__exit__", "the end")):
                        if remedy := rule.blocked(name):
                            text = f"{part} of 'with {value.type}'"
                            self.result.blocking[item] = (scope.file, text, remedy)
            else:
                found = set[Value]()
                for method in self.attributes.of_class(value.type, "__enter__"):
                    if isinstance(method, Function):
                        found |= self.flow.read((method.info, "return"))
                return frozenset(found) or frozenset({value})
        return frozenset({value})

    def _do_functiondef(self, node: cst.FunctionDef, scope: Scope) -> None:
        info = self._function_info(node, scope)
        for default in _defaults(node.params):
            self.evaluate(default, scope)
        value: Values = frozenset({Function(info)})
        info.routed = False
        for decorator in reversed(node.decorators):
            value = self.decorators.decorate(decorator, value, info, scope)
        if info.fixture:
            self.flow.add(("fixture", _fixture_name(node)), {Function(info)})
        self._store(node.name.value, value, scope)
        self._enqueue_once(info)

    def _enqueue_once(self, info: FunctionInfo) -> None:
        if info not in self._begun:
            self._begun.add(info)
            self.flow.enqueue(partial(self._block, info.node.body.body, info.scope))
            self._seed_parameters(info)

    def _function_info(self, node: cst.FunctionDef, scope: Scope) -> FunctionInfo:
        if node in self.result.functions:
            return self.result.functions[node]
        inner = self.scopes[node]
        owner = self.result.classes.get(scope.node) if scope.is_class else None
        info = FunctionInfo(
            scope.file,
            node,
            inner,
            owner=owner,
            asynchronous=node.asynchronous is not None,
            generator=_is_generator(node),
            decorator=_returns_own_function(node),
        )
        inner.function = info
        self.result.functions[node] = info
        if owner is not None:
            owner.methods[node.name.value] = info
        return info

    def _seed_parameters(self, info: FunctionInfo) -> None:
        """Give parameters what does not come from a call: self, annotations and fixtures."""
        names = positional_names(info.node.params)
        if info.owner and names and "staticmethod" not in info.kinds:
            first: Value = Instance(info.owner)
            if "classmethod" in info.kinds:
                first = ProjectClass(info.owner)
            self.flow.add((info.scope, names[0]), {first})
            names = names[1:]

        def seed() -> None:
            for parameter in all_parameters(info.node.params):
                name = parameter.name.value
                if parameter.annotation is not None and info.scope.parent is not None:
                    self.flow.add(
                        (info.scope, name), self._annotated(parameter.annotation, info.scope.parent)
                    )
                if (info.fixture or self._is_test(info)) and name in names:
                    if name in self.rules.fixtures and not self.flow.read(("fixture", name)):
                        self.flow.add((info.scope, name), {Instance(self.rules.fixtures[name])})
                    for value in self.flow.read(("fixture", name)):
                        if isinstance(value, Function) and self._sees_fixture(info, value.info):
                            kind = "yield" if value.info.generator else "return"
                            self.flow.add((info.scope, name), self.flow.read((value.info, kind)))

        self.flow.enqueue(seed)

    def _sees_fixture(self, info: FunctionInfo, fixture: FunctionInfo) -> bool:
        if info is fixture:
            return False
        if fixture.file is info.file:
            return True
        folder = fixture.file.name.rpartition("/")[0]
        return fixture.file.path.name == "conftest.py" and info.file.name.startswith(folder)

    def _is_test(self, info: FunctionInfo) -> bool:
        return info.file.is_test and (
            info.node.name.value.startswith("test") or info.node.name.value in ("setup_method",)
        )

    def _do_classdef(self, node: cst.ClassDef, scope: Scope) -> None:
        info = self.result.classes.get(node)
        if info is None:
            info = self.result.classes[node] = ClassInfo(scope.file, node, self.scopes[node])
        for decorator in node.decorators:
            self.evaluate(decorator.decorator, scope)
        for base in node.bases:
            for value in self.evaluate(base.value, scope):
                info.bases.add(value)
                if isinstance(value, ProjectClass):
                    value.info.subclasses.add(info)
                elif isinstance(value, Name) and (rule := self.rules.names.get(value.name)):
                    self.result.note_difference(base, scope.file, value.name, rule)
        self._statement(node.body, info.scope)
        self._store(node.name.value, frozenset({ProjectClass(info)}), scope)
        bases = self.result.external_bases(info)
        if not bases.isdisjoint(MODELS):
            self.flow.add(MODEL, {ProjectClass(info)})
        if VIEW in bases:
            views: set[Value] = set()
            for value in self.view_methods(info):
                self.calls.framework.accept(value.info, view=True, route=Route(info.file))
                views.add(value)
            decorators = self.items(self.attributes.of_class(info, "decorators"))
            self.decorators.decorate_views(decorators, frozenset(views))
        self._overrides(info)

    def view_methods(self, info: ClassInfo) -> Iterator[Function]:
        """Yield the methods of a class that handle requests."""
        for name in self.rules.types[VIEW].overrides:
            for value in self.flow.read((info.scope, name)):
                if isinstance(value, Function):
                    yield value

    def _overrides(self, info: ClassInfo) -> None:
        """Make methods asynchronous that override those of a library that are awaited."""
        for base in self.result.external_bases(info):
            self.flow.add(("subclasses", base), {Instance(info)})
            for rule in self.rules.type_rules(base):
                names = rule.awaited if base == VIEW else rule.awaited | rule.overrides
                for name in names & info.methods.keys():
                    method = info.methods[name]
                    self.result.make_async(
                        method, f"it overrides {base}.{name}(), which is awaited"
                    )

    def _do_import(self, node: cst.Import, scope: Scope) -> None:
        for alias in node.names:
            full = dotted_name(alias.name)
            if alias.asname:
                self._assign(alias.asname.name, self._module(full, scope.file), scope)
            else:
                top = full.partition(".")[0]
                self._store(top, self._module(top, scope.file), scope)

    def _do_importfrom(self, node: cst.ImportFrom, scope: Scope) -> None:
        module = absolute_module(node, scope.file)
        source = self.project.resolve(module, scope.file)
        if isinstance(node.names, cst.ImportStar):
            if source:
                for name in self.scopes[source.tree].names:
                    if name not in scope.names:
                        scope.names.add(name)
                        scope.star_names.add(name)
                    self.flow.add((scope, name), self.flow.read((self.scopes[source.tree], name)))
            return
        for alias in node.names:
            name = dotted_name(alias.name)
            if source is None:
                self.result.imported.add((scope.file.name, self.rules.original(f"{module}.{name}")))
            values = self._imported(module, source, name, scope.file)
            target = alias.asname.name if alias.asname else alias.name
            self._assign(target, values, scope)

    def _imported(
        self, module: str, source: PythonFile | None, name: str, file: PythonFile
    ) -> Values:
        submodule = self.project.resolve(f"{module}.{name}", file)
        if source is None:
            if submodule:
                return frozenset({ProjectModule(submodule)})
            return self.attributes.external_name(f"{module}.{name}")
        scope = self.scopes[source.tree]
        values = self.flow.read((scope, name))
        # `from . import db` in a package binds the name that it looks for.
        unbound = name not in scope.names or name in scope.star_names
        if submodule and (source is file or unbound):
            values |= {ProjectModule(submodule)}
        return values

    def _module(self, full: str, file: PythonFile) -> Values:
        full = self.rules.original(full)
        if source := self.project.resolve(full, file):
            return frozenset({ProjectModule(source)})
        return frozenset({Name(full)})

    # Assignments

    def _assign(self, target: cst.BaseExpression, values: Values, scope: Scope) -> None:
        if isinstance(target, cst.Name):
            self._store(target.value, values, scope)
        elif isinstance(target, cst.Tuple | cst.List):
            for element in target.elements:
                self._assign(element.value, self.items(values), scope)
        elif isinstance(target, cst.StarredElement):
            self._assign(target.value, frozenset({Items(values)}), scope)
        elif isinstance(target, cst.Attribute):
            for owner in self.evaluate(target.value, scope):
                if isinstance(owner, Instance) and isinstance(owner.type, str):
                    if what := bound_to_thread(owner.type):
                        self.result.bound[target] = (scope.file, what)
                self.attributes.assign(owner, target.attr.value, values)
        elif isinstance(target, cst.Subscript):
            owners = self.evaluate(target.value, scope)
            self._key(target, owners, scope)
            if any(
                isinstance(owner, Instance) and owner.type == "jinja2.Names" for owner in owners
            ):
                for value in values:
                    if isinstance(value, Function):
                        self.calls.framework.accept(value.info, view=False)
                return
            if not self.add_items(target.value, values, scope):
                self.calls.escape(values, target, scope, f"{scope.file.source(target.value)}[...]")

    def add_items(self, node: cst.BaseExpression, values: Values, scope: Scope) -> bool:
        """Note that a collection gets more items. Return whether it can be followed."""
        items: Values = frozenset({Items(values)}) if values else NOTHING
        if isinstance(node, cst.Name):
            owner = self._defining_scope(node.value, scope)
            if owner is None:
                return False
            followed = self._is_collection(self.flow.read((owner, node.value)))
            self.flow.add((owner, node.value), items)
            return followed
        if isinstance(node, cst.Subscript):
            return self.add_items(node.value, items, scope)
        followed = False
        if isinstance(node, cst.Attribute):
            for value in self.evaluate(node.value, scope):
                name = node.attr.value
                followed |= self._is_collection(self.attributes.of(value, name, node, scope))
                self.attributes.assign(value, name, items)
        return followed

    def _is_collection(self, values: Values) -> bool:
        return any(isinstance(value, Items) or value == Instance("dict") for value in values)

    def _defining_scope(self, name: str, scope: Scope) -> Scope | None:
        """Return the scope whose variable *name* is in *scope*; None for one of Python."""
        current: Scope | None = scope
        while current is not None:
            if name in current.names and (current is scope or not current.is_class):
                return current
            current = current.parent
        return None

    def _store(self, name: str, values: Values, scope: Scope) -> None:
        if name in scope.global_names:
            scope = scope.module
        elif isinstance(scope.node, COMPREHENSIONS) and name not in scope.names and scope.parent:
            self._store(name, values, scope.parent)
            return
        self.flow.add((scope, name), values)

    # Expressions

    def evaluate(self, node: cst.BaseExpression, scope: Scope) -> Values:
        """Return what an expression can be, and note what it needs."""
        method = getattr(self, f"_eval_{type(node).__name__.lower()}", None)
        if method is not None:
            values: Values = method(node, scope)
            return values
        found: set[Value] = set()
        for child in node.children:
            if isinstance(child, cst.BaseExpression):
                self.evaluate(child, scope)
            else:
                self._children(child, scope)
        return frozenset(found)

    def _eval_name(self, node: cst.Name, scope: Scope) -> Values:
        owner = self._defining_scope(node.value, scope)
        if owner is None:
            return self.attributes.external_name(node.value)
        return self.flow.read((owner, node.value))

    def _eval_attribute(self, node: cst.Attribute, scope: Scope) -> Values:
        found: set[Value] = set()
        owners = self.evaluate(node.value, scope)
        if not owners and node.attr.value in APPLICATION_METHODS:
            self._unknown_owners[node] = scope, self.flow.unit
            if node in self._guessed:
                found.add(Method("flask.Flask", node.attr.value))
        for owner in owners:
            found |= self.attributes.of(owner, node.attr.value, node, scope)
        # Of an object of the project, it may come from a base class that nobody knows.
        if not found and all(
            isinstance(owner, Instance) and isinstance(owner.type, ClassInfo) for owner in owners
        ):
            self.result.unknown[node] = scope.file
        else:
            self.result.unknown.pop(node, None)
        return frozenset(found)

    def _eval_await(self, node: cst.Await, scope: Scope) -> Values:
        return self.evaluate(node.expression, scope)

    def _eval_lambda(self, node: cst.Lambda, scope: Scope) -> Values:
        inner = self.scopes[node]
        self.flow.add((inner, "return"), self.evaluate(node.body, inner))
        return frozenset({LambdaFunction(inner, node)})

    def _comprehension(self, node: cst.BaseComp, scope: Scope) -> Scope:
        inner = self.scopes[node]
        part: cst.CompFor | None = node.for_in
        outer = scope
        while part is not None:
            values = self.evaluate(part.iter, outer)
            self._iterate(part, values, inner)
            self._assign(part.target, self.items(values), inner)
            for condition in part.ifs:
                self.evaluate(condition.test, inner)
            outer = inner
            part = part.inner_for_in
        return inner

    def _eval_listcomp(self, node: cst.ListComp, scope: Scope) -> Values:
        inner = self._comprehension(node, scope)
        return frozenset({Items(self.evaluate(node.elt, inner))})

    _eval_setcomp = _eval_listcomp
    _eval_generatorexp = _eval_listcomp

    def _eval_dictcomp(self, node: cst.DictComp, scope: Scope) -> Values:
        inner = self._comprehension(node, scope)
        self.evaluate(node.key, inner)
        return frozenset({Items(self.evaluate(node.value, inner))})

    def _collection(self, node: cst.Tuple | cst.List | cst.Set, scope: Scope) -> Values:
        found: set[Value] = set()
        for element in node.elements:
            values = self.evaluate(element.value, scope)
            found |= self.items(values) if isinstance(element, cst.StarredElement) else values
        return frozenset({Items(frozenset(found))})

    _eval_tuple = _collection
    _eval_list = _collection
    _eval_set = _collection

    def _eval_dict(self, node: cst.Dict, scope: Scope) -> Values:
        found: set[Value] = set()
        for element in node.elements:
            if isinstance(element, cst.DictElement):
                self.evaluate(element.key, scope)
                found |= self.evaluate(element.value, scope)
            else:
                found |= self.items(self.evaluate(element.value, scope))
        return frozenset({Items(frozenset(found))})

    def _eval_subscript(self, node: cst.Subscript, scope: Scope) -> Values:
        values = self.evaluate(node.value, scope)
        self._key(node, values, scope)
        for value in values:
            if isinstance(value, Instance) and isinstance(value.type, str):
                if any("__getitem__" in rule.awaited for rule in self.rules.type_rules(value.type)):
                    self.result.await_(node, scope.file, scope.file.source(node))
        return self.items(values)

    def _key(self, node: cst.Subscript, owners: Values, scope: Scope) -> None:
        for element in node.slice:
            self._children(element, scope)
            if isinstance(element.slice, cst.Index):
                self.attributes.read_item(owners, element.slice.value, node, scope)

    def _eval_ifexp(self, node: cst.IfExp, scope: Scope) -> Values:
        self.evaluate(node.test, scope)
        return self.evaluate(node.body, scope) | self.evaluate(node.orelse, scope)

    def _eval_booleanoperation(self, node: cst.BooleanOperation, scope: Scope) -> Values:
        return self.evaluate(node.left, scope) | self.evaluate(node.right, scope)

    def _eval_binaryoperation(self, node: cst.BinaryOperation, scope: Scope) -> Values:
        left, right = self.evaluate(node.left, scope), self.evaluate(node.right, scope)
        if isinstance(node.operator, cst.BitOr):  # dictionaries and sets, and a chain of tasks
            return left | right
        found: set[Value] = set()
        for value in left if isinstance(node.operator, cst.Divide) else ():  # Path("a") / "b"
            if isinstance(value, Instance) and isinstance(value.type, str):
                for rule in self.rules.type_rules(value.type):
                    if kind := rule.returned("__truediv__"):
                        found.add(Instance(kind))
        return frozenset(found)

    def _eval_namedexpr(self, node: cst.NamedExpr, scope: Scope) -> Values:
        values = self.evaluate(node.value, scope)
        self._assign(node.target, values, scope)
        return values

    def _eval_call(self, node: cst.Call, scope: Scope) -> Values:
        return self.calls.call(node, scope)

    def _eval_yield(self, node: cst.Yield, scope: Scope) -> Values:
        if node.value is None:
            return NOTHING
        info = function_of(scope)
        if isinstance(node.value, cst.From):
            values = self.items(self.evaluate(node.value.item, scope))
        else:
            values = self.evaluate(node.value, scope)
        if info:
            self.flow.add((info, "yield"), values)
        return NOTHING

    def items(self, values: Values) -> Values:
        """Return what the items of collections can be."""
        found: set[Value] = set()
        for value in values:
            if isinstance(value, Items):
                found |= value.values
            elif isinstance(value, Instance) and isinstance(value.type, str):
                for rule in self.rules.type_rules(value.type):
                    if rule.items:
                        found.add(Instance(rule.items))
        return frozenset(found)

    def _iterate(self, node: cst.CSTNode, values: Values, scope: Scope) -> None:
        """Note that *node* iterates over *values*."""
        for value in values:
            if isinstance(value, Context):
                self.result.use_for(value.info, node, scope.file)
            elif isinstance(value, Instance) and isinstance(value.type, str):
                for rule in self.rules.type_rules(value.type):
                    if rule.async_for:
                        self.result.make_for(node, scope.file, value.type)
                    if remedy := rule.blocked("__iter__"):
                        text = f"'for' over {value.type}"
                        self.result.blocking[node] = (scope.file, text, remedy)

    def _annotated(self, annotation: cst.Annotation, scope: Scope) -> Values:
        """Return the instances that an annotation names."""
        found: set[Value] = set()
        node = annotation.annotation
        if isinstance(node, cst.SimpleString):
            return NOTHING
        for value in self.evaluate(node, scope):
            if isinstance(value, ProjectClass):
                found.add(Instance(value.info))
            elif isinstance(value, Name):
                rule = self.rules.names.get(value.name)
                if rule and rule.returns:
                    kind = rule.returns
                    if self.result.lazy:  # An argument of this type is db.session.
                        kind = kind.replace("sqlalchemy.Sync", "sqlalchemy.")
                    found.add(Instance(kind))
        return frozenset(found)


def _fixture_name(function: cst.FunctionDef) -> str:
    """Return the name that tests use: that of the function, or ``@pytest.fixture(name=...)``."""
    for decorator in function.decorators:
        for arg in decorator.decorator.args if isinstance(decorator.decorator, cst.Call) else ():
            named = arg.keyword is not None and arg.keyword.value == "name"
            if named and isinstance(arg.value, cst.SimpleString):
                return str(arg.value.evaluated_value)
    return function.name.value


def _defaults(params: cst.Parameters) -> list[cst.BaseExpression]:
    return [each.default for each in all_parameters(params) if each.default is not None]


def _is_generator(node: cst.FunctionDef) -> bool:
    pending: list[cst.CSTNode] = [node.body]
    while pending:
        current = pending.pop()
        if isinstance(current, cst.Yield):
            return True
        pending += [
            child
            for child in current.children
            if not isinstance(child, cst.FunctionDef | cst.Lambda | cst.ClassDef)
        ]
    return False


def _returns_own_function(function: cst.FunctionDef) -> bool:
    """Return whether a function is a decorator: it defines a function, and returns it."""
    defined: set[str] = set()
    returned: set[str] = set()
    pending: list[cst.CSTNode] = list(function.body.body)
    while pending:
        node = pending.pop()
        if isinstance(node, cst.FunctionDef):
            defined.add(node.name.value)
        elif isinstance(node, cst.Return) and isinstance(node.value, cst.Name):
            returned.add(node.value.value)
        else:
            pending += node.children
    return bool(defined & returned)
