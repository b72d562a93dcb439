"""Forms of Flask-SQLAlchemy 2 and of SQLAlchemy 1."""

from __future__ import annotations

import re

import libcst as cst

from quartpatterns.porting.modernising.context import OldFile, OldProject
from quartpatterns.porting.project import dotted_name
from quartpatterns.porting.text_edits import indent_lines, indentation

__all__ = ["modernise_databases"]

PAGINATE = ("page", "per_page", "error_out", "max_per_page")  # as in Flask-SQLAlchemy 2
FOR_ALL_TABLES = ("create_all", "drop_all", "reflect")
# Names of SQLAlchemy that the object of the extension had, too.
NAMES = {"Binary": "LargeBinary", "eagerload": "joinedload", "relation": "relationship"}
DATABASE = re.compile(r"(^|[._])(db|database)$")
ENGINE = re.compile(r"(^|[._])engine$")
SESSION = re.compile(r"(^|[._])session$")
IN_A_CONNECTION = "write 'with engine.begin() as connection: connection.execute(text(...))'"


def modernise_databases(old: OldFile, project: OldProject) -> None:
    """Write what Flask-SQLAlchemy 3 and SQLAlchemy 2 have instead, or report it."""
    extension = "flask_sqlalchemy" in project.packages
    known = extension or "sqlalchemy" in project.packages
    for node in old.file.spans:
        if isinstance(node, cst.ClassDef):
            _test_case(old, node)
        elif not known:
            continue
        elif isinstance(node, cst.Call):
            if extension:
                _call_of_extension(old, node)
            _call(old, node)
        elif isinstance(node, cst.Attribute):
            name = node.attr.value
            if extension and name in NAMES and DATABASE.search(old.file.source(node.value)):
                old.edits.replace(node.attr, NAMES[name])
        elif isinstance(node, cst.SimpleString):
            if str(node.evaluated_value).startswith("postgres://"):
                _dialect(old, node)
        elif extension and isinstance(node, cst.SimpleStatementLine):
            _push_context(old, node)


def _call_of_extension(old: OldFile, node: cst.Call) -> None:
    if not isinstance(node.func, cst.Attribute):
        return
    if node.func.attr.value == "paginate":
        _paginate(old, node)
    elif node.func.attr.value in FOR_ALL_TABLES:
        _application_argument(old, node)


def _paginate(old: OldFile, node: cst.Call) -> None:
    """Write the arguments of ``query.paginate()`` with their names."""
    owner = node.func.value if isinstance(node.func, cst.Attribute) else node.func
    if dotted_name(owner).rpartition(".")[2] in ("db", "self", "cls"):
        return
    positional = [arg for arg in node.args if arg.keyword is None]
    if len(positional) <= len(PAGINATE) and not any(arg.star for arg in positional):
        for arg, name in zip(positional, PAGINATE, strict=False):
            old.edits.insert(old.file.spans[arg][0], f"{name}=")


def _application_argument(old: OldFile, node: cst.Call) -> None:
    """Write ``db.create_all(app=app)`` in an application context."""
    given = [arg for arg in node.args if arg.keyword and arg.keyword.value == "app"]
    if not given:
        return
    statement = old.file.parents[node]
    line = old.file.parents[statement]
    alone = isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1
    if not isinstance(statement, cst.Expr) or not alone or len(node.args) > 1:
        remedy = "write 'with app.app_context():', and call it there without an argument"
        old.report(node, "it takes no application any more", remedy)
        return
    application = old.file.source(given[0].value)
    head = f"with {application}.app_context():{old.file.tree.default_newline}"
    indent = indentation(line, old.file) + old.file.tree.default_indent
    old.edits.replace(node, f"{head}{indent}{old.file.source(node.func)}()")


def _call(old: OldFile, node: cst.Call) -> None:
    """Calls of SQLAlchemy 1."""
    name = dotted_name(node.func).rpartition(".")[2]
    if name == "select" and _is_select(old, node):
        _select(old, node)
    elif name == "execute" and isinstance(node.func, cst.Attribute) and node.args:
        owner = old.file.source(node.func.value)
        if ENGINE.search(owner):
            old.report(node, "engines have no execute() any more", IN_A_CONNECTION)
        elif SESSION.search(owner) and isinstance(node.args[0].value, cst.SimpleString):
            old.edits.wrap(node.args[0].value, "text(", ")")
            old.add_import("from sqlalchemy import text")


def _is_select(old: OldFile, node: cst.Call) -> bool:
    full = old.full_name(node.func)
    return full.startswith("sqlalchemy.") or old.file.source(node.func) == "db.select"


