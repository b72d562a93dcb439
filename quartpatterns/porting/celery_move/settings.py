"""The Celery application and its settings: they become ``Tasks`` and the settings of the app."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import libcst as cst

from quartpatterns.porting.celery_move.code import CELERY, TASKS, CeleryCode, keyword, moves, source
from quartpatterns.porting.project import PythonFile, dotted_name
from quartpatterns.porting.serving import find_applications
from quartpatterns.porting.settings import name_of_setting

__all__ = ["TasksConnection", "NotMovableError", "plain_setting"]

APPLICATION = "flask.Flask"
CONFIGURING = frozenset(
    "Task add_defaults autodiscover_tasks conf config_from_object finalize set_default".split()
)
MEMORY = re.compile(r"(memory|cache\+memory|filesystem)://")
ANYWHERE = re.compile(r"os\.(environ|getenv)\b")
DIFFERENCES = (
    "a job can run twice, as with acks_late; a task may run for 300 s, and its result is kept for"
    " an hour; arguments and results are JSON; jobs that Celery has queued are not read"
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
class _Value:
    """A setting that the code gives to the Celery application."""

    file: PythonFile
    node: cst.BaseExpression


@dataclass(frozen=True)
class _Place:
    """A statement that gives the configuration of an application to Celery."""

    file: PythonFile
    statement: cst.CSTNode
    app: str
    config: cst.BaseExpression | None = None


@dataclass
class TasksConnection:
    """How the application and its tasks become connected.

    Attributes:
        code: The code.
        shared: The name of the ``Tasks`` object of all modules, or "" if there is none.
    """

    code: CeleryCode
    shared: str = ""
    _module: str = ""
    _values: dict[str, _Value] = field(default_factory=dict[str, "_Value"])
    _places: list[_Place] = field(default_factory=list["_Place"])
    _discarded: list[tuple[cst.CSTNode, PythonFile]] = field(
        default_factory=list[tuple[cst.CSTNode, PythonFile]]
    )

    def __post_init__(self) -> None:
        creations = self.code.creations
        if not creations:
            raise NotMovableError("the code that creates the Celery application is not found")
        if len(creations) > 1:
            places = ", ".join(f"{file.name}:{file.line(node)}" for node, file in creations)
            raise NotMovableError(f"there are several Celery applications ({places})")
        self.creation, self.file = creations[0]
        self._read_creation()
        self._read_statements()
        self._applications = [
            (call, file)
            for call in self.code.evaluator.result.applications
            for file in self.code.project.files
            if call in file.spans and not file.is_test and isinstance(call, cst.Call)
        ]
        self._factories = [
            place
            for call, file in self._applications
            if (place := self._factory(call, file)) is not None
        ]
        self.in_place = self._in_place()
        if self.in_place is None and not (
            self._factories and len(self._factories) == len(self._applications)
        ):
            raise NotMovableError("the application that the tasks belong to is not found")

    # What the code says about Celery

    def _read_creation(self) -> None:
        names = {"broker": "broker_url", "backend": "result_backend", "include": "include"}
        names |= {"config_source": "config_source", "task_cls": "", "main": ""}
        for arg in self.creation.args:
            if arg.keyword is not None:
                name = names.get(arg.keyword.value, arg.keyword.value)
                if name:
                    self._values[name] = _Value(self.file, arg.value)

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
                    self._discarded.append((statement, file))
            elif isinstance(small, cst.Expr) and isinstance(call := small.value, cst.Call):
                if name in ("set_default", "finalize"):
                    self._discarded.append((statement, file))
                elif name == "autodiscover_tasks":
                    remedy = moves()["reported_settings"]["imports"]
                    code.report("differs", file, call, "nothing looks for tasks", remedy)
                    self._discarded.append((statement, file))
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
            self._values[plain_setting(name)] = _Value(file, small.value)
            self._discarded.append((statement, file))

    def _configured(self, call: cst.Call, statement: cst.CSTNode, file: PythonFile) -> None:
        """``celery.conf.update(...)`` or ``celery.config_from_object(...)``."""
        for arg in call.args:
            name = arg.keyword.value if arg.keyword is not None else ""
            if name and name not in ("namespace", "silent", "force"):
                self._values[plain_setting(name)] = _Value(file, arg.value)
            elif isinstance(arg.value, cst.Dict):
                for element in arg.value.elements:
                    if isinstance(element, cst.DictElement):
                        key = file.source(element.key).strip("\"'")
                        self._values[plain_setting(key)] = _Value(file, element.value)
            elif not name:
                app = self._app_of(arg.value, file)
                if app:
                    self._places.append(_Place(file, statement, app, arg.value))
                else:
                    self.code.report(
                        "breaks",
                        file,
                        arg,
                        f"{TASKS} reads only the configuration of the application",
                        "write REDIS_URL and the settings TASKS_... there",
                    )
        self._discarded.append((statement, file))

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

    # Where it connects

    def _factory(self, call: cst.Call, file: PythonFile) -> tuple[PythonFile, int, str, str] | None:
        """Return where an application is whole: file, position, indent and its name."""
        assign = next(
            (each for each in file.ancestors(call) if isinstance(each, cst.Assign | cst.AnnAssign)),
            None,
        )
        if assign is None:
            return None
        target = assign.targets[0].target if isinstance(assign, cst.Assign) else assign.target
        name = dotted_name(target)
        place = self.code.evaluator.result.place(call, file)
        if not name:
            return None
        if isinstance(place, cst.FunctionDef):
            returns = [
                node
                for node in file.spans
                if isinstance(node, cst.Return)
                and node.value is not None
                and file.source(node.value) == name
                and self.code.evaluator.result.place(node, file) is place
            ]
            position = file.spans[returns[-1]][0] if returns else -1
            if not returns or not isinstance(target, cst.Name):
                return None
        elif isinstance(place, cst.Module):
            lines = [
                line
                for line in file.tree.body
                if isinstance(line, cst.SimpleStatementLine)
                and (
                    call in [*self._descendants(line)]
                    or self.creation in [*self._descendants(line)]
                    or file.source(line).startswith(f"{name}.config")
                )
            ]
            end = file.spans[lines[-1]][1]
            following = file.text.find(b"\n", end)
            position = len(file.text) if following < 0 else following + 1
        else:
            return None
        first = file.text.rfind(b"\n", 0, position) + 1
        return file, position, file.text[first:position].decode(), name

    def _descendants(self, node: cst.CSTNode) -> list[cst.CSTNode]:
        found, pending = [node], [node]
        while pending:
            children = pending.pop().children
            found += children
            pending += children
        return found

    def _in_place(self) -> _Place | None:
        """Return the statement that can connect the application, if it is the only one.

        It is in the function or module that creates the application, or in one that this calls.
        """
        result = self.code.evaluator.result
        if len(self._places) > 1:
            return None
        if self._places:
            place = self._places[0]
        else:
            app = self._app_of_creation()
            statement = self.code.statement(self.creation, self.file)
            if not app or statement is None:
                return None
            place = _Place(self.file, statement, app)
        here = result.place(place.statement, place.file)
        creating = {(result.place(call, file), file) for call, file in self._applications}
        if (here, place.file) in creating:
            return place
        info = result.functions.get(here)
        calls = [
            (result.place(call, file), file)
            for call, file in (info.calls.items() if info is not None else ())
            if not file.is_test
        ]
        return place if len(calls) == 1 and calls[0] in creating else None

    def _app_of_creation(self) -> str:
        """Return the application in ``Celery(app.name)``."""
        for arg in self.creation.args:
            value = arg.value
            if isinstance(value, cst.Attribute) and value.attr.value in ("name", "import_name"):
                if APPLICATION in self.code.types(value.value, self.file):
                    return self.file.source(value.value)
        return ""

    @property
    def needs_shared(self) -> bool:
        """Whether the tasks need an object that all modules can import."""
        code = self.code
        if any(
            "celery.shared_task" in code.names(_function(each.decorator), info.file)
            or "celery.app.shared_task" in code.names(_function(each.decorator), info.file)
            for info, each in code.tasks.items()
        ):
            return True
        place = code.evaluator.result.place(self.creation, self.file)
        return not isinstance(place, cst.Module) and self.in_place is None

    # The new code

    def discard(self) -> None:
        """Remove what configures Celery, and Celery's own class of tasks."""
        for info, bases in self.code.classes():
            if "celery.BoundTask" in bases and not self.code.is_covered(info.node, info.file):
                self._discarded.append((info.node, info.file))
        connecting = self.in_place.statement if self.in_place else None
        for statement, file in sorted(
            dict.fromkeys(self._discarded), key=lambda each: each[1].spans[each[0]]
        ):
            if statement is not connecting:
                self.code.remove(statement, file)

    def write(self, module: str) -> None:
        """Write ``Tasks()``, the settings, and ``init_app()``.

        Arguments:
            module: The module from which :attr:`shared` is imported, or "" if it is the one that
                creates the Celery application.
        """
        code, file = self.code, self.file
        self._module = module
        self._report()
        code.replace(self.creation, file, self.shared or "Tasks()")
        code.want(file, f"from {TASKS} import Tasks") if not self.shared else self.import_shared(
            file
        )
        if self.in_place is not None:
            self._connect_in_place(self.in_place)
            return
        for place, position, indent, app in self._factories:
            owner, imported = self._owner(place)
            lines = [*imported, *self._settings(place, app, None), f"{owner}.init_app({app})"]
            newline = place.tree.default_newline
            text = "".join(f"{line}{newline}{indent}" for line in lines)
            code.insert_line(position, place, text)

    def import_shared(self, file: PythonFile) -> None:
        """Make the shared object known in *file*."""
        if self._module:
            self.code.want(file, f"from {self._module} import {self.shared}")

    def _connect_in_place(self, place: _Place) -> None:
        code, file = self.code, place.file
        owner = self.shared or self._variable()
        lines = [*self._settings(file, place.app, place.config), f"{owner}.init_app({place.app})"]
        if self.shared:
            self.import_shared(file)
        if place.config is not None:
            code.remove(place.statement, file, *lines)
        else:
            start, end = file.spans[place.statement]
            indent = file.text[file.text.rfind(b"\n", 0, start) + 1 : start].decode()
            newline = file.tree.default_newline
            code.insert_line(end, file, "".join(f"{newline}{indent}{line}" for line in lines))

    def _variable(self) -> str:
        """Return what refers to the Celery application where it connects."""
        place = self.in_place
        assert place is not None
        statement = place.statement
        if place.config is not None and isinstance(statement, cst.SimpleStatementLine):
            for node in self._descendants(statement):
                if isinstance(node, cst.Attribute) and CELERY in self.code.types(
                    node.value, place.file
                ):
                    return place.file.source(node.value)
        return self._assigned_name()

    def _assigned_name(self) -> str:
        for ancestor in self.file.ancestors(self.creation):
            if isinstance(ancestor, cst.Assign):
                return self.file.source(ancestor.targets[0].target)
        raise NotMovableError("the Celery application is no variable")

    def _owner(self, file: PythonFile) -> tuple[str, list[str]]:
        """Return the name of the ``Tasks`` object in *file*, and the import that it needs."""
        if self.shared:
            self.import_shared(file)
            return self.shared, []
        name = self._assigned_name()
        if file is self.file:
            return name, []
        return name, [f"from {self.file.module} import {name}"]

    def _settings(self, file: PythonFile, app: str, config: cst.BaseExpression | None) -> list[str]:
        """Return the statements that set what ``Tasks`` reads."""
        found: dict[str, str] = {}
        for plain, new in moves()["settings"].items():
            text = self._setting_text(plain, file, app, config)
            if text:
                found.setdefault(new, text)
        queues = self._queues()
        if queues:
            found["TASKS_QUEUES"] = f"[{', '.join(map(repr, queues)).replace(chr(39), chr(34))}]"
        return [f'{app}.config["{name}"] = {text}' for name, text in found.items()]

    def _queues(self) -> list[str]:
        """Return the queues that tasks and calls name."""
        found: list[str] = []
        for arg, file in self.code.nodes(cst.Arg):
            if arg.keyword is not None and arg.keyword.value == "queue":
                if isinstance(arg.value, cst.SimpleString) and not file.is_test:
                    found.append(str(arg.value.evaluated_value))
        for info, decorator in self.code.tasks.items():
            value = keyword(decorator.decorator, "queue")
            if isinstance(value, cst.SimpleString) and not info.file.is_test:
                found.append(str(value.evaluated_value))
        names = sorted({*found} - {"default"})
        return ["default", *names] if names else []

    def _setting_text(
        self, plain: str, file: PythonFile, app: str, config: cst.BaseExpression | None
    ) -> str:
        """Return an expression for a setting of Celery, or "" if the project does not set it."""
        if plain in self._values:
            value = self._values[plain]
            text = source(value.node, value.file)
            visible = value.file is file
            if visible or isinstance(value.node, cst.SimpleString) or ANYWHERE.match(text):
                if not visible and ANYWHERE.match(text):
                    self.code.want(file, "import os")
                return text
        names = self._names(plain)
        if config is None and self._places:
            config = self._places[0].config
            if self._places[0].file is not file:
                config = None
        if config is not None and config in file.spans and not self._is_flat(config, file):
            text = source(config, file)
            lower = [name for name in names if name == name.lower()] or [plain]
            if plain == "broker_url" or any(name == name.lower() for name in names):
                return f'{text}.get("{lower[0]}"{self._default(plain)})'
        names = [name for name in names if name.isupper()]
        if not names:
            return ""
        return f'{app}.config.get("{names[0]}"{self._default(plain)})'

    def _default(self, plain: str) -> str:
        return ", False" if plain == "task_always_eager" else ""

    def _is_flat(self, config: cst.BaseExpression, file: PythonFile) -> bool:
        return file.source(config).endswith(".config")

    def _names(self, plain: str) -> list[str]:
        """Return the names of a setting that the project sets."""
        found: dict[str, int] = {}
        for file in self.code.project.files:
            for node in file.spans:
                name = name_of_setting(node, file)
                if (
                    name
                    and plain_setting(name) == plain
                    and not self.code.is_covered(node, file)
                    and "celery" in (name + file.text.decode()).lower()
                ):
                    found.setdefault(name, len(found))
        return sorted(found, key=lambda name: (not name.startswith("CELERY_"), found[name]))

    def _report(self) -> None:
        code = self.code
        names = [each.name for each in find_applications(code.project)]
        command = f"quartpatterns worker '{(names or ['module:app'])[0]}'"
        code.report(
            "differs",
            self.file,
            self.creation,
            f"the worker, and what it promises, are not Celery's: {DIFFERENCES}",
            f"start it with {command} in place of 'celery worker' and 'celery beat'",
        )
        for plain, value in self._values.items():
            if remedy := moves()["reported_settings"].get(plain):
                if plain != "beat_schedule":
                    why = f"{TASKS} does not read {plain}"
                    code.report("differs", value.file, value.node, why, remedy)
        for file in code.project.files:
            for node in file.spans:
                plain = plain_setting(name_of_setting(node, file))
                if plain in moves()["reported_settings"] and plain != "include":
                    if plain != "beat_schedule" and not code.is_covered(node, file):
                        remedy = moves()["reported_settings"][plain]
                        code.report("differs", file, node, f"{TASKS} does not read {plain}", remedy)
        self._memory()

    def _memory(self) -> None:
        """Write a URL of Redis for a broker in memory. Eager tasks do not contact it."""
        for node, file in self.code.nodes(cst.SimpleString):
            text = str(node.evaluated_value)
            parent = file.parents[node]
            if MEMORY.match(text) and isinstance(
                parent, cst.Arg | cst.Assign | cst.DictElement | cst.AnnAssign
            ):
                self.code.replace(node, file, f"{node.quote}redis://localhost:6379/0{node.quote}")


def _function(node: cst.BaseExpression) -> cst.BaseExpression:
    return node.func if isinstance(node, cst.Call) else node
