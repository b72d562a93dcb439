"""Functions that tests replace: ``monkeypatch.setattr`` and ``unittest.mock.patch``.

What replaces an asynchronous function has to be asynchronous, and the name of a function that has
moved is another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from quartpatterns.porting.values import (
    NOTHING,
    Function,
    FunctionInfo,
    Name,
    ProjectClass,
    ProjectModule,
    Scope,
    Values,
)

if TYPE_CHECKING:
    from quartpatterns.porting.analysis import Analysis
    from quartpatterns.porting.evaluation import Evaluator
    from quartpatterns.porting.project import PythonFile
    from quartpatterns.porting.text_edits import Edits

__all__ = ["PATCHES", "Replacement", "Replacing", "edit_replacement"]

PATCHES = {
    "mock.mock.patch": False,
    "mock.mock.patch.object": True,
    "mock.patch": False,
    "mock.patch.object": True,
    "unittest.mock.patch": False,
    "unittest.mock.patch.object": True,
}
"""Functions that replace others, and whether they get the owner and the name of it."""
OF_MOCKS = frozenset(
    {"return_value", "side_effect", "new_callable", "spec", "spec_set", "autospec"}
)
# What returns something to await, and is no coroutine function: mock replaces it by a MagicMock.
NO_COROUTINES = frozenset({"flask.flash", "flask.helpers.flash"})
Arguments = list[tuple[Values, cst.Arg]]


@dataclass(frozen=True)
class Replacement:
    """A call that replaces a function.

    Attributes:
        file: Its file.
        targets: The functions of the project that it replaces.
        moved: Whether it replaces one of a library that has to be awaited.
        new: What takes its place; None if ``patch`` creates a mock.
        is_function: Whether that is a function of the project.
        of_class: Whether it is a method, which gets the object.
        no_coroutine: Whether it returns something to await, and is no coroutine function.
    """

    file: PythonFile
    targets: tuple[FunctionInfo, ...]
    moved: bool
    new: cst.Arg | None
    is_function: bool
    of_class: bool
    no_coroutine: bool = False

    @property
    def is_asynchronous(self) -> bool:
        """Whether the port makes the replaced function asynchronous."""
        return self.moved or any(target.is_new for target in self.targets)


class Replacing:
    """Evaluates calls that replace functions."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.rules = evaluator.rules
        self.result: Analysis = evaluator.result
        self.flow = evaluator.flow
        self._methods: set[cst.SimpleString] = set()
        self._awaited: set[str] = set()

    def replace(
        self, node: cst.Call, arguments: Arguments, scope: Scope, *, by_owner: bool | None = None
    ) -> None:
        """Note what a call replaces.

        Arguments:
            node: The call.
            arguments: Its arguments, with their values.
            scope: Where it is.
            by_owner: Whether it gets the owner and a name, and not a full name. By default, this is
                so unless the first argument is a string.
        """
        plain = [each for each in arguments if each[1].keyword is None and not each[1].star]
        if not plain:
            return
        if by_owner is None:
            by_owner = not isinstance(plain[0][1].value, cst.SimpleString)
        count = 2 if by_owner else 1
        named = plain[count - 1][1].value if len(plain) >= count else None
        if not isinstance(named, cst.SimpleString):
            return
        path = str(named.evaluated_value)
        self._awaited.clear()
        if by_owner:
            replaced, moved = self._of_owner(plain[0], path, named, node, scope)
        else:
            replaced, moved = self._of_path(path, named)
        of_class = named in self._methods or any(
            each.info.owner for each in replaced if isinstance(each, Function)
        )
        keywords = {each[1].keyword.value: each for each in arguments if each[1].keyword}
        new = plain[count] if len(plain) > count else keywords.get("new", keywords.get("value"))
        targets = [each.info for each in replaced if isinstance(each, Function)]
        fakes = [each.info for each in new[0] if isinstance(each, Function)] if new else []
        if moved:
            for fake in fakes:
                self.result.make_async(fake, f"it replaces {path}()")
        self.result.unify(list(dict.fromkeys([*targets, *fakes])))
        self.result.replacements[node] = Replacement(
            scope.file,
            tuple(targets),
            moved,
            new[1] if new else None,
            bool(fakes),
            of_class,
            not self._awaited.isdisjoint(NO_COROUTINES),
        )

    def _of_owner(
        self,
        owner: tuple[Values, cst.Arg],
        name: str,
        named: cst.SimpleString,
        node: cst.Call,
        scope: Scope,
    ) -> tuple[Values, bool]:
        """Return what ``setattr(owner, name, ...)`` replaces, and whether it has to be awaited."""
        found: Values = NOTHING
        moved = False
        for value in owner[0]:
            if not isinstance(value, Name):
                found |= self.evaluator.attributes.of(value, name, node, scope)
                continue
            port, is_awaited = self._moved(f"{value.name}.{name}", named)
            moved |= is_awaited
            if not port:
                continue
            module, _, new_name = port.rpartition(".")
            self._rename_string(named, name, new_name)
            if self.rules.modules.get(value.name) != module:
                self._rename_owner(owner[1].value, value.name, module, scope)
        file = self._file_of(owner[0])
        for value in found:
            if isinstance(value, Name):
                moved |= self._is_awaited(value.name, file)
        return found, moved | self._of_task(owner[0], name)

    def _file_of(self, owners: Values) -> str:
        files = [each.file.name for each in owners if isinstance(each, ProjectModule)]
        return files[0] if files else ""

    def _rename_owner(self, owner: cst.BaseExpression, old: str, module: str, scope: Scope) -> None:
        """Write another module in place of ``time`` or ``views.time``."""
        if isinstance(owner, cst.Attribute) and not isinstance(
            next(iter(self.evaluator.evaluate(owner.value, scope)), None), Name
        ):
            self.result.named[owner] = (module, True)
        elif isinstance(owner, cst.Attribute | cst.Name):
            class_of = self.rules.modules.get(old.rpartition(".")[0])
            if class_of and class_of == module.rpartition(".")[0]:  # requests.Session
                if isinstance(owner, cst.Attribute):
                    self.result.named[owner] = (module.rpartition(".")[2], True)
            else:
                self.result.owners[owner] = module

    def _rename_string(self, node: cst.SimpleString, old: str, new: str) -> None:
        if old != new:
            text = node.value.replace(old, new) if node.value.count(old) == 1 else repr(new)
            self.result.strings[node] = text

    def _of_path(self, path: str, named: cst.SimpleString) -> tuple[Values, bool]:
        """Return what a full name such as ``shop.db.connect`` means, and whether it is awaited."""
        parts = path.split(".")
        for count in range(len(parts) - 1, 0, -1):
            file = self.evaluator.project.modules.get(".".join(parts[:count]))
            if file is None:
                continue
            values = self.flow.read((self.evaluator.scopes[file.tree], parts[count]))
            for position in range(count + 1, len(parts)):
                if self._of_task(values, parts[position]):
                    return NOTHING, True
                for value in values:
                    if isinstance(value, Name):
                        outside = ".".join([value.name, *parts[position:]])
                        return self._outside(path, parts[:count], outside, value.name, named)
                values = self._inner(values, parts[position])
            moved = any(
                self._is_awaited(value.name, file.name)
                for value in values
                if isinstance(value, Name)
            )
            return values, moved
        return self._outside(path, [], path, parts[0], named)

    def _of_task(self, owners: Values, name: str) -> bool:
        """Return whether *name* is a method of tasks that has to be awaited."""
        return any(
            isinstance(owner, Function)
            and "queued" in owner.info.kinds
            and any(name in rule.awaited for rule in self.rules.type_rules("tasks.Task"))
            for owner in owners
        )

    def _inner(self, values: Values, name: str) -> Values:
        found: Values = NOTHING
        for value in values:
            if isinstance(value, ProjectClass):
                found |= self.evaluator.attributes.of_class(value.info, name)
            elif isinstance(value, ProjectModule):
                found |= self.flow.read((self.evaluator.scopes[value.file.tree], name))
        return found

    def _outside(
        self, path: str, prefix: list[str], full: str, alias: str, named: cst.SimpleString
    ) -> tuple[Values, bool]:
        """A name of a library, perhaps by way of a module of the project, which *prefix* names."""
        port, moved = self._moved(full, named)
        if port:
            module, _, _ = full.rpartition(".")
            new = ".".join([*prefix, port])
            if prefix and self.rules.modules.get(module) == port.rpartition(".")[0]:
                # The module keeps its name in the project: `import niquests as requests`.
                new = f"{path.rpartition('.')[0]}.{port.rpartition('.')[2]}"
            elif prefix and self.rules.modules.get(alias) and full.startswith(f"{alias}."):
                rest = port.removeprefix(f"{self.rules.modules[alias]}.")
                new = ".".join([*path.split(".")[: len(prefix) + 1], rest])
            self._rename_string(named, path, new)
        return NOTHING, moved

    def _moved(self, full: str, named: cst.SimpleString) -> tuple[str, bool]:
        """Return the new full name of an attribute of a module or class, and if it is awaited."""
        name = self.rules.original(full)
        rule = self.rules.names.get(name)
        if rule is not None:
            if name in self.rules.elsewhere:
                return (rule.port, rule.awaited) if name in self.result.known.moved else ("", False)
            self._awaited.add(name)
            return "", rule.awaited
        owner, _, method = name.rpartition(".")
        rule = self.rules.names.get(owner)
        if rule is None or not rule.port or owner not in self.result.known.moved:
            return "", False
        awaited = any(method in each.awaited for each in self.rules.type_rules(rule.returns))
        if not awaited:
            return "", False
        self._methods.add(named)
        return f"{rule.port}.{method}", True

    def _is_awaited(self, name: str, file: str) -> bool:
        """Return whether what a name of a module stands for has to be awaited there."""
        rule = self.rules.names.get(name)
        if rule is None or not rule.awaited:
            return False
        self._awaited.add(name)
        if name in self.rules.elsewhere:
            return not self.result.known.names.isdisjoint({(file, name), ("", name)})
        return True


