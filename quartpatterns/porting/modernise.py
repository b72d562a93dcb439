"""Write what Flask 3.1 and its libraries have in place of names that they have removed."""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.cascades import add_to_sessions
from quartpatterns.porting.findings import finding
from quartpatterns.porting.locale_selectors import pass_selectors
from quartpatterns.porting.project import (
    PythonFile,
    SourceProject,
    dotted_name,
    imported_modules,
)
from quartpatterns.porting.report import PortFinding
from quartpatterns.porting.rules import NameRule, Rules
from quartpatterns.porting.text_edits import Edits, first_statement, move_names

__all__ = ["modernise"]

PAGINATE = ("page", "per_page", "error_out", "max_per_page")  # as in Flask-SQLAlchemy 2
FIRST = {
    "before_first_request": "before_request",
    "before_app_first_request": "before_app_request",
}
ONCE = "from quartpatterns.subclassing.once import once"
XHR = '{}.headers.get("X-Requested-With") == "XMLHttpRequest"'


def modernise(project: SourceProject, rules: Rules) -> tuple[dict[str, bytes], list[PortFinding]]:
    """Return the new text of each file that changes, and the places for a person."""
    texts: dict[str, bytes] = {}
    findings: list[PortFinding] = []
    extensions = {module for file in project.files for module in _extensions(file)}
    every = [_Modernised(file, rules, extensions) for file in project.files]
    if "flask_babel" in extensions:
        for file, node, keyword in pass_selectors(
            project, {each.file: each.edits for each in every}
        ):
            why = (
                "Flask-Babel has no such decorator any more, and the call of init_app() is unknown"
            )
            findings.append(
                finding("breaks", file, node, why, f"write {keyword}=... in init_app()")
            )
    if "flask_sqlalchemy" in extensions:
        add_to_sessions(project, {each.file: each.edits for each in every})
    for modern in every:
        file = modern.file
        findings += modern.findings
        if modern.edits.changes:
            text = modern.edits.result().decode()
            cst.parse_module(text)  # An error here is a fault of this package.
            texts[file.name] = text.encode(file.encoding)
    return texts, findings


def _extensions(file: PythonFile) -> set[str]:
    """Return the packages of extensions for Flask that a file imports."""
    modules = {module for node in file.spans for module in imported_modules(node)}
    return {module.replace("flask.ext.", "flask_").partition(".")[0] for module in modules}


