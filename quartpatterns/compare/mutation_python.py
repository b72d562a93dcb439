"""The changes that ``parity --mutate`` makes to Python code: one small defect each.

Each change replaces a part of the text, so that the rest of the file, its comments and its lines
stay as they are. Nothing is changed that cannot be seen from outside by design: docstrings,
annotations, ``__all__``, assertions, logging, and blocks for type checkers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal[
    "constant",
    "status code",
    "condition",
    "comparison",
    "boolean operator",
    "operator",
    "decorator",
    "await",
    "keyword argument",
    "return value",
    "statement",
    "template expression",
    "template condition",
    "template attribute",
    "template text",
]

MUTANT = "mutant"  # the text that replaces other texts
TEAPOT = 418  # the status that replaces other statuses; no application answers with it

_SHOWN = 60  # characters of the old and of the new text in a report
_BOOLEAN = {"and": "or", "or": "and"}
_COMPARISON: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
}
_ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
}
_ANNOTATIONS = frozenset({"annotation", "returns", "type_params"})
_LOG_METHODS = frozenset(
    {"debug", "info", "warning", "error", "exception", "critical", "log", "warn"}
)
_FOR_TYPE_CHECKERS = frozenset({"overload", "final", "override", "no_type_check"})
_TYPE_FUNCTIONS = frozenset({"TypeVar", "ParamSpec", "NewType", "TypeVarTuple", "cast"})
_STATUS_ARGUMENT = frozenset(
    {"abort", "redirect", "make_response", "Response", "errorhandler", "app_errorhandler"}
)
_STATUS_KEYWORD = frozenset({"status", "status_code", "code", "default_status"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file.

    Arguments:
        file: The absolute path.
        kind: What was changed.
        line: The number of the line, from 1.
        text: That line, without the white space around it.
        change: The change for the reader: ``404 -> 418`` or ``without await``.
        start: The first character that is replaced, from 0.
        end: The first character that is not replaced.
        replacement: The new text.
        statement: The line on which the innermost statement starts.
        within: The function or class that contains the line, or that it decorates, with its outer
            ones: ``create_app.index``. It is empty for a template and outside of all functions.
    """

    file: str
    kind: Kind
    line: int
    text: str
    change: str
    start: int
    end: int
    replacement: str
    statement: int
    within: str = ""

    def apply(self, source: str) -> str:
        """Return *source*, the text of the file, with the change."""
        return source[: self.start] + self.replacement + source[self.end :]


class SourceText:
    """The text of a file, and the places in it."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)

    def offset(self, line: int, column: int) -> int:
        """Return the character of a position of :mod:`ast`, whose columns are bytes."""
        before = self.lines[line - 1].encode()[:column]
        return self.starts[line - 1] + len(before.decode())

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        """Return the first character of *node* and the first after it."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        start = self.offset(node.lineno, node.col_offset)
        return start, self.offset(node.end_lineno, node.end_col_offset)

    def mutant(
        self,
        kind: Kind,
        start: int,
        end: int,
        new: str,
        change: str = "",
        statement: int = 0,
        *,
        line: int = 0,
    ) -> Mutant:
        """Return the mutant that replaces the characters from *start* to *end* by *new*."""
        line = line or self.text.count("\n", 0, start) + 1
        change = change or f"{shorten(self.text[start:end])} -> {shorten(new)}"
        text = self.lines[line - 1].strip()
        return Mutant(self.file, kind, line, text, change, start, end, new, statement or line)


def shorten(text: str) -> str:
    """Return *text* on one line, as a report shows it."""
    words = " ".join(text.split())
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 4]} ..."


def python_mutants(file: str, text: str) -> list[Mutant]:
    """Return every mutant of the Python file *file*, in the order of its lines.

    Raises:
        SyntaxError: The file is not Python.
    """
    source, tree = SourceText(file, text), ast.parse(text)
    found = dict.fromkeys(_Visitor(source).visit_all(tree))
    valid = [
        replace(each, within=_function_of(each.line, tree))
        for each in found
        if _compiles(each.apply(text))
    ]
    return sorted(valid, key=lambda each: (each.start, each.end))


