"""What a project says about its Celery application: its settings, and whose they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

import libcst as cst

from quartpatterns.porting.celery_move.code import CELERY, TASKS, CeleryCode, moves, source
from quartpatterns.porting.parameters import all_parameters
from quartpatterns.porting.project import PythonFile, dotted_name
from quartpatterns.porting.values import NOTHING, ProjectClass, ProjectModule, Values

__all__ = [
    "APPLICATION",
    "CeleryConfiguration",
    "CelerySetting",
    "ConfiguringStatement",
    "NotMovableError",
    "plain_setting",
]

APPLICATION = "flask.Flask"
CONFIGURING = frozenset(
    "Task add_defaults autodiscover_tasks conf config_from_object finalize set_default".split()
)


class NotMovableError(Exception):
    """The project stays with Celery. The message says why."""


def plain_setting(name: str) -> str:
    """Return the name of a setting in Celery 4 and later, without a prefix."""
    plain = name.lower()
    plain = plain.replace("celerybeat_", "beat_", 1) if plain.startswith("celerybeat_") else plain
    plain = re.sub(r"^celeryd?_", "", plain)
    return str(moves()["setting_names"].get(plain, plain))


@dataclass(frozen=True)
class CelerySetting:
    """A setting that the code gives to the Celery application.

    *attribute* is its name, if *node* is a module or class that has it.
    """

    file: PythonFile
    node: cst.BaseExpression
    attribute: str = ""

    @property
    def text(self) -> str:
        """The expression for its value."""
        text = source(self.node, self.file)
        return f"{text}.{self.attribute}" if self.attribute else text


@dataclass(frozen=True)
class ConfiguringStatement:
    """A statement that gives the configuration of an application to Celery."""

    file: PythonFile
    statement: cst.CSTNode
    app: str
    config: cst.BaseExpression | None = None


class CeleryConfiguration:
    """What the code gives to the Celery application.

    Attributes:
        creation: The call that creates it.
        file: The file with this call.
        values: The settings, by their names in Celery without a prefix.
        places: The statements that give it the configuration of an application.
        discarded: The statements that only Celery needs.

    Arguments:
        code: The code.

    Raises:
        NotMovableError: There is no Celery application, or several.
    """

    def __init__(self, code: CeleryCode) -> None:
        self.code = code
        creations = code.creations
        if not creations:
            raise NotMovableError("the code that creates the Celery application is not found")
        if len(creations) > 1:
            places = ", ".join(f"{file.name}:{file.line(node)}" for node, file in creations)
            raise NotMovableError(f"there are several Celery applications ({places})")
        self.creation, self.file = creations[0]
        self.values: dict[str, CelerySetting] = {}
        self.places: list[ConfiguringStatement] = []
        self.discarded: list[tuple[cst.CSTNode, PythonFile]] = []
        self._read_creation()
        self._read_statements()

    def _read_creation(self) -> None:
        names = {"broker": "broker_url", "backend": "result_backend", "include": "include"}
        names |= {"config_source": "config_source", "task_cls": "", "main": ""}
        for arg in self.creation.args:
            if arg.keyword is not None:
                name = names.get(arg.keyword.value, arg.keyword.value)
                if name:
                    self.values[name] = CelerySetting(self.file, self._assigned_value(arg.value))

    def _assigned_value(self, node: cst.BaseExpression) -> cst.BaseExpression:
        """Return the value of a variable that the function of the creation assigns once."""
        place = self.code.evaluator.result.place(node, self.file)
        if not isinstance(place, cst.FunctionDef) or not isinstance(node, cst.Name):
            return node
        values: list[cst.BaseExpression] = [
            each.value
            for each in self.file.spans
            if isinstance(each, cst.Assign)
            and self.code.evaluator.result.place(each, self.file) is place
            and any(self.file.source(target.target) == node.value for target in each.targets)
        ]
        return values[0] if len(values) == 1 else node

    def _read_statements(self) -> None:
        """Read the statements that configure the Celery application."""
        code = self.code
        for node, file in code.nodes(cst.Attribute):
            name = node.attr.value
            if name not in CONFIGURING or CELERY not in code.types(node.value, file):
                continue
            statement = code.statement(node, file)
            if statement is None or (file.is_test and name == "conf"):
                continue
            small = statement.body[0]
            if isinstance(small, cst.Assign):
                if name == "conf":
                    self._assigned(small, node, statement, file)
                else:  # celery.Task = ContextTask, TaskBase = celery.Task
                    self.discarded.append((statement, file))
            elif isinstance(small, cst.Expr) and isinstance(call := small.value, cst.Call):
                if name in ("set_default", "finalize"):
                    self.discarded.append((statement, file))
                elif name == "autodiscover_tasks":
                    remedy = moves()["reported_settings"]["imports"]
                    code.report("differs", file, call, "nothing looks for tasks", remedy)
                    self.discarded.append((statement, file))
                elif not file.is_test:
                    self._configured(call, statement, file)

    def _assigned(
        self, small: cst.Assign, conf: cst.Attribute, statement: cst.CSTNode, file: PythonFile
    ) -> None:
        """``celery.conf.name = value`` or ``celery.conf["name"] = value``."""
        target = small.targets[0].target
        name = ""
        if isinstance(target, cst.Attribute) and target.value is conf:
            name = target.attr.value
        elif isinstance(target, cst.Subscript) and target.value is conf:
            name = file.source(target.slice[0]).strip("\"'")
        if name and not file.is_test:
            self.values[plain_setting(name)] = CelerySetting(file, small.value)
            self.discarded.append((statement, file))

    def _configured(self, call: cst.Call, statement: cst.CSTNode, file: PythonFile) -> None:
        """``celery.conf.update(...)`` or ``celery.config_from_object(...)``."""
        for arg in call.args:
            name = arg.keyword.value if arg.keyword is not None else ""
            if name and name not in ("namespace", "silent", "force"):
                self.values[plain_setting(name)] = CelerySetting(file, arg.value)
            elif isinstance(arg.value, cst.Dict):
                for element in arg.value.elements:
                    if isinstance(element, cst.DictElement):
                        key = file.source(element.key).strip("\"'")
                        self.values[plain_setting(key)] = CelerySetting(file, element.value)
            elif not name:
                app = self._app_of(arg.value, file)
                if app:
                    self.places.append(ConfiguringStatement(file, statement, app, arg.value))
                elif not self._read_object(arg.value, file):
                    self.code.report(
                        "breaks",
                        file,
                        arg,
                        f"{TASKS} reads only the configuration of the application",
                        "write REDIS_URL and the settings TASKS_... there",
                    )
        self.discarded.append((statement, file))

    def _read_object(self, node: cst.BaseExpression, file: PythonFile) -> bool:
        """Read the settings of a module or class of the project. Return whether it is one."""
        names: set[str] = set()
        values = self.code.values(node, file)
        if not values and isinstance(node, cst.Name):
            values = self._default(node, file)
        for value in values:
            if isinstance(value, ProjectModule):
                names |= self.code.evaluator.scopes[value.file.tree].names
            elif isinstance(value, ProjectClass):
                names |= value.info.scope.names
        for name in sorted(names):
            self.values.setdefault(plain_setting(name), CelerySetting(file, node, name))
        return bool(names)

    def _default(self, node: cst.Name, file: PythonFile) -> Values:
        """Return the values of the default of a parameter."""
        function = self.code.evaluator.result.place(node, file)
        for param in (
            all_parameters(function.params) if isinstance(function, cst.FunctionDef) else ()
        ):
            if param.name.value == node.value and param.default is not None:
                return self.code.values(param.default, file)
        return NOTHING

    def _app_of(self, node: cst.BaseExpression, file: PythonFile) -> str:
        """Return the text of the application whose ``config`` is in an expression."""
        pending: list[cst.CSTNode] = [node]
        while pending:
            each = pending.pop()
            if isinstance(each, cst.Attribute) and each.attr.value == "config":
                if dotted_name(each.value):
                    return file.source(each.value)
            pending += each.children
        return ""
