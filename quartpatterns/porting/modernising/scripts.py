"""Managers of Flask-Script, which become groups of commands of Flask.

``python manage.py test`` works as before. A file changes as a whole: if one of its forms has no
equal, the file keeps Flask-Script, and is reported.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from quartpatterns.porting.modernising.context import OldFile, OldProject
from quartpatterns.porting.project import dotted_name
from quartpatterns.porting.text_edits import end_of_line, remove_items

__all__ = ["modernise_scripts"]

MANAGER = "flask_script.Manager"
MIGRATE = "flask_migrate.MigrateCommand"
FACTORIES = ("create_", "make_")
WHY = "Flask-Script does not work with Flask 3.1"
REMEDY = "write a flask.cli.FlaskGroup, or commands with @app.cli.command()"


def modernise_scripts(project: OldProject) -> None:
    """Write groups of commands in place of managers, or report them."""
    for old in project.files:
        if not any(name in (MIGRATE, MANAGER) for name in old.names.values()) and not any(
            name.startswith("flask_script") for name in old.names.values()
        ):
            continue
        script = _Script(old)
        unknown = next(script.unknown(), None)
        if unknown is None:
            script.write()
        else:
            old.report(unknown, WHY, REMEDY)


class _Script:
    """A file that creates a manager."""

    def __init__(self, old: OldFile) -> None:
        self.old = old
        self.file = old.file
        self.managers: dict[str, cst.Call] = {}
        for node in self.file.spans:
            if isinstance(node, cst.Assign) and isinstance(node.value, cst.Call):
                target = node.targets[0].target
                if old.full_name(node.value.func) == MANAGER and isinstance(target, cst.Name):
                    self.managers[target.value] = node.value
        self.commands = [*self._commands()]
        self.decorators = {each: func for func in self.commands for each in func.decorators}

    def unknown(self) -> Iterator[cst.CSTNode]:
        """Yield what has no equal."""
        commands = {function.name.value for function in self.commands}
        for node in self.file.spans:
            if isinstance(node, cst.Import) and "flask_script" in self.file.source(node):
                yield node
            elif isinstance(node, cst.Name) and not self._in_import(node):
                full = self.old.names.get(node.value, "")
                if full.startswith("flask_script.") and not self._creates_manager(node):
                    yield node
                elif full == MIGRATE and not self._adds_migrations(node):
                    yield node
                elif node.value in self.managers and not self._is_known(node):
                    yield node
            elif isinstance(node, cst.Call) and dotted_name(node.func) in commands:
                yield node  # A command is no function.

    def _in_import(self, node: cst.CSTNode) -> bool:
        around = self.file.ancestors(node)
        return any(isinstance(each, cst.Import | cst.ImportFrom) for each in around)

    def _creates_manager(self, node: cst.Name) -> bool:
        call = self.file.parents[node]
        if call not in self.managers.values() or not isinstance(call, cst.Call):
            return False
        return len(call.args) == 1 and call.args[0].keyword is None

    def _adds_migrations(self, node: cst.Name) -> bool:
        call = self.file.parents.get(self.file.parents[node])
        if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
            return False
        name = call.args[0].value
        is_db = isinstance(name, cst.SimpleString) and name.evaluated_value == "db"
        return is_db and call.func.attr.value == "add_command" and self._is_line(call)

    def _is_line(self, call: cst.Call) -> bool:
        line = self.file.parents[self.file.parents[call]]
        body = getattr(self.file.parents.get(line), "body", ())
        return (
            isinstance(line, cst.SimpleStatementLine)
            and len(line.body) == 1
            and (isinstance(self.file.parents[line], cst.Module) or len(body) > 1)
        )

    def _is_known(self, node: cst.Name) -> bool:
        """Return whether a manager is used in a form that a group has, too."""
        parent = self.file.parents[node]
        if isinstance(parent, cst.AssignTarget):
            return True
        if not isinstance(parent, cst.Attribute):
            return False
        name, user = parent.attr.value, self.file.parents[parent]
        if name == "command":
            function = self.decorators.get(user) if isinstance(user, cst.Decorator) else None
            return function is not None and not function.params.params
        if name == "add_command" and isinstance(user, cst.Call) and len(user.args) == 2:
            return self.old.full_name(user.args[1].value) == MIGRATE
        return name == "run" and isinstance(user, cst.Call) and not user.args

    def _commands(self) -> Iterator[cst.FunctionDef]:
        for node in self.file.spans:
            if isinstance(node, cst.FunctionDef):
                for decorator in node.decorators:
                    owner, _, name = dotted_name(decorator.decorator).rpartition(".")
                    if owner in self.managers and name == "command":
                        yield node

    def write(self) -> None:
        """Write the changes."""
        edits = self.old.edits
        for call in self.managers.values():
            edits.replace(call.func, "FlaskGroup")
            value = call.args[0].value
            name = dotted_name(value).rpartition(".")[2]
            prefix = "" if name.startswith(FACTORIES) else "lambda: "
            edits.insert(self.file.spans[call.args[0]][0], f"create_app={prefix}")
        for function in self.commands:
            for decorator in function.decorators:
                if dotted_name(decorator.decorator).endswith(".command"):
                    end = self.file.spans[decorator.decorator][1]
                    edits.insert(end, f'("{function.name.value}")')
        for node in self.file.spans:
            if isinstance(node, cst.ImportFrom):
                self._write_import(node)
            elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
                owner = dotted_name(node.func.value)
                if owner in self.managers and node.func.attr.value == "run":
                    edits.replace(node.func, owner)
                elif owner in self.managers and node.func.attr.value == "add_command":
                    start = self.file.spans[self.file.parents[node]][0]
                    start = self.file.text.rfind(b"\n", 0, start) + 1
                    end = self.file.text.find(b"\n", end_of_line(node, self.file)) + 1
                    edits.replace_span(start, end or len(self.file.text), "")

    def _write_import(self, node: cst.ImportFrom) -> None:
        if node.module is None or node.relative or isinstance(node.names, cst.ImportStar):
            return
        bound = [
            alias
            for alias in node.names
            if self.old.names.get(dotted_name(alias.name)) == MIGRATE and alias.asname is None
        ]
        if bound and len(bound) == len(node.names):
            self.old.edits.replace(node, "pass")
        elif bound:
            remove_items(self.old.edits, node.names, bound)
        elif dotted_name(node.module) in ("flask_script", "flask.ext.script"):
            self.old.edits.replace(node, "from flask.cli import FlaskGroup")