class _Modernised:
    """A file with its changes."""

    def __init__(self, file: PythonFile, rules: Rules, extensions: set[str]) -> None:
        self.file = file
        self.rules = rules
        self.extensions = extensions
        self.edits = Edits(file)
        self.findings: list[PortFinding] = []
        self.names: dict[str, str] = {}  # names in the file, and the full names they stand for
        self.modules = {name for node in file.spans for name in imported_modules(node)}
        for node in file.spans:
            if isinstance(node, cst.ImportFrom):
                self._import_from(node)
            elif isinstance(node, cst.Import):
                self._import(node)
        for node in file.spans:
            if isinstance(node, cst.Name):
                self._name(node)
            elif isinstance(node, cst.Attribute):
                self._attribute(node)
            elif isinstance(node, cst.Call):
                self._call(node)
            elif isinstance(node, cst.ClassDef):
                self._test_case(node)
            elif isinstance(node, cst.SimpleStatementLine) and "flask_sqlalchemy" in extensions:
                self._database(node)

    def _test_case(self, node: cst.ClassDef) -> None:
        """Push an application context in ``setUp``: Flask-SQLAlchemy 3 needs one."""
        text = self.file.source(node)
        bases = {self.file.source(base.value).rpartition(".")[2] for base in node.bases}
        if "TestCase" not in bases or "app_context" in text or "app" not in self.names:
            return
        if "create_all(" not in text or not isinstance(node.body, cst.IndentedBlock):
            return
        methods = {
            each.name.value: each for each in node.body.body if isinstance(each, cst.FunctionDef)
        }
        if not (set_up := methods.get("setUp")) or not (tear_down := methods.get("tearDown")):
            return
        newline = self.file.tree.default_newline
        for method, lines, at_end in (
            (set_up, ("self.app_context = app.app_context()", "self.app_context.push()"), False),
            (tear_down, ("self.app_context.pop()",), True),
        ):
            if not isinstance(method.body, cst.IndentedBlock):
                return
            edge = method.body.body[-1 if at_end else 0]
            start, end = self.file.spans[edge]
            indent = self.file.text[self.file.text.rfind(b"\n", 0, start) + 1 : start].decode()
            if at_end:
                self.edits.insert(end, "".join(f"{newline}{indent}{line}" for line in lines))
            else:
                self.edits.insert(start, "".join(f"{line}{newline}{indent}" for line in lines))

    def _database(self, line: cst.SimpleStatementLine) -> None:
        """Push a context for ``db.create_all()`` in place of ``db.app = app``."""
        statement = line.body[0]
        body = getattr(self.file.parents[line], "body", ())
        if not isinstance(statement, cst.Assign) or len(line.body) > 1:
            return
        target = dotted_name(statement.targets[0].target)
        database, _, name = target.rpartition(".")
        following = body[body.index(line) + 1 :][:1]
        create = f"{database}.create_all()"
        if (
            database
            and name == "app"
            and [self.file.source(each) for each in following] == [create]
        ):
            self.edits.replace(
                statement, f"{self.file.source(statement.value)}.app_context().push()"
            )

    def _report(self, node: cst.CSTNode, why: str, remedy: str) -> None:
        self.findings.append(finding("breaks", self.file, node, why, remedy))

    def _import_from(self, node: cst.ImportFrom) -> None:
        if node.module is None or node.relative or isinstance(node.names, cst.ImportStar):
            return
        module = dotted_name(node.module)
        if module.startswith("flask.ext."):
            top = module.split(".")[2]
            rest = module.removeprefix(f"flask.ext.{top}")
            module = f"flask_{top}{rest}"
            self.edits.replace(node.module, module)
        elif module == "flask.ext":
            self._report(node, "flask.ext does not exist any more", "import flask_NAME")
        moved: list[cst.ImportAlias] = []
        statements: list[str] = []
        imported = {dotted_name(alias.name) for alias in node.names}
        for alias in node.names:
            name = dotted_name(alias.name)
            bound = self.file.source(alias.asname.name) if alias.asname else name
            full = self.names[bound] = self.rules.original(f"{module}.{name}")
            rule = self.rules.names.get(full)
            if rule is None:
                continue
            if rule.report:
                self._report(alias, f"{module} has no {name} any more", rule.report)
            elif rule.replace:
                moved.append(alias)
                new_module, _, new_name = rule.replace.rpartition(".")
                if rule.unwrap or rule.method:
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
                self._report(node, "flask.ext does not exist any more", "import flask_NAME")
            bound = self.file.source(alias.asname.name) if alias.asname else full.partition(".")[0]
            self.names[bound] = full if alias.asname else full.partition(".")[0]

    def _full_name(self, node: cst.BaseExpression) -> str:
        if isinstance(node, cst.Name):
            return self.names.get(node.value, "")
        if isinstance(node, cst.Attribute):
            owner = self._full_name(node.value)
            return f"{owner}.{node.attr.value}" if owner else ""
        return ""

    def _name(self, node: cst.Name) -> None:
        """A function that is a method now."""
        rule = self.rules.names.get(self.names.get(node.value, ""))
        if rule and rule.method and not self._in_import(node):
            new_name = rule.replace.rpartition(".")[2]
            self.edits.replace(node, f"{new_name}.{rule.method}")

    def _in_import(self, node: cst.CSTNode) -> bool:
        parents = self.file.ancestors(node)
        return any(isinstance(each, cst.Import | cst.ImportFrom | cst.AsName) for each in parents)

    def _attribute(self, node: cst.Attribute) -> None:
        name = node.attr.value
        owner = self._full_name(node.value)
        rule = self.rules.names.get(owner)
        if rule and rule.unwrap == name:
            self.edits.replace(node, rule.replace.rpartition(".")[2])
        elif name == "is_xhr" and owner == "flask.request":
            comparison = XHR.format(self.file.source(node.value))
            plain = isinstance(self.file.parents[node], cst.If | cst.Return | cst.Assign | cst.Arg)
            self.edits.replace(node, comparison if plain else f"({comparison})")
        elif (found := self.rules.names.get(self._full_name(node))) and (
            owner in self.names.values() or owner in self.modules
        ):
            self._full_attribute(node, owner, found)
        elif name in FIRST and self._first_request(node):
            pass
        elif name in self.rules.removed and self._is_application(node.value):
            self._report(node, f"applications have no {name} any more", self.rules.removed[name])

    def _first_request(self, node: cst.Attribute) -> bool:
        """Write a function for the first request as one that runs once, before a request."""
        parent = self.file.parents[node]
        if isinstance(parent, cst.Decorator):
            end = self.file.spans[parent][1]
            start = self.file.spans[parent][0]
            indent = self.file.text[self.file.text.rfind(b"\n", 0, start) + 1 : start].decode()
            self.edits.insert(end, f"{self.file.tree.default_newline}{indent}@once")
        elif isinstance(parent, cst.Call) and parent.func is node and len(parent.args) == 1:
            self.edits.wrap(parent.args[0], "once(", ")")
        else:
            return False
        self.edits.replace(node.attr, FIRST[node.attr.value])
        newline = self.file.tree.default_newline
        self.edits.insert_once(first_statement(self.file), f"{ONCE}{newline}")
        return True

    def _full_attribute(self, node: cst.Attribute, owner: str, rule: NameRule) -> None:
        """A name that is used as ``flask.Markup``."""
        if rule.report:
            self._report(node, f"{owner} has no {node.attr.value} any more", rule.report)
        elif rule.replace:
            module, _, name = rule.replace.rpartition(".")
            self.edits.replace(node, rule.replace)
            self._add_import(module or name)

    def _add_import(self, module: str) -> None:
        """Import *module* before the first statement that is no docstring, unless it is there."""
        imported = {
            dotted_name(alias.name)
            for line in self.file.tree.body
            if isinstance(line, cst.SimpleStatementLine)
            for node in line.body
            if isinstance(node, cst.Import)
            for alias in node.names
            if alias.asname is None
        }
        if module not in imported:
            position = first_statement(self.file)
            self.edits.insert_once(position, f"import {module}{self.file.tree.default_newline}")

    def _is_application(self, node: cst.BaseExpression) -> bool:
        text = self.file.source(node)
        return text in ("app", "application", "current_app", "self.app", "bp", "blueprint")

    def _paginate(self, node: cst.Call) -> None:
        """Write the arguments of ``query.paginate()`` with their names."""
        owner = node.func.value if isinstance(node.func, cst.Attribute) else node.func
        if dotted_name(owner).rpartition(".")[2] in ("db", "self", "cls"):
            return
        positional = [arg for arg in node.args if arg.keyword is None]
        if len(positional) <= len(PAGINATE) and not any(arg.star for arg in positional):
            for arg, name in zip(positional, PAGINATE, strict=False):
                self.edits.insert(self.file.spans[arg][0], f"{name}=")

    def _call(self, node: cst.Call) -> None:
        if (
            isinstance(node.func, cst.Attribute)
            and node.func.attr.value == "paginate"
            and "flask_sqlalchemy" in self.extensions
        ):
            self._paginate(node)
        rule = self.rules.names.get(self._full_name(node.func))
        if rule is None or not rule.keywords:
            return
        for arg in node.args:
            if arg.keyword is not None and arg.keyword.value in rule.keywords:
                self.edits.replace(arg.keyword, rule.keywords[arg.keyword.value])
