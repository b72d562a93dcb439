"""Find which functions become asynchronous, and what has to be awaited.

The analysis follows values through assignments, arguments, results, attributes and fixtures, in any
order of statements. It evaluates each function with all values that its variables can have, and
again if one of these gets another value. Sets of values only grow, so this ends.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import libcst as cst

from quartpatterns.porting.project import PythonFile, SourceProject
from quartpatterns.porting.rules import NameRule, Rules
from quartpatterns.porting.scopes import COMPREHENSIONS, build_scopes
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

__all__ = ["Analysis", "Problem", "analyse"]

# A method that the interpreter calls and does not await.
SYNCHRONOUS_PREFIX = "__"
AWAITABLE_SPECIAL = frozenset({"__call__", "__aenter__", "__aexit__", "__anext__"})
VIEW_METHODS = ("get", "post", "put", "delete", "patch", "head", "options", "dispatch_request")
DEPTH = 3  # of collections in collections that are followed


@dataclass(frozen=True)
class Problem:
    """A place that a person has to look at.

    Attributes:
        kind: ``breaks``, ``blocks`` or ``differs``.
        file: The file.
        node: The place.
        reason: What is wrong.
        remedy: What to write instead.
    """

    kind: str
    file: PythonFile
    node: cst.CSTNode
    reason: str
    remedy: str


Unit = Callable[[], None]


class Analysis:
    """The result: what to await, and which functions become asynchronous.

    Attributes:
        awaited: The expressions to await, and why.
        async_with: The ``with`` statements to make asynchronous, and why.
        async_for: The ``for`` statements and comprehensions to make asynchronous.
        functions: All functions, by their nodes.
        classes: All classes, by their nodes.
        problems: What a person has to look at.
    """

    def __init__(self, project: SourceProject, rules: Rules) -> None:
        self.project = project
        self.rules = rules
        self.awaited: dict[cst.CSTNode, str] = {}
        self.async_with: dict[cst.With, str] = {}
        self.async_items: set[cst.WithItem] = set()
        self.async_for: dict[cst.CSTNode, str] = {}
        self.functions: dict[cst.CSTNode, FunctionInfo] = {}
        self.classes: dict[cst.CSTNode, ClassInfo] = {}
        self.problems: dict[tuple[cst.CSTNode, str], Problem] = {}
        self.blocking: dict[cst.CSTNode, tuple[PythonFile, str, str]] = {}
        self.augmented: set[cst.AugAssign] = set()
        self.creations: dict[cst.CSTNode, str] = {}
        self.of_request: set[cst.CSTNode] = set()
        self.applications: set[cst.CSTNode] = set()
        self.scopes: dict[cst.CSTNode, Scope] = {}
        self._values: dict[object, set[Value]] = defaultdict(set)
        self._readers: dict[object, set[Unit]] = defaultdict(set)
        self._queue: deque[Unit] = deque()
        self._queued: set[Unit] = set()
        self._unit: Unit = self.run
        self._fixtures: dict[str, list[FunctionInfo]] = defaultdict(list)
        self._patches: dict[FunctionInfo, set[FunctionInfo]] = defaultdict(set)
        self._units: dict[cst.CSTNode, Unit] = {}
        self._with_of: dict[FunctionInfo, list[tuple[PythonFile, cst.WithItem]]] = defaultdict(list)
        self._for_of: dict[FunctionInfo, list[tuple[PythonFile, cst.CSTNode]]] = defaultdict(list)

    # Running

    def run(self) -> None:
        """Analyse all files."""
        for file in self.project.files:
            self.scopes.update(build_scopes(file))
        for file in self.project.files:
            self._enqueue(self._module_unit(file))
        while self._queue:
            self._unit = self._queue.popleft()
            self._queued.discard(self._unit)
            self._unit()

    def _enqueue(self, unit: Unit) -> None:
        if unit not in self._queued:
            self._queued.add(unit)
            self._queue.append(unit)

    def _module_unit(self, file: PythonFile) -> Unit:
        scope = self.scopes[file.tree]

        def unit() -> None:
            self._block(file.tree.body, scope)

        return unit

    def _function_unit(self, info: FunctionInfo) -> Unit:
        def unit() -> None:
            self._block(info.node.body.body, info.scope)

        return unit

    def read(self, key: object) -> Values:
        """Return the values of a variable; the current unit runs again if there are more."""
        self._readers[key].add(self._unit)
        return frozenset(self._values[key])

    def add(self, key: object, values: Iterable[Value]) -> None:
        """Add values to a variable."""
        known = self._values[key]
        new = {value for value in values if value not in known and _depth(value) <= DEPTH}
        if new:
            known |= new
            for unit in self._readers[key]:
                self._enqueue(unit)

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
        values = self.evaluate(node.value, scope)
        for target in node.targets:
            self._assign(target.target, values, scope)

    def _do_annassign(self, node: cst.AnnAssign, scope: Scope) -> None:
        values = self._annotated(node.annotation, scope)
        if node.value is not None:
            values |= self.evaluate(node.value, scope)
        self._assign(node.target, values, scope)

    def _do_augassign(self, node: cst.AugAssign, scope: Scope) -> None:
        self.evaluate(node.target, scope)
        self.evaluate(node.value, scope)
        if self.awaited.pop(node.target, None) is not None:
            self.augmented.add(node)

    def _do_return(self, node: cst.Return, scope: Scope) -> None:
        if node.value is not None:
            values = self.evaluate(node.value, scope)
            if info := self._function_of(scope):
                self.add((info, "return"), values)

    def _do_for(self, node: cst.For, scope: Scope) -> None:
        values = self.evaluate(node.iter, scope)
        self._iterate(node, values, scope)
        self._assign(node.target, self._items(values), scope)
        self._statement(node.body, scope)
        if node.orelse:
            self._statement(node.orelse, scope)

    def _do_with(self, node: cst.With, scope: Scope) -> None:
        for item in node.items:
            entered: set[Value] = set()
            for value in self.evaluate(item.item, scope):
                entered |= self._enter(node, item, value, scope)
            if item.asname:
                self._assign(item.asname.name, frozenset(entered), scope)
        self._statement(node.body, scope)

    def _enter(self, node: cst.With, item: cst.WithItem, value: Value, scope: Scope) -> Values:
        """Return what ``with`` assigns; note that it has to be asynchronous."""
        if isinstance(value, Context):
            self._with_of[value.info].append((scope.file, item))
            if value.info.asynchronous:
                self._make_with(item, scope.file, f"{value.info.name}()")
            return self.read((value.info, "yield"))
        if isinstance(value, Instance):
            if isinstance(value.type, str):
                if any(rule.async_with for rule in self.rules.type_rules(value.type)):
                    self._make_with(item, scope.file, scope.file.source(item.item))
            else:
                found = set[Value]()
                for method in self._class_attribute(value.type, "__enter__"):
                    if isinstance(method, Function):
                        found |= self.read((method.info, "return"))
                return frozenset(found) or frozenset({value})
        return frozenset({value})

    def _do_functiondef(self, node: cst.FunctionDef, scope: Scope) -> None:
        info = self._function_info(node, scope)
        for default in _defaults(node.params):
            self.evaluate(default, scope)
        value: Values = frozenset({Function(info)})
        for decorator in reversed(node.decorators):
            value = self._decorate(decorator, value, info, scope)
        if info.fixture:
            self.add(("fixture", node.name.value), {Function(info)})
        self._store(node.name.value, value, scope)
        self._enqueue_once(info)

    def _enqueue_once(self, info: FunctionInfo) -> None:
        if info.node not in self._units:
            unit = self._units[info.node] = self._function_unit(info)
            self._enqueue(unit)
            self._seed_parameters(info)

    def _function_info(self, node: cst.FunctionDef, scope: Scope) -> FunctionInfo:
        if node in self.functions:
            return self.functions[node]
        inner = self.scopes[node]
        owner = self.classes.get(scope.node) if scope.is_class else None
        info = FunctionInfo(
            scope.file,
            node,
            inner,
            owner=owner,
            asynchronous=node.asynchronous is not None,
            generator=_is_generator(node),
        )
        inner.function = info
        self.functions[node] = info
        return info

    def _seed_parameters(self, info: FunctionInfo) -> None:
        """Give parameters what does not come from a call: self, annotations and fixtures."""
        names = _parameters(info.node.params)
        if info.owner and names and "staticmethod" not in info.kinds:
            first: Value = Instance(info.owner)
            if "classmethod" in info.kinds:
                first = ProjectClass(info.owner)
            self.add((info.scope, names[0]), {first})
            names = names[1:]

        def seed() -> None:
            for parameter in _all_parameters(info.node.params):
                name = parameter.name.value
                if parameter.annotation is not None and info.scope.parent is not None:
                    self.add(
                        (info.scope, name), self._annotated(parameter.annotation, info.scope.parent)
                    )
                if (info.fixture or self._is_test(info)) and name in names:
                    if name in self.rules.fixtures:
                        self.add((info.scope, name), {Instance(self.rules.fixtures[name])})
                    for value in self.read(("fixture", name)):
                        if isinstance(value, Function) and self._sees_fixture(info, value.info):
                            kind = "yield" if value.info.generator else "return"
                            self.add((info.scope, name), self.read((value.info, kind)))

        self._enqueue(seed)

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
        info = self.classes.get(node)
        if info is None:
            info = self.classes[node] = ClassInfo(scope.file, node, self.scopes[node])
        for decorator in node.decorators:
            self.evaluate(decorator.decorator, scope)
        for base in node.bases:
            for value in self.evaluate(base.value, scope):
                info.bases.add(value)
                if isinstance(value, ProjectClass):
                    value.info.subclasses.add(info)
        self._statement(node.body, info.scope)
        self._store(node.name.value, frozenset({ProjectClass(info)}), scope)
        if "flask.views.View" in self.external_bases(info):
            for name in VIEW_METHODS:
                for value in self.read((info.scope, name)):
                    if isinstance(value, Function):
                        self._accept(value.info, view=True)

    def _do_import(self, node: cst.Import, scope: Scope) -> None:
        for alias in node.names:
            full = _dotted(alias.name)
            if alias.asname:
                self._assign(alias.asname.name, self._module(full, scope.file), scope)
            else:
                top = full.partition(".")[0]
                self._store(top, self._module(top, scope.file), scope)

    def _do_importfrom(self, node: cst.ImportFrom, scope: Scope) -> None:
        module = self._absolute(node, scope.file)
        source = self.project.resolve(module, scope.file)
        if isinstance(node.names, cst.ImportStar):
            if source:
                for name in self.scopes[source.tree].names:
                    scope.names.add(name)
                    self.add((scope, name), self.read((self.scopes[source.tree], name)))
            return
        for alias in node.names:
            name = _dotted(alias.name)
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
            return self._name(f"{module}.{name}")
        values = self.read((self.scopes[source.tree], name))
        if submodule and name not in self.scopes[source.tree].names:
            values |= {ProjectModule(submodule)}
        return values

    def _absolute(self, node: cst.ImportFrom, file: PythonFile) -> str:
        module = _dotted(node.module) if node.module else ""
        if not node.relative:
            return module
        parts = file.module.split(".")
        levels = len(node.relative) - (1 if file.is_package else 0)
        parts = parts[: len(parts) - levels] if levels else parts
        return ".".join([*parts, module] if module else parts)

    def _module(self, full: str, file: PythonFile) -> Values:
        full = self.rules.original(full)
        if source := self.project.resolve(full, file):
            return frozenset({ProjectModule(source)})
        return frozenset({Name(full)})

    def _name(self, full: str) -> Values:
        """Return what a name from outside the project is."""
        full = self.rules.original(full)
        rule = self.rules.names.get(full)
        if rule and rule.instance and rule.instance != "type":
            return frozenset({Instance(rule.instance)})
        return frozenset({Name(full)})

    # Assignments

    def _assign(self, target: cst.BaseExpression, values: Values, scope: Scope) -> None:
        if isinstance(target, cst.Name):
            self._store(target.value, values, scope)
        elif isinstance(target, cst.Tuple | cst.List):
            for element in target.elements:
                self._assign(element.value, self._items(values), scope)
        elif isinstance(target, cst.StarredElement):
            self._assign(target.value, frozenset({Items(values)}), scope)
        elif isinstance(target, cst.Attribute):
            for owner in self.evaluate(target.value, scope):
                self._set_attribute(owner, target.attr.value, values, target, scope)
        elif isinstance(target, cst.Subscript):
            owners = self.evaluate(target.value, scope)
            self._children(target, scope)
            if any(
                isinstance(owner, Instance) and owner.type == "jinja2.Names" for owner in owners
            ):
                for value in values:
                    if isinstance(value, Function):
                        self._accept(value.info, view=False)
                return
            self._escape(values, target, scope, f"{scope.file.source(target.value)}[...]")

    def _store(self, name: str, values: Values, scope: Scope) -> None:
        if name in scope.global_names:
            scope = scope.module
        elif isinstance(scope.node, COMPREHENSIONS) and name not in scope.names and scope.parent:
            self._store(name, values, scope.parent)
            return
        self.add((scope, name), values)

    def _set_attribute(
        self, owner: Value, name: str, values: Values, node: cst.CSTNode, scope: Scope
    ) -> None:
        if isinstance(owner, Instance):
            self.add((owner.type, name), values)
        elif isinstance(owner, ProjectClass):
            self.add((owner.info, name), values)
        elif isinstance(owner, ProjectModule):
            self.add((self.scopes[owner.file.tree], name), values)

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
        current: Scope | None = scope
        first = True
        while current is not None:
            if node.value in current.names and (first or not current.is_class):
                return self.read((current, node.value))
            first = False
            current = current.parent
        return self._name(node.value)

    def _eval_attribute(self, node: cst.Attribute, scope: Scope) -> Values:
        found: set[Value] = set()
        for owner in self.evaluate(node.value, scope):
            found |= self._attribute(owner, node.attr.value, node, scope)
        return frozenset(found)

    def _attribute(self, owner: Value, name: str, node: cst.CSTNode, scope: Scope) -> Values:
        if isinstance(owner, Name):
            return self._name(f"{owner.name}.{name}")
        if isinstance(owner, ProjectModule):
            inner = self.scopes[owner.file.tree]
            if name in inner.names:
                return self.read((inner, name))
            return self._module_attribute(owner.file, name)
        if isinstance(owner, ProjectClass):
            own = self._class_attribute(owner.info, name)
            return own or self._inherited_attribute(owner.info, name, node, scope)
        if isinstance(owner, Instance):
            if isinstance(owner.type, ClassInfo):
                return self._instance_attribute(owner, owner.type, name, node, scope)
            return self._external_attribute(owner.type, name, node, scope)
        return NOTHING

    def _module_attribute(self, file: PythonFile, name: str) -> Values:
        if submodule := self.project.modules.get(f"{file.module}.{name}"):
            return frozenset({ProjectModule(submodule)})
        return NOTHING

    def _external_attribute(
        self, type_name: str, name: str, node: cst.CSTNode, scope: Scope
    ) -> Values:
        found: set[Value] = set()
        for rule in self.rules.type_rules(type_name):
            if name in rule.report:
                self._problem(
                    "breaks",
                    scope.file,
                    node,
                    f"{type_name}.{name} does not exist in ASGI",
                    rule.report[name],
                )
            if name in rule.properties:
                self._await(node, scope, scope.file.source(node))
                if type_name == "flask.Request":
                    self.of_request.add(node)
            if name in rule.attributes:
                found.add(Instance(rule.attributes[name]))
            if (
                name in (rule.awaited | rule.accepts | rule.views)
                or name in rule.returns
                or name in rule.blocks
            ):
                found.add(Method(type_name, name))
            if rule.open:
                found |= self.read((type_name, name))
        return frozenset(found)

    def _class_attribute(self, info: ClassInfo, name: str) -> Values:
        found = set(self.read((info, name))) | set(self.read((info.scope, name)))
        if not found:
            for base in info.bases:
                if isinstance(base, ProjectClass):
                    found |= self._class_attribute(base.info, name)
        return frozenset(found)

    def _instance_attribute(
        self, owner: Instance, info: ClassInfo, name: str, node: cst.CSTNode, scope: Scope
    ) -> Values:
        found: set[Value] = set()
        for value in self._class_attribute(info, name):
            if isinstance(value, Function) and value.info.owner:
                if value.info.kinds & {"property", "cached"}:
                    found |= self._call_function(value.info, node, scope)
                    continue
                value = Function(value.info, owner)
            found.add(value)
        return frozenset(found) or self._inherited_attribute(info, name, node, scope)

    def _inherited_attribute(
        self, info: ClassInfo, name: str, node: cst.CSTNode, scope: Scope
    ) -> Values:
        """Return an attribute that a class inherits from outside of the project."""
        bases = self.external_bases(info)
        return NOTHING.union(*(self._external_attribute(base, name, node, scope) for base in bases))

    def external_bases(self, info: ClassInfo) -> set[str]:
        found: set[str] = set()
        for base in info.bases:
            if isinstance(base, Name):
                rule = self.rules.names.get(base.name)
                found.add(rule.returns if rule and rule.returns else base.name)
            elif isinstance(base, Instance) and isinstance(base.type, str):
                found.add(base.type)
            elif isinstance(base, ProjectClass):
                found |= self.external_bases(base.info)
        return found

    def _eval_await(self, node: cst.Await, scope: Scope) -> Values:
        return self.evaluate(node.expression, scope)

    def _eval_lambda(self, node: cst.Lambda, scope: Scope) -> Values:
        self.evaluate(node.body, self.scopes[node])
        return NOTHING

    def _comprehension(self, node: cst.BaseComp, scope: Scope) -> Scope:
        inner = self.scopes[node]
        part: cst.CompFor | None = node.for_in
        outer = scope
        while part is not None:
            values = self.evaluate(part.iter, outer)
            self._iterate(part, values, inner)
            self._assign(part.target, self._items(values), inner)
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
            found |= self._items(values) if isinstance(element, cst.StarredElement) else values
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
                found |= self._items(self.evaluate(element.value, scope))
        return frozenset({Items(frozenset(found))})

    def _eval_subscript(self, node: cst.Subscript, scope: Scope) -> Values:
        values = self.evaluate(node.value, scope)
        for element in node.slice:
            self._children(element, scope)
        return self._items(values)

    def _eval_ifexp(self, node: cst.IfExp, scope: Scope) -> Values:
        self.evaluate(node.test, scope)
        return self.evaluate(node.body, scope) | self.evaluate(node.orelse, scope)

    def _eval_booleanoperation(self, node: cst.BooleanOperation, scope: Scope) -> Values:
        return self.evaluate(node.left, scope) | self.evaluate(node.right, scope)

    def _eval_namedexpr(self, node: cst.NamedExpr, scope: Scope) -> Values:
        values = self.evaluate(node.value, scope)
        self._assign(node.target, values, scope)
        return values

    def _eval_yield(self, node: cst.Yield, scope: Scope) -> Values:
        if node.value is None:
            return NOTHING
        info = self._function_of(scope)
        if isinstance(node.value, cst.From):
            values = self._items(self.evaluate(node.value.item, scope))
        else:
            values = self.evaluate(node.value, scope)
        if info:
            self.add((info, "yield"), values)
        return NOTHING

    def _items(self, values: Values) -> Values:
        found: set[Value] = set()
        for value in values:
            if isinstance(value, Items):
                found |= value.values
            elif isinstance(value, Instance) and isinstance(value.type, str):
                for rule in self.rules.type_rules(value.type):
                    if rule.items:
                        found.add(Instance(rule.items))
        return frozenset(found)

    # Calls

    def _eval_call(self, node: cst.Call, scope: Scope) -> Values:
        functions = self.evaluate(node.func, scope)
        arguments = [(self.evaluate(arg.value, scope), arg) for arg in node.args]
        found: set[Value] = set()
        targets: list[FunctionInfo] = []
        for function in functions:
            if isinstance(function, Function):
                targets.append(function.info)
                self._bind(function, arguments)
                found |= self._call_function(function.info, node, scope)
            elif isinstance(function, ProjectClass):
                found |= self._create(function.info, node, arguments, scope)
            elif isinstance(function, Method):
                found |= self._call_method(function, node, arguments, scope)
            elif isinstance(function, Name):
                found |= self._call_name(function.name, node, arguments, scope)
            elif isinstance(function, Instance) and isinstance(function.type, ClassInfo):
                for method in self._instance_attribute(
                    function, function.type, "__call__", node, scope
                ):
                    if isinstance(method, Function):
                        self._bind(method, arguments)
                        found |= self._call_function(method.info, node, scope)
        self._unify(targets)
        if not functions:
            for values, arg in arguments:
                self._escape(values, arg, scope, f"{scope.file.source(node.func)}()")
        return frozenset(found)

    def _bind(self, function: Function, arguments: list[tuple[Values, cst.Arg]]) -> None:
        """Pass arguments to the parameters of a function."""
        params = function.info.node.params
        names = _parameters(params)
        if function.instance is not None and names and "staticmethod" not in function.info.kinds:
            names = names[1:]
        position = 0
        for values, arg in arguments:
            if arg.star == "*":
                for name in names[position:]:
                    self.add((function.info.scope, name), self._items(values))
            elif arg.star == "**":
                pass
            elif arg.keyword is not None:
                known = {each.name.value for each in _all_parameters(params)}
                if arg.keyword.value in known:
                    self.add((function.info.scope, arg.keyword.value), values)
                elif isinstance(params.star_kwarg, cst.Param):
                    name = params.star_kwarg.name.value
                    self.add((function.info.scope, name), {Items(values)})
            elif position < len(names):
                self.add((function.info.scope, names[position]), values)
                position += 1
            elif isinstance(params.star_arg, cst.Param):
                self.add((function.info.scope, params.star_arg.name.value), {Items(values)})

    def _call_function(self, info: FunctionInfo, node: cst.CSTNode, scope: Scope) -> Values:
        if "contextmanager" in info.kinds:
            return frozenset({Context(info)})
        if info.generator:
            return frozenset({Items(self.read((info, "yield")))}) | {Context(info)}
        info.calls.append((scope.file, node))
        if info.asynchronous:
            self._await(node, scope, f"{info.name}()")
        return self.read((info, "return"))

    def _create(
        self, info: ClassInfo, node: cst.Call, arguments: list[tuple[Values, cst.Arg]], scope: Scope
    ) -> Values:
        instance = Instance(info)
        for base in self.external_bases(info):
            for rule in self.rules.type_rules(base):
                if rule.create and not isinstance(scope.file.parents.get(node), cst.Await):
                    self.creations[node] = rule.create
                    self._await(node, scope, f"{info.node.name.value}.{rule.create}()")
        for value in self._class_attribute(info, "__init__"):
            if isinstance(value, Function):
                self._bind(Function(value.info, instance), arguments)
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
                self._await(node, scope, f"{scope.file.source(node.func)}()")
            if method.name in rule.returns:
                found.add(Instance(rule.returns[method.name]))
            if method.name in rule.blocks:
                self.blocking[node] = (
                    scope.file,
                    f"{method.type}.{method.name}()",
                    rule.blocks[method.name],
                )
            accepts |= method.name in rule.accepts
            views |= method.name in rule.views
        for values, arg in arguments:
            for value in values:
                if isinstance(value, Function) and (accepts or views):
                    self._accept(value.info, view=views)
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
                self._escape(values, arg, scope, f"{name}()")
            if name in ("list", "tuple", "set", "sorted", "reversed", "iter", "next") and arguments:
                values = arguments[0][0]
                return self._items(values) if name == "next" else values
            if name == "super":
                return self._super(scope)
            if name == "getattr" and len(arguments) > 1:
                attribute = arguments[1][1].value
                if isinstance(attribute, cst.SimpleString):
                    named = str(attribute.evaluated_value)
                    owners = arguments[0][0]
                    every = (self._attribute(owner, named, node, scope) for owner in owners)
                    return NOTHING.union(*every)
            return frozenset()
        if rule.awaited:
            self._await(node, scope, f"{name.rpartition('.')[2]}()")
        if rule.blocks:
            self.blocking[node] = (scope.file, f"{name}()", rule.blocks)
        if rule.report:
            self._problem("breaks", scope.file, node, f"{name} cannot be ported", rule.report)
        if rule.differs:
            self._problem("differs", scope.file, node, f"{name}() differs on Quart", rule.differs)
        found: set[Value] = set()
        if rule.returns:
            found.add(Instance(rule.returns))
        if name == "flask.Flask":
            self.applications.add(node)
        for values, arg in arguments:
            if rule.accepts or rule.views:
                for value in values:
                    if isinstance(value, Function):
                        self._accept(value.info, view=rule.views)
                        found.add(value)
            elif not rule.transparent:
                self._escape(values, arg, scope, f"{name}()")
        if rule.transparent or rule.kind:
            found.add(Name(name))
        return frozenset(found)

    def _super(self, scope: Scope) -> Values:
        info = self._function_of(scope)
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

    def _escape(self, values: Values, node: cst.CSTNode, scope: Scope, where: str) -> None:
        """Note functions that code outside the project gets and may call."""
        for value in values:
            if isinstance(value, Function):
                value.info.escapes.setdefault(node, where)

    def _accept(self, info: FunctionInfo, *, view: bool) -> None:
        info.accepted = True
        if view and not info.view:
            info.view = True
            self.make_async(info, "the application calls it for requests")

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
                replaced |= self._attribute(owner, name, node, scope)
            new = arguments[2][0]
        else:
            return NOTHING
        targets = [each.info for each in (*replaced, *new) if isinstance(each, Function)]
        self._unify(list(dict.fromkeys(targets)))
        if any(target.asynchronous for target in targets) and len(targets) < 2:
            self._problem(
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
            file = self.project.modules.get(".".join(parts[:count]))
            if file is None:
                continue
            values = self.read((self.scopes[file.tree], parts[count]))
            for name in parts[count + 1 :]:
                inner = set[Value]()
                for value in values:
                    if isinstance(value, ProjectClass):
                        inner |= self._class_attribute(value.info, name)
                    elif isinstance(value, ProjectModule):
                        inner |= self.read((self.scopes[value.file.tree], name))
                values = frozenset(inner)
            return values
        return NOTHING

    # Decorators

    def _decorate(
        self, decorator: cst.Decorator, values: Values, info: FunctionInfo, scope: Scope
    ) -> Values:
        node = decorator.decorator
        found: set[Value] = set()
        known = False
        for value in self.evaluate(node, scope):
            if isinstance(value, Function):
                known = True
                arguments = [(values, cst.Arg(cst.Name("_")))]
                self._bind(value, arguments)
                found |= self.read((value.info, "return"))
            elif isinstance(value, Method):
                known = True
                found |= self._decorate_with_method(value, values)
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
                for method in self._class_attribute(value.info, "__init__"):
                    if isinstance(method, Function):
                        self._bind(
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
                        self._accept(value.info, view=method.name in rule.views)
        return values

    def _decorate_with_name(self, rule: NameRule, values: Values, info: FunctionInfo) -> Values:
        if rule.kind == "fixture":
            info.fixture = True
            info.accepted = True
        elif rule.kind:
            info.kinds.add(rule.kind)
            info.accepted |= rule.kind in ("command", "staticmethod", "classmethod", "property")
        for value in values:
            if isinstance(value, Function) and (rule.accepts or rule.views):
                self._accept(value.info, view=rule.views)
        return values

    # Who becomes asynchronous

    def _function_of(self, scope: Scope | None) -> FunctionInfo | None:
        while scope is not None:
            if scope.function is not None:
                return scope.function
            if isinstance(scope.node, cst.Lambda | cst.ClassDef):
                return None
            scope = scope.parent
        return None

    def _iterate(self, node: cst.CSTNode, values: Values, scope: Scope) -> None:
        for value in values:
            if isinstance(value, Context) and value.info.generator:
                self._for_of[value.info].append((scope.file, node))
                if value.info.asynchronous:
                    self._make_for(node, scope.file, f"{value.info.name}()")
            elif isinstance(value, Instance) and isinstance(value.type, str):
                if any(rule.async_for for rule in self.rules.type_rules(value.type)):
                    self._make_for(node, scope.file, value.type)

    def _make_with(self, item: cst.WithItem, file: PythonFile, reason: str) -> None:
        node = file.parents[item]
        if not isinstance(node, cst.With) or node.asynchronous is not None:
            return
        if item not in self.async_items:
            self.async_items.add(item)
            self.async_with.setdefault(node, reason)
            self._needs_async(node, file, f"async with {reason}")

    def _make_for(self, node: cst.CSTNode, file: PythonFile, reason: str) -> None:
        if getattr(node, "asynchronous", None) is None and node not in self.async_for:
            self.async_for[node] = reason
            self._needs_async(node, file, f"async for {reason}")

    def _await(self, node: cst.CSTNode, scope: Scope, reason: str) -> None:
        file = scope.file
        if node in self.awaited or isinstance(file.parents.get(node), cst.Await):
            return
        self.awaited[node] = reason
        self._needs_async(node, file, f"await {reason}")

    def _needs_async(self, node: cst.CSTNode, file: PythonFile, reason: str) -> None:
        """Make the function around *node* asynchronous, or report that this is impossible."""
        previous: cst.CSTNode = node
        for ancestor in file.ancestors(node):
            if isinstance(ancestor, cst.FunctionDef):
                if previous is ancestor.body:
                    info = self.functions.get(ancestor)
                    if info is not None:
                        self.make_async(info, f"{reason} on line {file.line(node)}")
                    return
            elif isinstance(ancestor, cst.Lambda):
                if previous is ancestor.body:
                    self._problem(
                        "breaks",
                        file,
                        node,
                        f"a lambda cannot use {reason}",
                        "write a function with 'async def'",
                    )
                    return
            elif isinstance(ancestor, cst.ClassDef):
                if previous is ancestor.body:
                    self._problem(
                        "breaks",
                        file,
                        node,
                        f"the body of a class cannot use {reason}",
                        "move it into a function",
                    )
                    return
            elif isinstance(ancestor, cst.Module):
                self._problem(
                    "breaks",
                    file,
                    node,
                    f"a module cannot use {reason}",
                    "move it into an 'async def' function, and call that with asyncio.run() or in"
                    " @app.before_serving",
                )
                return
            previous = ancestor

    def enclosing(self, node: cst.CSTNode, file: PythonFile) -> FunctionInfo | None:
        """Return the innermost function of the project whose body contains *node*."""
        previous = node
        for ancestor in file.ancestors(node):
            if isinstance(ancestor, cst.FunctionDef) and previous is ancestor.body:
                return self.functions.get(ancestor)
            previous = ancestor
        return None

    def on_the_event_loop(self) -> set[FunctionInfo]:
        """Return the asynchronous functions and what they call: all that runs on the event loop."""
        called: dict[FunctionInfo, set[FunctionInfo]] = defaultdict(set)
        for info in self.functions.values():
            for file, node in info.calls:
                if caller := self.enclosing(node, file):
                    called[caller].add(info)
        found: set[FunctionInfo] = set()
        pending = [info for info in self.functions.values() if info.asynchronous]
        while pending:
            info = pending.pop()
            if info not in found:
                found.add(info)
                pending += called[info]
        return found

    def can_await(self, node: cst.CSTNode, file: PythonFile) -> bool:
        """Return whether the place of *node* is in an asynchronous function."""
        previous = node
        for ancestor in file.ancestors(node):
            if isinstance(ancestor, cst.FunctionDef) and previous is ancestor.body:
                info = self.functions.get(ancestor)
                return info is not None and info.asynchronous
            if isinstance(ancestor, cst.Lambda | cst.ClassDef) and previous is ancestor.body:
                return False
            previous = ancestor
        return False

    def make_async(self, info: FunctionInfo, reason: str) -> None:
        """Make a function asynchronous, and everything that calls it."""
        if info.asynchronous:
            return
        name = info.node.name.value
        if info.owner and name.startswith(SYNCHRONOUS_PREFIX) and name not in AWAITABLE_SPECIAL:
            self._problem(
                "breaks",
                info.file,
                info.node,
                f"{info.name}() cannot be asynchronous, and needs {reason}",
                "move what is awaited into a method with another name, and await that where the"
                " object is used",
            )
            return
        info.asynchronous = True
        info.reason = reason
        for file, node in list(info.calls):
            if isinstance(file.parents.get(node), cst.Await) or node in self.awaited:
                continue
            self.awaited[node] = f"{info.name}()"
            self._needs_async(node, file, f"await {info.name}()")
        for file, item in self._with_of[info]:
            self._make_with(item, file, f"{info.name}()")
        for file, loop in self._for_of[info]:
            self._make_for(loop, file, f"{info.name}()")
        for peer in self._peers(info):
            self.make_async(peer, f"{info.name}() is called in the same place")

    def _unify(self, targets: list[FunctionInfo]) -> None:
        """Functions that one expression calls are all asynchronous, or none is."""
        if len(targets) > 1:
            for one in targets:
                one.peers.update(each for each in targets if each is not one)
            for one in targets:
                if one.asynchronous:
                    for other in targets:
                        self.make_async(other, f"{one.name}() is called in the same place")
                    break

    def _peers(self, info: FunctionInfo) -> set[FunctionInfo]:
        """Return the functions that have to be asynchronous if *info* is."""
        found = set(info.peers)
        if info.owner:
            for related in _family(info.owner):
                for value in self._values[related.scope, info.node.name.value]:
                    if isinstance(value, Function) and value.info.owner is related:
                        found.add(value.info)
        return found - {info}

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
                    found.add(Instance(rule.returns))
        return frozenset(found)

    def _problem(
        self, kind: str, file: PythonFile, node: cst.CSTNode, reason: str, remedy: str
    ) -> None:
        self.problems.setdefault((node, reason), Problem(kind, file, node, reason, remedy))


def analyse(project: SourceProject, rules: Rules) -> Analysis:
    """Return what has to be awaited, and which functions become asynchronous."""
    analysis = Analysis(project, rules)
    analysis.run()
    return analysis


def _depth(value: Value) -> int:
    if isinstance(value, Items):
        return 1 + max((_depth(each) for each in value.values), default=0)
    return 0


def _family(info: ClassInfo) -> set[ClassInfo]:
    """Return the base classes and subclasses of a class in the project."""
    found: set[ClassInfo] = set()
    pending = [info]
    while pending:
        one = pending.pop()
        if one not in found:
            found.add(one)
            pending += one.subclasses
            pending += [base.info for base in one.bases if isinstance(base, ProjectClass)]
    return found


def _dotted(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


def _all_parameters(params: cst.Parameters) -> list[cst.Param]:
    return [*params.posonly_params, *params.params, *params.kwonly_params]


def _parameters(params: cst.Parameters) -> list[str]:
    return [each.name.value for each in (*params.posonly_params, *params.params)]


def _defaults(params: cst.Parameters) -> list[cst.BaseExpression]:
    return [each.default for each in _all_parameters(params) if each.default is not None]


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
