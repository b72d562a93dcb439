"""The Celery application and its settings: they become ``Tasks`` and the settings of the app."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from quartpatterns.porting.celery_move.code import (
    CELERY,
    TASKS,
    CeleryCode,
    import_name,
    keyword,
    moves,
    source,
)
from quartpatterns.porting.celery_move.settings import (
    APPLICATION,
    CeleryConfiguration,
    CelerySetting,
    ConfiguringStatement,
    NotMovableError,
    plain_setting,
)
from quartpatterns.porting.celery_move.unread_settings import report_unread
from quartpatterns.porting.project import PythonFile, dotted_name
from quartpatterns.porting.serving import find_applications
from quartpatterns.porting.settings import name_of_setting
from quartpatterns.porting.values import Instance, ProjectModule

__all__ = ["NAMES", "TasksConnection"]

NAMES = ("tasks", "background_tasks", "project_tasks")  # of the Tasks object
MEMORY = re.compile(r"(memory|cache\+memory|filesystem)://")
ANYWHERE = re.compile(r"os\.(environ|getenv)\b")
DIFFERENCES = (
    "a job can run twice, as with acks_late; a task may run for 300 s, and its result is kept for"
    " an hour; arguments and results are JSON; jobs that Celery has queued are not read"
)


@dataclass(frozen=True)
class _WholeApplication:
    """Where an application is whole: a function or module, a position in it, and its name."""

    file: PythonFile
    place: cst.CSTNode
    position: int
    indent: str
    app: str


class TasksConnection:
    """How the application and its tasks become connected.

    Attributes:
        code: The code.
        shared: The name of the ``Tasks`` object of all modules, or "" if there is none.
        in_place: The statement that can connect them, if there is one.

    Raises:
        NotMovableError: It is not known where they can be connected.
    """

    def __init__(self, code: CeleryCode) -> None:
        self.code = code
        self.shared = ""
        self._module = ""
        self._configuration = CeleryConfiguration(self.code)
        self.creation, self.file = self._configuration.creation, self._configuration.file
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

    # Where it connects

    def _factory(self, call: cst.Call, file: PythonFile) -> _WholeApplication | None:
        """Return where an application is whole."""
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
        indent = file.text[first:position].decode()
        return _WholeApplication(file, place, position, indent, name)

    def _descendants(self, node: cst.CSTNode) -> list[cst.CSTNode]:
        found, pending = [node], [node]
        while pending:
            children = pending.pop().children
            found += children
            pending += children
        return found

    def _in_place(self) -> ConfiguringStatement | None:
        """Return the statement that can connect the application, if it is the only one.

        It is in the function or module that creates the application, or in one that this calls.
        """
        result = self.code.evaluator.result
        if len(self._configuration.places) > 1:
            return None
        if self._configuration.places:
            place = self._configuration.places[0]
        else:
            app = self._app_of_creation()
            statement = self.code.statement(self.creation, self.file)
            if not app or statement is None:
                return None
            place = ConfiguringStatement(self.file, statement, app)
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
        if any(code.is_shared(each, info.file) for info, each in code.tasks.items()):
            return True
        place = code.evaluator.result.place(self.creation, self.file)
        return not isinstance(place, cst.Module) and self.in_place is None

    # The new code

    def discard(self) -> None:
        """Remove what configures Celery, and Celery's own class of tasks."""
        for info, bases in self.code.classes():
            if "celery.BoundTask" in bases and not self.code.is_covered(info.node, info.file):
                self._configuration.discarded.append((info.node, info.file))
        connecting = self.in_place.statement if self.in_place else None
        for statement, file in sorted(
            dict.fromkeys(self._configuration.discarded), key=lambda each: each[1].spans[each[0]]
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
        for whole in self._factories:
            owner, imported = self._owner(whole.file)
            settings = self._settings(whole.file, whole.place, whole.app, None)
            newline = whole.file.tree.default_newline
            lines = [*imported, *settings, f"{owner}.init_app({whole.app})"]
            text = "".join(f"{line}{newline}{whole.indent}" for line in lines)
            code.insert_line(whole.position, whole.file, text)

    def import_shared(self, file: PythonFile) -> None:
        """Make the shared object known in *file*."""
        if self._module:
            name = self._module
            if import_name(self.file, file) == self.file.path.stem:  # The new module is beside it.
                name = name.rpartition(".")[2]
            self.code.want(file, f"from {name} import {self.shared}")

    def _connect_in_place(self, place: ConfiguringStatement) -> None:
        code, file = self.code, place.file
        owner = self.shared or self._variable()
        inside = code.evaluator.result.place(place.statement, file)
        settings = self._settings(file, inside, place.app, place.config)
        lines = [*settings, f"{owner}.init_app({place.app})"]
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
        scope = self.code.evaluator.scopes[file.tree]
        known = self.code.evaluator.flow.read((scope, name))
        if file is self.file or Instance(CELERY) in known:
            return name, []
        statement = f"from {import_name(self.file, file)} import {name}"
        used = {node.value for node in file.spans if isinstance(node, cst.Name)}
        if name not in used:
            return name, [statement]
        other = next(each for each in NAMES if each not in used)
        return other, [f"{statement} as {other}"]

    def _settings(
        self, file: PythonFile, place: cst.CSTNode, app: str, config: cst.BaseExpression | None
    ) -> list[str]:
        """Return the statements that set what ``Tasks`` reads."""
        found: dict[str, str] = {}
        for plain, new in moves()["settings"].items():
            text = self._setting_text(plain, file, place, app, config)
            if text:
                found.setdefault(new, text)
            elif new != "REDIS_URL" and (value := self._configuration.values.get(plain)):
                why = f"{TASKS} reads only the configuration of the application"
                self.code.report("breaks", value.file, value.node, why, f"write {new} there")
        if "REDIS_URL" not in found:
            why = "it is not known here which broker Celery has"
            remedy = f'write {app}.config["REDIS_URL"] = ... before init_app({app})'
            code = self.code
            code.report("breaks", self.file, self.creation, why, f"{remedy} in {file.name}")
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
        self,
        plain: str,
        file: PythonFile,
        place: cst.CSTNode,
        app: str,
        config: cst.BaseExpression | None,
    ) -> str:
        """Return an expression for a setting of Celery, or "" if the project does not set it."""
        value = self._configuration.values.get(plain)
        if value is not None:
            if self._is_visible(value, file, place):
                return value.text
            if isinstance(value.node, cst.SimpleString) and not value.attribute:
                return value.text
            for module in self.code.values(value.node, value.file) if value.attribute else ():
                if isinstance(module, ProjectModule):
                    name = import_name(module.file, file)
                    self.code.want(file, f"import {name}")
                    return f"{name}.{value.attribute}"
            if ANYWHERE.match(value.text):
                self.code.want(file, "import os")
                return value.text
        names = self._names(plain)
        owner = self._configuration.places[0] if self._configuration.places else None
        if config is None and owner is not None:
            config = owner.config
        if config is not None and owner is not None and not self._is_flat(config, owner.file):
            text = source(config, owner.file)
            if text.startswith(f"{owner.app}."):
                text = f"{app}{text.removeprefix(owner.app)}"
                lower = [name for name in names if name == name.lower()]
                if plain == "broker_url" or lower:
                    return f'{text}.get("{(lower or [plain])[0]}"{self._default(plain)})'
        names = [name for name in names if name.isupper()] or [*self._keys_of_config(names)]
        if not names:
            return ""
        return f'{app}.config.get("{names[0]}"{self._default(plain)})'

    def _is_visible(self, value: CelerySetting, file: PythonFile, place: cst.CSTNode) -> bool:
        """Return whether an expression means the same in *place*."""
        if value.file is not file:
            return False
        if place is self.code.evaluator.result.place(value.node, file):
            return True
        scope = self.code.scope(value.node, file)
        local: set[str] = set()
        while scope.parent is not None:
            local |= scope.names
            scope = scope.parent
        return local.isdisjoint(
            node.value for node in self._descendants(value.node) if isinstance(node, cst.Name)
        )

    def _keys_of_config(self, names: list[str]) -> Iterator[str]:
        """Yield the names that the project sets as ``app.config["name"] = value``."""
        for node, file in self.code.nodes(cst.Subscript, tests=False):
            owner, parent = node.value, file.parents[node]
            if isinstance(parent, cst.AssignTarget) and isinstance(owner, cst.Attribute):
                name = file.source(node.slice[0]).strip("\"'")
                if owner.attr.value == "config" and name in names:
                    yield name

    def _default(self, plain: str) -> str:
        default = moves()["setting_defaults"].get(moves()["settings"][plain])
        return f", {default}" if default else ""

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
        command = f"quartpatterns worker '{self._served()}'"
        code.report(
            "differs",
            self.file,
            self.creation,
            f"the worker, and what it promises, are not Celery's: {DIFFERENCES}",
            f"start it with {command} in place of 'celery worker' and 'celery beat'",
        )
        values = self._configuration.values
        report_unread(code, {plain: (each.file, each.node) for plain, each in values.items()})
        self._memory()

    def _served(self) -> str:
        """Return the name of the application for the command that starts a worker."""
        found = [each.name for each in find_applications(self.code.project)]
        evaluator = self.code.evaluator
        for file in self.code.project.files if not found else ():
            scope = evaluator.scopes[file.tree]
            for name in sorted(scope.names) if not file.is_test else ():
                if Instance(APPLICATION) in evaluator.flow.read((scope, name)):
                    found.append(f"{file.module}:{name}")
        return (found or ["module:app"])[0]

    def _memory(self) -> None:
        """Write a URL of Redis for a broker in memory. Eager tasks do not contact it."""
        for node, file in self.code.nodes(cst.SimpleString):
            text = str(node.evaluated_value)
            parent = file.parents[node]
            if MEMORY.match(text) and isinstance(
                parent, cst.Arg | cst.Assign | cst.DictElement | cst.AnnAssign
            ):
                self.code.replace(node, file, f"{node.quote}redis://localhost:6379/0{node.quote}")