def _function_of(line: int, tree: ast.AST) -> str:
    """Return the names of the functions and classes around *line*, joined by dots."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first <= line <= (node.end_lineno or first):
                return ".".join(filter(None, [node.name, _function_of(line, node)]))
        elif inner := _function_of(line, node):
            return inner
    return ""


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _name(node: ast.expr) -> str:
    """Return the last name of ``name``, ``a.name`` or ``a.name(...)``."""
    if isinstance(node, ast.Call):
        return _name(node.func)
    return getattr(node, "attr", "") or getattr(node, "id", "")


def _for_type_checkers(test: ast.expr) -> bool:
    main = isinstance(test, ast.Compare) and _name(test.left) == "__name__"
    return main or _name(test) == "TYPE_CHECKING"


def _logs(call: ast.expr) -> bool:
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    receiver = _name(call.func.value).lower()
    return call.func.attr in _LOG_METHODS and receiver.endswith(("log", "logger", "logging"))


class _Visitor:
    """Yields the mutants of a syntax tree."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.statement = 1
        self.statuses: set[ast.expr] = set()

    def visit_all(self, tree: ast.Module) -> Iterator[Mutant]:
        for statement in tree.body:
            yield from self.visit(statement, tree)

    def visit(self, node: ast.AST, parent: ast.AST) -> Iterator[Mutant]:
        """Yield the mutants of *node* and of what it contains."""
        if self._is_left_out(node):
            return
        before = self.statement
        if isinstance(node, ast.stmt):
            self.statement = node.lineno
            yield from self._statement(node, parent)
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is not None:
            yield from method(node)
        for field, value in ast.iter_fields(node):
            if field in _ANNOTATIONS or isinstance(node, ast.JoinedStr):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self.visit(child, node)
        self.statement = before

    def _is_left_out(self, node: ast.AST) -> bool:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Assert() | ast.Import() | ast.ImportFrom():
                return True
            case ast.If(test=test):
                return _for_type_checkers(test)
            case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
                return True
            case ast.Assign(value=ast.Call() as call) | (ast.Call() as call):
                return _name(call.func) in _TYPE_FUNCTIONS or _logs(call)
            case ast.FunctionDef(decorator_list=decorators):
                return any(_name(each) == "overload" for each in decorators)
            case ast.Expr(value=call):
                return _logs(call)
            case ast.Assign(targets=[ast.Name()], value=ast.Subscript(value=base)):
                return _name(base) in {"Literal", "Annotated", "Union", "Optional", "Callable"}
        return False

    def _mutant(self, kind: Kind, start: int, end: int, new: str, change: str = "") -> Mutant:
        return self.source.mutant(kind, start, end, new, change, self.statement)

    def _without(self, kind: Kind, start: int, end: int, shown: str) -> Mutant:
        return self._mutant(kind, start, end, "", f"without {shorten(shown)}")

    def _replace(self, kind: Kind, node: ast.expr | ast.stmt, new: str) -> Mutant:
        return self._mutant(kind, *self.source.span(node), new)

    def _statement(self, node: ast.stmt, parent: ast.AST) -> Iterator[Mutant]:
        start, end = self.source.span(node)
        if _can_be_deleted(node, parent):
            shown = self.source.text[start:end]
            yield self._mutant("statement", start, end, "pass", f"without {shorten(shown)}")
        for decorator in getattr(node, "decorator_list", []):
            if _name(decorator) not in _FOR_TYPE_CHECKERS:
                first, last = self.source.span(decorator)
                first = self.source.text.rindex("@", 0, first)
                yield self._without("decorator", first, last, self.source.text[first:last])

    def _constant(self, node: ast.Constant) -> Iterator[Mutant]:
        value = node.value
        if isinstance(value, bool):
            yield self._replace("constant", node, str(not value))
        elif isinstance(value, int) and node in self.statuses:
            yield self._replace("status code", node, str(TEAPOT))
        elif isinstance(value, int | float):
            yield self._replace("constant", node, repr(value + 1))
        elif isinstance(value, str):
            slash = "/" if value.startswith("/") else ""  # another path, and still one
            yield self._replace("constant", node, f'"{slash}{MUTANT}"')
        elif isinstance(value, bytes):
            yield self._replace("constant", node, f'b"{MUTANT}"')

    def _joinedstr(self, node: ast.JoinedStr) -> Iterator[Mutant]:
        # The whole text: before Python 3.12 the positions inside it are wrong.
        yield self._replace("constant", node, f'"{MUTANT}"')

    def _condition(self, test: ast.expr, *values: str) -> Iterator[Mutant]:
        for value in values:
            yield self._replace("condition", test, value)

    def _if(self, node: ast.If | ast.IfExp) -> Iterator[Mutant]:
        yield from self._condition(node.test, "True", "False")

    _ifexp = _if

    def _while(self, node: ast.While) -> Iterator[Mutant]:
        yield from self._condition(node.test, "False")

    def _comprehension(self, node: ast.comprehension) -> Iterator[Mutant]:
        for test in node.ifs:
            yield from self._condition(test, "True", "False")

    def _for(self, node: ast.For) -> Iterator[Mutant]:
        yield from self._condition(node.iter, "()")

    def _boolop(self, node: ast.BoolOp) -> Iterator[Mutant]:
        old = "and" if isinstance(node.op, ast.And) else "or"
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from self._between("boolean operator", left, right, old, _BOOLEAN[old])

    def _compare(self, node: ast.Compare) -> Iterator[Mutant]:
        operands = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, operands, operands[1:], strict=False):
            yield from self._between("comparison", left, right, *_COMPARISON[type(operator)])

    def _unaryop(self, node: ast.UnaryOp) -> Iterator[Mutant]:
        if isinstance(node.op, ast.Not):
            start, _ = self.source.span(node)
            end = start + len("not")
            end += self.source.text[end] == " "
            yield self._without("boolean operator", start, end, "not")

    def _binop(self, node: ast.BinOp) -> Iterator[Mutant]:
        formats = isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant)
        if type(node.op) in _ARITHMETIC and not formats:
            old, new = _ARITHMETIC[type(node.op)]
            yield from self._between("operator", node.left, node.right, re.escape(old), new)

    def _between(
        self, kind: Kind, left: ast.expr, right: ast.expr, old: str, new: str
    ) -> Iterator[Mutant]:
        """Replace the operator *old*, a regular expression, between two operands."""
        start, end = self.source.span(left)[1], self.source.span(right)[0]
        word = rf"\b{old}\b" if old[0].isalpha() else old
        for match in re.finditer(rf"#[^\n]*|({word})", self.source.text[start:end]):
            if match[1]:
                yield self._mutant(kind, start + match.start(), start + match.end(), new)
                return

    def _await(self, node: ast.Await) -> Iterator[Mutant]:
        start, _ = self.source.span(node)
        end = start + len("await ")
        yield self._without("await", start, end, "await")

    def _call(self, node: ast.Call) -> Iterator[Mutant]:
        if _name(node.func) in _STATUS_ARGUMENT:
            self._are_statuses(*node.args)
        self._are_statuses(*(each.value for each in node.keywords if each.arg in _STATUS_KEYWORD))
        for keyword in node.keywords:
            start, end = self.source.span(keyword)
            shown = self.source.text[start:end]
            if following := re.compile(r"\s*(#[^\n]*\s*)*,[ ]*").match(self.source.text, end):
                end = following.end()
            elif preceding := re.search(r",\s*$", self.source.text[:start]):
                start = preceding.start()
            yield self.source.mutant(
                "keyword argument",
                start,
                end,
                "",
                f"without {shorten(shown)}",
                self.statement,
                line=keyword.lineno,
            )

    def _return(self, node: ast.Return) -> Iterator[Mutant]:
        if isinstance(node.value, ast.Tuple):
            self._are_statuses(*node.value.elts)
        if node.value is not None and not isinstance(node.value, ast.Constant):
            yield self._replace("return value", node.value, "None")

    def _are_statuses(self, *nodes: ast.expr) -> None:
        """Remember which of *nodes* are numbers of statuses."""
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, int):
                if 100 <= node.value <= 599:
                    self.statuses.add(node)


def _can_be_deleted(node: ast.stmt, parent: ast.AST) -> bool:
    """Return whether the code without *node* still runs: a missing name would prove nothing."""
    match node:
        case ast.Expr() | ast.Raise() | ast.Break() | ast.Continue() | ast.Delete():
            return True
        case ast.AugAssign():
            return True
        case ast.AnnAssign(value=value):
            return value is not None and isinstance(parent, ast.ClassDef)
        case ast.Assign(targets=targets):
            attributes = all(isinstance(each, ast.Attribute | ast.Subscript) for each in targets)
            return attributes or isinstance(parent, ast.ClassDef) or _binds_again(node, parent)
    return False


def _binds_again(node: ast.Assign, parent: ast.AST) -> bool:
    """Return whether *node* is in a block, and so may give a name another value."""
    return isinstance(parent, ast.If | ast.For | ast.While | ast.Try | ast.ExceptHandler)