def edit_replacement(
    node: cst.Call, replacement: Replacement, edits: Edits, wanted: dict[str, str]
) -> None:
    """Make what replaces an asynchronous function asynchronous as well."""
    new = replacement.new
    if not replacement.is_asynchronous or replacement.is_function:
        return
    if new is None:
        keywords = {each.keyword.value for each in node.args if each.keyword}
        if replacement.no_coroutine and node.args and "new_callable" not in keywords:
            edits.insert(edits.file.spans[node.args[-1]][1], ", new_callable=AsyncMock")
            wanted["AsyncMock"] = "from unittest.mock import AsyncMock"
            return
        if node.args and not keywords & OF_MOCKS and "setattr" not in edits.file.source(node.func):
            # The result of an AsyncMock would have asynchronous methods.
            last = node.args[-1]
            edits.insert(edits.file.spans[last.value][1], ", return_value=MagicMock()")
            wanted["MagicMock"] = "from unittest.mock import MagicMock"
        return
    value = new.value
    if isinstance(value, cst.Call) and edits.file.source(value.func).endswith("AsyncMock"):
        return
    if isinstance(value, cst.Name) and value.value in ("None", "True", "False"):
        return
    if isinstance(value, cst.Lambda) and replacement.of_class:  # A mock gets no object.
        if not edits.file.source(value.body).startswith("asyncio.sleep(0, "):
            edits.wrap(value.body, "asyncio.sleep(0, ", ")")
            wanted["asyncio"] = "import asyncio"
        return
    edits.wrap(value, "AsyncMock(side_effect=", ")")
    wanted["AsyncMock"] = "from unittest.mock import AsyncMock"
