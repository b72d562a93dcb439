"""Names, modules and arguments that have successors, by the rules."""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.modernising.context import OldFile, OldProject
from quartpatterns.porting.project import dotted_name, imported_modules
from quartpatterns.porting.rules import NameRule
from quartpatterns.porting.text_edits import move_names, remove_items

__all__ = ["modernise_names"]

XHR = '{}.headers.get("X-Requested-With") == "XMLHttpRequest"'
NO_FLASK_EXT = "flask.ext does not exist any more"
CONSTANTS = ("False", "None", "True")


def modernise_names(old: OldFile, project: OldProject) -> None:
    """Write the successors of what a file imports and uses."""
    _Names(old, project).modernise()


class _Names:
    def __init__(self, old: OldFile, project: OldProject) -> None:
        self.old = old
        self.file = old.file
        self.edits = old.edits
        self.project = project
        self.rules = project.rules
        self.modules = {name for node in old.file.spans for name in imported_modules(node)}

    def modernise(self) -> None:
        for node in self.file.spans:
            if isinstance(node, cst.ImportFrom):
                self._import_from(node)
            elif isinstance(node, cst.Import):
                self._import(node)
        for node in self.file.spans:
            if isinstance(node, cst.Name):
                self._name(node)
            elif isinstance(node, cst.Attribute):
                self._attribute(node)
            elif isinstance(node, cst.Call):
                self._call(node)

    def _import_from(self, node: cst.ImportFrom) -> None:
        if node.module is None or node.relative or isinstance(node.names, cst.ImportStar):
            return
        written = dotted_name(node.module)
        module = self.project.new_module(written)
        if module != written:
            self.edits.replace(node.module, module)
        elif module == "flask.ext":
            self.old.report(node, NO_FLASK_EXT, "import flask_NAME")
        inside = [f"{module}.{dotted_name(alias.name)}" for alias in node.names]
        self._unsupported(node, [module, *inside])
        moved: list[cst.ImportAlias] = []
        statements: list[str] = []
        imported = {dotted_name(alias.name) for alias in node.names}
        for alias in node.names:
            name = dotted_name(alias.name)
            bound = self.file.source(alias.asname.name) if alias.asname else name
            full = self.old.names[bound] = self.rules.original(f"{module}.{name}")
            rule = self.rules.names.get(full)
            if rule is None:
                continue
            if rule.report:
                self.old.report(alias, f"{module} has no {name} any more", rule.report)
            elif rule.replace:
                self.old.outdated.add(full.partition(".")[0])
                moved.append(alias)
                new_module, _, new_name = rule.replace.rpartition(".")
                if rule.unwrap or rule.method or rule.arguments:
                    bound = new_name
                if new_module == module and bound == new_name and new_name in imported:
                    continue  # It is imported already.
                as_name = "" if bound == new_name else f" as {bound}"
                source = f"from {new_module} import" if new_module else "import"
                statements.append(f"{source} {new_name}{as_name}")
        if moved:
            move_names(self.edits, node, moved, statements)

    def _import(self, node: cst.Import) -> None:
        for alias in node.names:
            full = dotted_name(alias.name)
            if full.startswith("flask.ext."):
                self.old.report(node, NO_FLASK_EXT, "import flask_NAME")
            new = self.project.new_module(full)
            self._unsupported(node, [new])
            bound = self.file.source(alias.asname.name) if alias.asname else full.partition(".")[0]
            self.old.names[bound] = new if alias.asname else new.partition(".")[0]
            if new != full and (alias.asname or "." not in full):
                as_name = "" if alias.asname else f" as {bound}"
                self.edits.replace(alias.name, f"{new}{as_name}")

    def _unsupported(self, node: cst.CSTNode, modules: list[str]) -> None:
        """Report modules that do not work, and what is in them."""
        for module, remedy in self.rules.unsupported.items():
            if any(each == module or each.startswith(f"{module}.") for each in modules):
                self.old.report(node, f"{module} does not work with Flask 3.1", remedy)

    def _name(self, node: cst.Name) -> None:
        """A function that is a method now, or a decorator that has arguments."""
        rule = self.rules.names.get(self.old.names.get(node.value, ""))
        if rule is None or self._in_import(node) or self.file.is_label(node):
            return
        new_name = rule.replace.rpartition(".")[2]
        if rule.method:
            self.edits.replace(node, f"{new_name}.{rule.method}")
        elif rule.arguments:
            self._decorator(node, new_name or node.value, rule)

    def _decorator(self, node: cst.BaseExpression, new: str, rule: NameRule) -> None:
        """Write ``jwt_required()`` for ``jwt_required``: it returns the decorator now."""
        parent = self.file.parents[node]
        if isinstance(parent, cst.Call) and parent.func is node:
            given = [arg.value for arg in parent.args if arg.keyword is None and not arg.star]
            decorates = bool(given) and self.file.source(given[0]) not in CONSTANTS
            if not decorates and not rule.replace:
                return
        self.old.outdated.add(self.old.full_name(node).partition(".")[0])
        self.edits.replace(node, f"{new}{rule.arguments}")

    def _in_import(self, node: cst.CSTNode) -> bool:
        parents = self.file.ancestors(node)
        return any(isinstance(each, cst.Import | cst.ImportFrom | cst.AsName) for each in parents)

    def _attribute(self, node: cst.Attribute) -> None:
        name = node.attr.value
        owner = self.old.full_name(node.value)
        rule = self.rules.names.get(owner)
        if rule and rule.unwrap == name:
            self.edits.replace(node, rule.replace.rpartition(".")[2])
        elif name == "is_xhr" and owner == "flask.request":
            comparison = XHR.format(self.file.source(node.value))
            plain = isinstance(self.file.parents[node], cst.If | cst.Return | cst.Assign | cst.Arg)
            self.edits.replace(node, comparison if plain else f"({comparison})")
        elif (found := self.rules.names.get(self.old.full_name(node))) and (
            owner in self.old.names.values() or owner in self.modules
        ):
            self._full_attribute(node, owner, found)

    def _full_attribute(self, node: cst.Attribute, owner: str, rule: NameRule) -> None:
        """A name that is used as ``flask.Markup``."""
        if rule.report:
            self.old.report(node, f"{owner} has no {node.attr.value} any more", rule.report)
        elif rule.arguments:
            module = self.file.source(node.value)
            new_name = rule.replace.rpartition(".")[2] or node.attr.value
            self._decorator(node, f"{module}.{new_name}", rule)
        elif rule.replace:
            module, _, name = rule.replace.rpartition(".")
            self.edits.replace(node, rule.replace)
            self.old.add_import(f"import {module or name}")

    def _call(self, node: cst.Call) -> None:
        rule = self.rules.names.get(self.old.full_name(node.func))
        if rule is None:
            return
        removed: list[cst.Arg] = []
        for position, arg in enumerate(node.args):
            if arg.keyword is not None and arg.keyword.value in rule.keywords:
                if new := rule.keywords[arg.keyword.value]:
                    self.edits.replace(arg.keyword, new)
                else:
                    removed.append(arg)
            if position and isinstance(arg.value, cst.SimpleString):
                if (value := rule.values.get(str(arg.value.evaluated_value))) is not None:
                    self.edits.replace(arg.value, f"{arg.value.quote}{value}{arg.value.quote}")
        if removed:
            remove_items(self.edits, node.args, removed)
