"""Why a project stays with Celery."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from quartpatterns.porting.celery_move.code import BOUND, CeleryCode, keyword
from quartpatterns.porting.celery_move.settings import plain_setting
from quartpatterns.porting.project import PythonFile, imported_modules
from quartpatterns.porting.settings import name_of_setting
from quartpatterns.porting.values import ClassInfo, FunctionInfo, Instance, Name, ProjectClass

__all__ = ["Blocker", "find_blockers", "task_names"]

OTHER_BROKER = re.compile(
    r"(amqps?|pyamqp|librabbitmq|sqs|kafka|confluentkafka|mongodb|zookeeper|etcd|gcpubsub|qpid|sentinel"
    r"|redis\+sentinel|redis\+cluster|azure\w+|sqla?(alchemy)?\+?\w*|db\+\w+)://"
)
REDIS = re.compile(r"(rediss?|unix|memory)://")
EXTENSIONS = (
    "flask_celery",
    "flask_celeryext",
    "flask_celery_helper",
    "celery_singleton",
    "celery_once",
)
DEFAULT = (Instance(BOUND), Name("celery.Task"), Name("celery.app.task.Task"))
"""The class of tasks without one of their own: ``base=celery.Task``."""
INTERNAL = ("celery.backends", "celery.beat", "celery.bootsteps", "celery.contrib", "celery.worker")


@dataclass(frozen=True)
class Blocker:
    """A place that keeps a project with Celery."""

    file: PythonFile
    node: cst.CSTNode
    why: str


def find_blockers(code: CeleryCode) -> Iterator[Blocker]:
    """Yield what quartpatterns.tasks cannot do for this project."""
    yield from _extensions(code)
    yield from _brokers(code)
    yield from _functions(code)
    yield from _base_classes(code)
    yield from _calls_by_name(code)


def _extensions(code: CeleryCode) -> Iterator[Blocker]:
    for file in code.project.files:
        for node in file.spans:
            for module in imported_modules(node):
                if module.startswith(INTERNAL):
                    yield Blocker(file, node, f"it extends {module}")
                if (top := module.partition(".")[0]) in EXTENSIONS:
                    yield Blocker(file, node, f"{top} creates the Celery application")


def _brokers(code: CeleryCode) -> Iterator[Blocker]:
    """Yield brokers that are not Redis, and the lack of one, which stands for RabbitMQ."""
    named = False
    for file in code.project.files:
        if file.is_test:
            continue
        for node in file.spans:
            if plain_setting(name_of_setting(node, file)) == "broker_url":
                named = True
            if isinstance(node, cst.SimpleString):
                text = str(node.evaluated_value)
            elif isinstance(node, cst.FormattedString):
                text = file.source(node).lstrip("rRfF").strip("\"'")
            else:
                continue
            named |= bool(REDIS.match(text)) or text.endswith("BROKER_URL")
            if OTHER_BROKER.match(text) and _is_broker(node, file):
                yield Blocker(file, node, "its broker is not Redis")
    if not named:
        for node, file in code.creations:
            if not any(arg.keyword and arg.keyword.value == "broker" for arg in node.args):
                yield Blocker(file, node, "no broker is named, and Celery's default is RabbitMQ")


def _is_broker(node: cst.CSTNode, file: PythonFile) -> bool:
    """Return whether a URL is that of a broker, by the words around it."""
    for ancestor in file.ancestors(node):
        if isinstance(ancestor, cst.Arg | cst.Assign | cst.AnnAssign | cst.DictElement):
            if "broker" in file.source(ancestor).lower():
                return True
        if isinstance(ancestor, cst.BaseStatement):
            return "broker" in file.source(ancestor).lower()
    return False


def _functions(code: CeleryCode) -> Iterator[Blocker]:
    for info in code.tasks:
        if info.owner is not None:
            yield Blocker(info.file, info.node, "a method is a task")
        elif info.generator:
            yield Blocker(info.file, info.node, "a generator is a task")
    for info in code.evaluator.result.functions.values():
        for decorator in info.node.decorators:
            node = decorator.decorator
            function = node.func if isinstance(node, cst.Call) else node
            if isinstance(function, cst.Attribute) and function.attr.value == "task":
                if info not in code.tasks and not code.values(function, info.file):
                    yield Blocker(info.file, decorator, "the decorator of a task is not known")


def _base_classes(code: CeleryCode) -> Iterator[Blocker]:
    for one, bases in code.classes():
        if bases & {BOUND, "celery.Task", "celery.app.task.Task"} and not _enters_context(one):
            yield Blocker(one.file, one.node, "its tasks have a base class of their own")
    for info, decorator in code.tasks.items():
        base = keyword(decorator.decorator, "base")
        if base is not None:
            values = code.values(base, info.file)
            if not any(isinstance(value, ProjectClass) or value in DEFAULT for value in values):
                yield Blocker(info.file, decorator, "its tasks have a base class of their own")


def _enters_context(info: ClassInfo) -> bool:
    """Return whether a class does nothing but call the task in the application's context."""
    file = info.file
    for statement in info.node.body.body:
        if isinstance(statement, cst.SimpleStatementLine):
            small = statement.body[0]
            if isinstance(small, cst.Assign) and file.source(small).startswith("abstract"):
                continue
            if not isinstance(small, cst.Pass | cst.Expr):
                return False
        elif not isinstance(statement, cst.FunctionDef):
            return False
        elif statement.name.value == "run":
            if "NotImplementedError" not in file.source(statement.body):
                return False
        elif statement.name.value != "__call__" or not _only_enters(statement, file):
            return False
    return True


def _only_enters(function: cst.FunctionDef, file: PythonFile) -> bool:
    """Return whether a method does ``with app.app_context(): return self.run(...)`` only."""
    entered = False
    for statement in function.body.body:
        if isinstance(statement, cst.SimpleStatementLine):
            if not isinstance(statement.body[0], cst.Expr | cst.Return):
                return False
        elif isinstance(statement, cst.With):
            entered = "app_context()" in file.source(statement.items[0])
            if not entered or len(statement.body.body) != 1:
                return False
        elif not isinstance(statement, cst.If) or "has_app_context" not in file.source(
            statement.test
        ):
            return False
    return entered


def task_names(code: CeleryCode) -> dict[str, FunctionInfo]:
    """Return the tasks by the names that Celery gives them."""
    found: dict[str, FunctionInfo] = {}
    for info, decorator in code.tasks.items():
        name = keyword(decorator.decorator, "name")
        if isinstance(name, cst.SimpleString):
            found[str(name.evaluated_value)] = info
        found.setdefault(f"{info.file.module}.{info.node.name.value}", info)
    return found


def _calls_by_name(code: CeleryCode) -> Iterator[Blocker]:
    """Yield calls of tasks that another project has."""
    names = task_names(code)
    for node, file in code.nodes(cst.Call, tests=False):
        if isinstance(node.func, cst.Attribute) and node.func.attr.value == "send_task":
            first = node.args[0].value if node.args else None
            if isinstance(first, cst.SimpleString) and str(first.evaluated_value) in names:
                continue
            yield Blocker(file, node, "it calls tasks that are not in this project")