def _select(old: OldFile, node: cst.Call) -> None:
    """Write ``select([a, b])`` as ``select(a, b)``."""
    columns = node.args[0].value if node.args and node.args[0].keyword is None else None
    if not isinstance(columns, cst.List):
        return
    if len(node.args) > 1:
        remedy = "write select(a, b), and the rest with where(), order_by() and so on"
        old.report(node, "select() takes columns only", remedy)
        return
    start, end = old.file.spans[columns]
    old.edits.replace_span(start, start + 1, "")
    old.edits.replace_span(end - 1, end, "")


def _dialect(old: OldFile, node: cst.SimpleString) -> None:
    """Write ``postgresql://`` in a URL, unless the code compares or replaces it."""
    parent = old.file.parents[node]
    call = old.file.parents.get(parent)
    names = dotted_name(call.func) if isinstance(call, cst.Call) else ""
    if names.rpartition(".")[2] in ("startswith", "replace", "sub", "removeprefix"):
        return
    if isinstance(parent, cst.Comparison | cst.ComparisonTarget):
        return
    position = old.file.spans[node][0] + len(node.prefix) + len(node.quote)
    old.edits.replace_span(position, position + len(b"postgres"), "postgresql")


def _push_context(old: OldFile, line: cst.SimpleStatementLine) -> None:
    """Push a context for ``db.create_all()`` in place of ``db.app = app``."""
    statement = line.body[0]
    body = getattr(old.file.parents[line], "body", ())
    if not isinstance(statement, cst.Assign) or len(line.body) > 1:
        return
    database, _, name = dotted_name(statement.targets[0].target).rpartition(".")
    following = body[body.index(line) + 1 :][:1]
    create = f"{database}.create_all()"
    if database and name == "app" and [old.file.source(each) for each in following] == [create]:
        application = old.file.source(statement.value)
        old.edits.replace(statement, f"{application}.app_context().push()")


def _test_case(old: OldFile, node: cst.ClassDef) -> None:
    """Push an application context in ``setUp``: Flask-SQLAlchemy 3 needs one."""
    file = old.file
    text = file.source(node)
    bases = {file.source(base.value).rpartition(".")[2] for base in node.bases}
    if "TestCase" not in bases or "app_context" in text or "app" not in old.names:
        return
    if "create_all(" not in text or not isinstance(node.body, cst.IndentedBlock):
        return
    methods = {
        each.name.value: each for each in node.body.body if isinstance(each, cst.FunctionDef)
    }
    for names in (("setUpClass", "tearDownClass"), ("setUp", "tearDown")):
        set_up, tear_down = map(methods.get, names)
        if set_up is None or tear_down is None or not set_up.params.params:
            continue
        if set_up.name.value == "setUp" or "create_all(" in file.source(set_up):
            if set_up.name.value == "setUp":
                _push_in_tests(old, set_up, tear_down)
            else:  # A context for all tests would share g between them.
                _enter_context(old, set_up)
                _enter_context(old, tear_down)
            return


def _enter_context(old: OldFile, method: cst.FunctionDef) -> None:
    """Write a method with an application context."""
    if not isinstance(method.body, cst.IndentedBlock):
        return
    start, end = old.file.spans[method.body.body[0]][0], old.file.spans[method.body.body[-1]][1]
    unit = method.body.indent or old.file.tree.default_indent
    newline = old.file.tree.default_newline
    indent = indentation(method.body.body[0], old.file)
    old.edits.insert(start, f"with app.app_context():{newline}{indent}{unit}")
    indent_lines(old.edits, start, end, unit)


def _push_in_tests(old: OldFile, set_up: cst.FunctionDef, tear_down: cst.FunctionDef) -> None:
    file = old.file
    newline = file.tree.default_newline
    first, last = (each.params.params[0].name.value for each in (set_up, tear_down))
    pushed = (f"{first}.app_context = app.app_context()", f"{first}.app_context.push()")
    for method, lines, at_end in (
        (set_up, pushed, False),
        (tear_down, (f"{last}.app_context.pop()",), True),
    ):
        if not isinstance(method.body, cst.IndentedBlock):
            return
        edge = method.body.body[-1 if at_end else 0]
        start, end = file.spans[edge]
        indent = indentation(edge, file)
        if at_end:
            old.edits.insert(end, "".join(f"{newline}{indent}{line}" for line in lines))
        else:
            old.edits.insert(start, "".join(f"{line}{newline}{indent}" for line in lines))
