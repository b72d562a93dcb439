"""What names and attributes stand for: in the project, and by the rules elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from quartpatterns.porting.models import ENTITY, FACTORY, MODEL, SESSION
from quartpatterns.porting.project import PythonFile
from quartpatterns.porting.values import (
    NOTHING,
    ClassInfo,
    Function,
    Instance,
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

__all__ = ["LOOKUPS", "Attributes", "bound_to_thread"]

LOOKUPS = ("get", "pop", "setdefault")
"""Methods of ``flask.g`` and of dictionaries that return what their first argument names."""


def bound_to_thread(type_name: str) -> str:
    """Return what of this type must stay in one thread, or "" if nothing of it has to.

    Functions of one request share ``g``, so that what it has can be bound to a thread. A
    ``scoped_session`` of SQLAlchemy is another one in each thread.
    """
    if type_name == "flask.g":
        return "g"
    if type_name.startswith("sqlalchemy.Scoped"):
        return "scoped_session"
    return "sqlite3" if type_name.startswith("sqlite3.") else ""


class Attributes:
    """Reads and assigns attributes."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.rules = evaluator.rules
        self.result = evaluator.result
        self.flow = evaluator.flow

    def external_name(self, full: str) -> Values:
        """Return what a name from outside the project is."""
        full = self.rules.original(full)
        rule = self.rules.names.get(full)
        if rule and rule.instance and rule.instance != "type":
            return frozenset({Instance(rule.instance)}) | self.flow.read(
                ("subclasses", rule.instance)
            )
        return frozenset({Name(full)})

    def of(self, owner: Value, name: str, node: cst.CSTNode, scope: Scope) -> Values:
        """Return what an attribute of *owner* can be."""
        if isinstance(owner, Name):
            rule = self.rules.names.get(self.rules.original(f"{owner.name}.{name}"))
            if rule is not None and rule.port and not rule.on_loop:
                self.rename(owner.name, name, rule.port, node)
            return self.external_name(f"{owner.name}.{name}")
        if isinstance(owner, Function):
            self.flow.read((owner.info, "task"))  # A decorator may become known later.
            if "task" in owner.info.kinds:
                return self._external_attribute("celery.Task", name, node, scope)
            # The function that Flask-Caching or quartpatterns.tasks has decorated.
            if name in ("function", "uncached"):
                return frozenset({owner})
            if "queued" in owner.info.kinds:
                return self._external_attribute("tasks.Task", name, node, scope)
            return NOTHING
        if isinstance(owner, ProjectModule):
            inner = self.evaluator.scopes[owner.file.tree]
            if name in inner.names:
                return self.flow.read((inner, name))
            return self._module_attribute(owner.file, name)
        if isinstance(owner, ProjectClass):
            own = frozenset(
                Function(value.info, Instance(owner.info))
                if isinstance(value, Function) and "classmethod" in value.info.kinds
                else value
                for value in self.of_class(owner.info, name)
            )
            return own or self._inherited_attribute(owner.info, name, node, scope)
        if isinstance(owner, Instance):
            if isinstance(owner.type, ClassInfo):
                return self.of_instance(owner, owner.type, name, node, scope)
            return self._external_attribute(owner.type, name, node, scope)
        return NOTHING

    def rename(self, module: str, name: str, port: str, node: cst.CSTNode) -> None:
        """Note the new name of an attribute of a module, such as ``time.sleep``."""
        new_module, _, new_name = port.rpartition(".")
        stays = self.rules.modules.get(module) == new_module
        if not (name == new_name and (stays or module == new_module)):
            self.result.named[node] = (new_name if stays else port, stays)

    def _module_attribute(self, file: PythonFile, name: str) -> Values:
        if submodule := self.evaluator.project.modules.get(f"{file.module}.{name}"):
            return frozenset({ProjectModule(submodule)})
        return NOTHING

    def _external_attribute(
        self, type_name: str, name: str, node: cst.CSTNode, scope: Scope
    ) -> Values:
        found: set[Value] = set()
        if what := bound_to_thread(type_name):
            self.result.bound[node] = (scope.file, what)
        if type_name == "pytest_mock.MockerFixture" and name == "patch":
            found.add(Name("unittest.mock.patch"))
        for rule in self.rules.type_rules(type_name):
            parent = scope.file.parents[node]
            if name in rule.blocks and not (isinstance(parent, cst.Call) and parent.func is node):
                self.result.blocking[node] = (
                    scope.file,
                    f"{type_name}.{name}",
                    rule.blocks[name],
                )
            if name in rule.report and node not in self.result.named:
                self.result.problem(
                    "breaks",
                    scope.file,
                    node,
                    f"{type_name}.{name} does not exist"
                    f" {'in ASGI' if type_name.startswith('flask.') else 'on asyncio'}",
                    rule.report[name],
                )
            if name in rule.properties:
                self.result.await_(node, scope.file, scope.file.source(node))
                if type_name == "flask.Request":
                    self.result.of_request.add(node)
            if kind := rule.attribute(name):
                found.add(Instance(kind))
            if (
                name in (rule.awaited | rule.accepts | rule.views)
                or rule.returned(name)
                or rule.blocked(name)
                or name in rule.thread
                or (rule.open and name in LOOKUPS)
            ):
                found.add(Method(type_name, name))
            if rule.open:
                found |= self.flow.read((type_name, name))
        if Instance(SESSION) in found or (type_name == FACTORY and found):
            self.result.use_session(scope)
        if type_name == ENTITY:
            for model in self.flow.read(MODEL):
                if isinstance(model, ProjectClass):
                    found |= self.of_instance(Instance(model.info), model.info, name, node, scope)
        if type_name in (ENTITY, MODEL) and name in self.evaluator.relationships:
            found.add(Instance(self.evaluator.relationships[name]))
        return frozenset(found)

    def read_item(
        self, owners: Values, key: cst.BaseExpression, node: cst.CSTNode, scope: Scope
    ) -> None:
        """Report an item, such as ``request.environ["wsgi.input"]``, that does not exist."""
        if not isinstance(key, cst.SimpleString):
            return
        for owner in owners:
            if isinstance(owner, Instance) and isinstance(owner.type, str):
                for rule in self.rules.type_rules(owner.type):
                    if remedy := rule.report.get(f"[{key.evaluated_value!s}]"):
                        what = f"{owner.type}[{key.value}] does not exist in ASGI"
                        self.result.problem("breaks", scope.file, node, what, remedy)

    def of_class(self, info: ClassInfo, name: str) -> Values:
        """Return what an attribute of a class of the project can be."""
        pending, seen = [info], set[ClassInfo]()
        found: set[Value] = set()
        for each in pending:
            own = self.flow.read((each, name)) | self.flow.read((each.scope, name))
            found |= own
            seen.add(each)
            if not own:
                bases = (base.info for base in each.bases if isinstance(base, ProjectClass))
                pending += [base for base in bases if base not in seen]
        return frozenset(found)

    def of_instance(
        self, owner: Instance, info: ClassInfo, name: str, node: cst.CSTNode, scope: Scope
    ) -> Values:
        """Return what an attribute of an object can be."""
        found: set[Value] = set()
        for value in self.of_class(info, name):
            if isinstance(value, Function) and value.info.owner:
                if value.info.kinds & {"property", "cached"}:
                    found |= self.evaluator.calls.call_function(value.info, node, scope)
                    continue
                value = Function(value.info, owner)
            found.add(value)
        if not found:
            found |= self._inherited_attribute(info, name, node, scope)
        if not found and info.file.is_test:  # A fixture may have written request.cls.name = ...
            found |= self.flow.read(("pytest.TestClass", name))
        return frozenset(found)

    def _inherited_attribute(
        self, info: ClassInfo, name: str, node: cst.CSTNode, scope: Scope
    ) -> Values:
        """Return an attribute that a class inherits from outside of the project."""
        bases = self.result.external_bases(info)
        return NOTHING.union(*(self._external_attribute(base, name, node, scope) for base in bases))

    def assign(self, owner: Value, name: str, values: Values) -> None:
        """Add values to an attribute of *owner*."""
        if isinstance(owner, Instance):
            self.flow.add((owner.type, name), values)
            if isinstance(owner.type, ClassInfo):
                for base in self.result.external_bases(owner.type):
                    if any(rule.open for rule in self.rules.type_rules(base)):
                        self.flow.add((base, name), values)
        elif isinstance(owner, ProjectClass):
            self.flow.add((owner.info, name), values)
        elif isinstance(owner, ProjectModule):
            self.flow.add((self.evaluator.scopes[owner.file.tree], name), values)
