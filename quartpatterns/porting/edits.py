"""Turn the result of the analysis into changes of the text. Everything else stays to the byte."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

import libcst as cst

from quartpatterns.porting.analysis import Analysis
from quartpatterns.porting.finalizers import move_finalizers
from quartpatterns.porting.hoisting import hoisted
from quartpatterns.porting.module_contexts import write_function
from quartpatterns.porting.project import (
    PythonFile,
    dotted_name,
    imported_modules,
    is_extension,
)
from quartpatterns.porting.replacing import edit_replacement
from quartpatterns.porting.rules import NameRule, Rules
from quartpatterns.porting.text_edits import (
    Edits,
    add_imports,
    move_names,
    remove_items,
    separator,
)
from quartpatterns.porting.values import ClassInfo, FunctionInfo

__all__ = ["apply_analysis"]

UNITTEST = {"setUp": "asyncSetUp", "tearDown": "asyncTearDown"}
TEST_CASES = ("unittest.TestCase", "flask_testing.TestCase")
# Expressions that need no parentheses after an operator.
PRIMARIES = (cst.Attribute, cst.Call, cst.Integer, cst.Name, cst.SimpleString, cst.Subscript)
COMMENT = re.compile(r"#[^\r\n]*")


def apply_analysis(analysis: Analysis, rules: Rules) -> dict[PythonFile, Edits]:
    """Return the changes of each file."""
    writer = _Writer(analysis, rules)
    return {file: edits for file in analysis.project.files if (edits := writer.edit(file)).changes}


class _Writer:
    def __init__(self, analysis: Analysis, rules: Rules) -> None:
        self.analysis = analysis
        self.rules = rules
        self._hoisted: dict[cst.CSTNode, str] = {}
        self._lists: dict[PythonFile, set[cst.GeneratorExp]] = {}
        self._known_strings: dict[PythonFile, list[tuple[int, int]]] = {}
        self.set_ups = {
            info.node: info
            for info in analysis.functions.values()
            if info.is_new and info.node.name.value in UNITTEST and self._is_test_case(info)
        }
        self.finalizers: dict[FunctionInfo, list[tuple[cst.Call, bool]]] = defaultdict(list)
        for call, values in analysis.finalizers.items():
            file = next(each for each in analysis.project.files if call in each.spans)
            fixture = analysis.enclosing(call, file)
            if fixture is not None and fixture.fixture and fixture.asynchronous:
                self.finalizers[fixture].append((call, analysis.is_awaited(values)))
        self.finalizer_calls = {call for calls in self.finalizers.values() for call, _ in calls}
        self.set_up_calls = {call for info in self.set_ups.values() for call in info.calls}
        self.synchronous: dict[cst.CSTNode, list[cst.CSTNode]] = {
            info.node: places
            for info in analysis.functions.values()
            if (places := self._synchronous_places(info))
        }
        self.bridges = bool(self.synchronous or analysis.extensions) or any(
            self._imports_bridged(file) for file in analysis.project.files
        )

    def _synchronous_places(self, info: FunctionInfo) -> list[cst.CSTNode]:
        """Return before what to write ``@async_to_sync``, for callers that do not await."""
        if not info.is_new or info.file.is_test:
            return []
        node = info.node
        unknown = info.unknown_decorators
        chain = [*node.decorators, node]
        places: list[cst.CSTNode] = [
            after for each, after in pairwise(chain) if each in unknown and after not in unknown
        ]
        if (
            info.owner is not None
            and node.name.value in self.rules.types["flask.views.View"].overrides
            and any(map(self._is_unknown_class, self.analysis.external_bases(info.owner)))
        ):
            # @staticmethod and @classmethod stay the outermost decorators.
            first = next(each for each in chain if not _binds(each, info.file))
            places += [first] if first not in unknown else []
        return places

    def _is_unknown_class(self, name: str) -> bool:
        return "." in name and name not in self.rules.names and name not in self.rules.types

    def _imports_bridged(self, file: PythonFile) -> bool:
        """Return whether a file imports an extension for Flask, known or not."""
        names = {name for node in file.spans for name in imported_modules(node)}
        tops = {name.partition(".")[0] for name in names - self.rules.modules.keys()}
        return not tops.isdisjoint(self.rules.bridged) or any(
            is_extension(top, file, self.analysis.project) for top in tops
        )

    def edit(self, file: PythonFile) -> Edits:
        edits = Edits(file)
        wanted: dict[str, str] = {}  # statements to import, by the name that they import
        self._hoist(file, edits)
        for node in file.spans:
            if node in self.analysis.collected and self.analysis.can_await(node, file):
                edits.wrap(node, "[each async for each in ", "]")
                self._find_lists(node, file)
            if node in self._hoisted:
                edits.replace(node, self._hoisted[node])
            elif node in self.finalizer_calls:
                pass
            elif node in self.analysis.awaited and self.analysis.can_await(node, file):
                self._await(node, edits)
            elif node in self.analysis.awaited and self.analysis.waits(node, file):
                edits.wrap(node, "wait_in_greenlet(", ")")
                wanted["wait_in_greenlet"] = "from quartpatterns.sqlalchemy import wait_in_greenlet"
            if isinstance(node, cst.With) and self._is_async_with(node, file):
                self._with(node, edits)
                if node in self.analysis.wrapped:
                    write_function(node, edits, self._unit(node, file))
                    wanted["asyncio"] = "import asyncio"
            elif isinstance(node, cst.AugAssign) and node in self.analysis.augmented:
                if self.analysis.can_await(node, file):
                    self._augmented(node, edits)
            elif node in self.analysis.async_for:
                if self.analysis.can_await(node, file):
                    self._for(node, edits)
            elif isinstance(node, cst.FunctionDef):
                self._function(node, edits, wanted)
            elif isinstance(node, cst.ClassDef):
                self._class(node, edits, wanted)
            elif isinstance(node, cst.ImportFrom):
                self._import_from(node, edits)
            elif isinstance(node, cst.Import):
                self._import(node, edits)
            elif isinstance(node, cst.Attribute) and node in self.analysis.named:
                self._rename(node, edits, wanted)
            elif isinstance(node, cst.Attribute) and node in self.analysis.cleanups:
                if self.analysis.is_awaited(self.analysis.cleanups[node]):
                    edits.replace(node.attr, "addAsyncCleanup")
            elif node in self.analysis.owners:
                module = self.analysis.owners[node]
                edits.replace(node, module)
                wanted[module] = f"import {module}"
            elif node in self.analysis.strings:
                edits.replace(node, self.analysis.strings[node])
            elif isinstance(node, cst.Call):
                if node in self.analysis.run and self.analysis.can_run(node, file):
                    edits.wrap(node, "asyncio.run(", ")")
                    wanted["asyncio"] = "import asyncio"
                if node in self.analysis.in_threads and self.analysis.can_await(node, file):
                    self._to_thread(node, edits, wanted)
                if node in self.analysis.closings and self.analysis.can_await(node, file):
                    self._closing(node, edits, wanted)
                if replacement := self.analysis.replacements.get(node):
                    edit_replacement(node, replacement, edits, wanted)
                if node in self.analysis.creations:
                    edits.insert(file.spans[node.func][1], f".{self.analysis.creations[node]}")
                if node in self.set_up_calls and isinstance(node.func, cst.Attribute):
                    name = node.func.attr
                    edits.replace(name, UNITTEST.get(name.value, name.value))
                if self.bridges:
                    self._bridge(node, edits, wanted)
                functions = self.analysis.threads.get(node, ())
                if any(info.is_new for info in functions):
                    self._thread(node, edits, wanted)
        for generator in self._lists.pop(file, ()):
            self._make_list(generator, edits)
        if wanted:
            add_imports(edits, wanted.values(), self.rules.modules)
        return edits

    def _hoist(self, file: PythonFile, edits: Edits) -> None:
        """Await an attribute of the request once, if a function uses it several times."""
        uses: dict[FunctionInfo, list[cst.CSTNode]] = {}
        for node in self.analysis.of_request:
            if node in file.spans and node in self.analysis.awaited:
                info = self.analysis.enclosing(node, file)
                if info is not None and info.asynchronous:
                    uses.setdefault(info, []).append(node)
        for info, nodes in uses.items():
            for one in hoisted(file, info, nodes):
                self._hoisted |= dict.fromkeys(one.uses, one.name)
                start = file.spans[one.statement][0]
                indent = self._indent(one.statement, file)
                line = f"{one.name} = await {file.source(one.uses[0])}"
                edits.insert(start, f"{line}{file.tree.default_newline}{indent}")

    def _await(self, node: cst.CSTNode, edits: Edits) -> None:
        file = edits.file
        parent = file.parents[node]
        parenthesized = bool(getattr(node, "lpar", ()))
        primary = (isinstance(parent, cst.Attribute | cst.Subscript) and parent.value is node) or (
            isinstance(parent, cst.Call) and parent.func is node
        )
        if primary and not parenthesized:
            edits.wrap(node, "(await ", ")")
        else:
            edits.wrap(node, "await ")
        self._find_lists(node, file)

    def _to_thread(self, node: cst.Call, edits: Edits, wanted: dict[str, str]) -> None:
        """Write ``run(a)`` as ``asyncio.to_thread(run, a)``."""
        text = edits.file.text
        begin, start = _outer_span(node.func, edits.file)
        end = text.index(b"(", start) + 1
        separate = "" if not node.args else "," if text[end : end + 1] in b"\r\n" else ", "
        if node.func.lpar:
            edits.replace_span(begin, begin + 1, "asyncio.to_thread((")
        else:
            edits.wrap(node.func, "asyncio.to_thread(")
        for arg in node.args:
            if isinstance(arg.value, cst.GeneratorExp) and not arg.value.lpar:
                edits.wrap(arg.value, "(", ")")
        edits.replace_span(start, end, separate)
        wanted["asyncio"] = "import asyncio"

    def _closing(self, node: cst.Call, edits: Edits, wanted: dict[str, str]) -> None:
        """Write ``closing`` as ``aclosing``."""
        if isinstance(node.func, cst.Attribute):
            edits.replace(node.func.attr, "aclosing")
        else:
            edits.replace(node.func, "aclosing")
            wanted["aclosing"] = "from contextlib import aclosing"

    def _augmented(self, node: cst.AugAssign, edits: Edits) -> None:
        """Write ``x.data += y`` as ``x.data = await x.data + y``: a target cannot be awaited."""
        file = edits.file
        start, end = file.spans[node.target][1], file.spans[node.value][0]
        operator = file.text[start:end].decode().strip().removesuffix("=")
        before, after = ("", "") if isinstance(node.value, PRIMARIES) else ("(", ")")
        edits.replace_span(start, end, f" = await {file.source(node.target)} {operator} {before}")
        edits.insert(file.spans[node.value][1], after)

    def _with(self, node: cst.With, edits: Edits) -> None:
        kinds = [item in self.analysis.async_items for item in node.items]
        if all(kinds):
            edits.wrap(node, "async ")
            return
        # Synchronous and asynchronous context managers need statements of their own.
        file = edits.file
        start = file.spans[node][0]
        indent = self._indent(node, file)
        unit = self._unit(node, file)
        newline = file.tree.default_newline
        if kinds[0]:
            edits.wrap(node, "async ")
        spans = [self._item_span(item, file) for item in node.items]
        last = spans[-1][1]
        parentheses = isinstance(node.lpar, cst.LeftParen)
        if isinstance(node.lpar, cst.LeftParen) and isinstance(node.rpar, cst.RightParen):
            first, last = file.spans[node.lpar][0], file.spans[node.rpar][1]
            ends, starts = (
                [first, *(end for _, end in spans)],
                [*(begin for begin, _ in spans), last],
            )
            for between in zip(ends, starts, strict=True):
                for comment in COMMENT.findall(file.text[slice(*between)].decode()):
                    edits.insert(start, f"{comment}{newline}{indent}")
            edits.replace_span(start + len(b"with"), spans[0][0], " ")
            edits.replace_span(spans[-1][1], last, "")
        depth = 0
        for number in range(1, len(kinds)):
            end, following = spans[number - 1][1], spans[number][0]
            if kinds[number] == kinds[number - 1]:
                if parentheses:
                    edits.replace_span(end, following, ", ")
                continue
            depth += 1
            head = f":{newline}{indent}{unit * depth}{'async ' if kinds[number] else ''}with "
            edits.replace_span(end, following, head)
        if isinstance(node.body, cst.IndentedBlock):
            position = file.text.index(b"\n", last) + 1
            end = file.spans[node.body][1]
            while position < end:
                following = file.text.find(b"\n", position)
                following = len(file.text) if following < 0 else following + 1
                if file.text[position:following].strip() and not self._inside_string(
                    file, position
                ):
                    edits.insert(position, unit * depth)
                position = following

    def _indent(self, node: cst.CSTNode, file: PythonFile) -> str:
        """Return how far a statement is indented, with what the statements around it add."""
        start = file.spans[node][0]
        indent = file.text[file.text.rfind(b"\n", 0, start) + 1 : start].decode()
        for wrapped in (node, *file.ancestors(node)):
            if isinstance(wrapped, cst.With) and wrapped in self.analysis.wrapped:
                indent += self._unit(wrapped, file)
        for ancestor in file.ancestors(node):
            if isinstance(ancestor, cst.With) and self._is_async_with(ancestor, file):
                kinds = [item in self.analysis.async_items for item in ancestor.items]
                splits = sum(one != other for one, other in pairwise(kinds))
                indent = self._unit(ancestor, file) * splits + indent
        return indent

    def _unit(self, node: cst.With, file: PythonFile) -> str:
        """Return how far the body of a statement is indented."""
        return getattr(node.body, "indent", None) or file.tree.default_indent

    def _is_async_with(self, node: cst.With, file: PythonFile) -> bool:
        return node in self.analysis.async_with and self.analysis.can_await(node, file)

    def _item_span(self, item: cst.WithItem, file: PythonFile) -> tuple[int, int]:
        """Return where a context manager begins and ends, with its name."""
        start, end = _outer_span(item.item, file)
        return start, _outer_span(item.asname.name, file)[1] if item.asname else end

    def _inside_string(self, file: PythonFile, position: int) -> bool:
        return any(start < position < end for start, end in self._strings(file))

    def _strings(self, file: PythonFile) -> list[tuple[int, int]]:
        if file not in self._known_strings:
            self._known_strings[file] = [
                span
                for node, span in file.spans.items()
                if isinstance(node, cst.SimpleString | cst.FormattedString)
                and b"\n" in file.text[span[0] : span[1]]
            ]
        return self._known_strings[file]

    def _for(self, node: cst.CSTNode, edits: Edits) -> None:
        if isinstance(node, cst.CompFor):  # Its position includes the space before it.
            edits.insert(edits.file.spans[node.whitespace_before][1], "async ")
            self._find_lists(node, edits.file)
        else:
            edits.wrap(node, "async ")

    def _find_lists(self, node: cst.CSTNode, file: PythonFile) -> None:
        """Note the generator expressions that evaluate *node*, which awaits."""
        chain = [node, *file.ancestors(node)]
        for ancestor in chain:
            if isinstance(ancestor, cst.FunctionDef | cst.Lambda):
                return
            # The first iterable is evaluated outside of the generator.
            if isinstance(ancestor, cst.GeneratorExp) and ancestor.for_in.iter not in chain:
                self._lists.setdefault(file, set()).add(ancestor)

    def _make_list(self, generator: cst.GeneratorExp, edits: Edits) -> None:
        """Make a generator expression a list: with ``await`` it would be asynchronous."""
        if not generator.lpar:
            edits.wrap(generator, "[", "]")
            return
        # The position does not include the parentheses.
        file = edits.file
        start, end = file.spans[generator.lpar[-1]][0], file.spans[generator.rpar[0]][1]
        edits.replace_span(start, start + 1, "[")
        edits.replace_span(end - 1, end, "]")

    def _function(self, node: cst.FunctionDef, edits: Edits, wanted: dict[str, str]) -> None:
        info = self.analysis.functions.get(node)
        if info is None or not info.is_new:
            return
        edits.wrap(node, "async ")
        if scope := self.analysis.fixture_scope(info):
            self._fixture(info, scope, edits, wanted)
        for place in self.synchronous.get(node, ()):
            newline = edits.file.tree.default_newline
            indent = self._indent(node, edits.file)
            edits.insert(edits.file.spans[place][0], f"@async_to_sync{newline}{indent}")
            wanted["async_to_sync"] = "from quartpatterns.subclassing import async_to_sync"
        if "contextmanager" in info.kinds:
            self._context_manager(info, edits, wanted)
        if calls := self.finalizers.get(info):
            move_finalizers(node, calls, edits)
        if node in self.set_ups:
            edits.replace(node.name, UNITTEST[node.name.value])

    def _fixture(
        self, info: FunctionInfo, scope: str, edits: Edits, wanted: dict[str, str]
    ) -> None:
        """Write ``@pytest.fixture(autouse=True)``: pytest does not await ``setup_method()``."""
        file = edits.file
        newline = file.tree.default_newline
        options = "autouse=True" if scope == "function" else f'autouse=True, scope="{scope}"'
        first = (*info.node.decorators, info.node)[0]
        indent = self._indent(info.node, file)
        edits.insert(file.spans[first][0], f"@pytest.fixture({options}){newline}{indent}")
        wanted["pytest"] = "import pytest"
        if info.node.name.value.startswith("teardown"):
            body = [*info.node.body.body]
            if info.node.get_docstring() is not None and len(body) > 1:
                del body[0]
            start = file.spans[body[0]][0]
            inner = file.text[file.text.rfind(b"\n", 0, start) + 1 : start].decode()
            if not inner.strip():
                edits.insert(start, f"yield{newline}{inner}")
            else:  # def teardown_method(self): ...
                edits.insert(start, "yield; ")

    def _context_manager(self, info: FunctionInfo, edits: Edits, wanted: dict[str, str]) -> None:
        for decorator in info.node.decorators:
            node = decorator.decorator
            if edits.file.full_name(node) != "contextlib.contextmanager":
                continue
            if isinstance(node, cst.Attribute):
                edits.replace(node.attr, "asynccontextmanager")
            else:
                edits.replace(node, "asynccontextmanager")
                wanted["asynccontextmanager"] = "from contextlib import asynccontextmanager"

    def _is_test_case(self, info: FunctionInfo) -> bool:
        return info.owner is not None and any(
            name in TEST_CASES for name in self.analysis.external_bases(info.owner)
        )

    def _class(self, node: cst.ClassDef, edits: Edits, wanted: dict[str, str]) -> None:
        info = self.analysis.classes.get(node)
        if info is None or not self._has_asynchronous_tests(info):
            return
        # The methods may call those of the base class: unittest.TestCase.setUp(self)
        for base in (*(each.value for each in node.bases), *_owners(node.body)):
            if edits.file.full_name(base) != "unittest.TestCase":
                continue
            if isinstance(base, cst.Attribute):
                edits.replace(base.attr, "IsolatedAsyncioTestCase")
            else:
                edits.replace(base, "IsolatedAsyncioTestCase")
                wanted["TestCase"] = "from unittest import IsolatedAsyncioTestCase"

    def _has_asynchronous_tests(self, info: ClassInfo) -> bool:
        """Return whether the class or one that inherits from it has asynchronous methods."""
        family = [info]
        for each in family:
            family += [subclass for subclass in each.subclasses if subclass not in family]
        return any(method.is_new for each in family for method in each.methods.values())

    def _import_from(self, node: cst.ImportFrom, edits: Edits) -> None:
        if node.module is None or node.relative:
            return
        module = dotted_name(node.module)
        new_module = self.rules.modules.get(module, "")
        if isinstance(node.names, cst.ImportStar):
            if new_module:
                edits.replace(node.module, new_module)
            return
        moved: list[cst.ImportAlias] = []
        statements: list[str] = []
        for alias in node.names:
            name = dotted_name(alias.name)
            rule = self.rules.names.get(f"{module}.{name}")
            if rule and rule.port and self._import_moves(edits.file, f"{module}.{name}", rule):
                moved.append(alias)
                bound = edits.file.source(alias.asname.name) if alias.asname else name
                port_module, _, new_name = rule.port.rpartition(".")
                as_name = "" if bound == new_name else f" as {bound}"
                statements.append(f"from {port_module} import {new_name}{as_name}")
        if new_module and len(moved) < len(node.names):
            edits.replace(node.module, new_module)
        if moved:
            move_names(edits, node, moved, statements)

    def _import_moves(self, file: PythonFile, name: str, rule: NameRule) -> bool:
        """Return whether a name is imported from elsewhere: for functions on the event loop."""
        names = {(file.name, name), ("", name)}
        return not rule.on_loop or not self.analysis.known.names.isdisjoint(names)

    def _rename(self, node: cst.Attribute, edits: Edits, wanted: dict[str, str]) -> None:
        """Write ``time.sleep`` as ``asyncio.sleep``."""
        new, module_stays = self.analysis.named[node]
        if module_stays:
            edits.replace(node.attr, new)
            return
        edits.replace(node, new)
        module = new.rpartition(".")[0]
        wanted[module] = f"import {module}"

    def _import(self, node: cst.Import, edits: Edits) -> None:
        """Write ``import flask`` as ``from quartpatterns.subclassing import names as flask``."""
        new: list[str] = []
        kept: list[str] = []
        for alias in node.names:
            module = dotted_name(alias.name)
            bound = edits.file.source(alias.asname.name) if alias.asname else module
            if module not in self.rules.modules:
                kept.append(f"{module} as {bound}" if alias.asname else module)
                continue
            if "." in bound:  # `import flask.views` binds `flask`
                module = bound = bound.partition(".")[0]
            package, _, name = self.rules.modules[module].rpartition(".")
            source = f"from {package} import" if package else "import"
            new.append(f"{source} {name}{'' if name == bound else f' as {bound}'}")
        if new:
            statements = [f"import {', '.join(kept)}"] if kept else []
            edits.replace(
                node, separator(node, edits.file).join([*statements, *dict.fromkeys(new)])
            )

    def _bridge(self, node: cst.Call, edits: Edits, wanted: dict[str, str]) -> None:
        """Let the application set what extensions for Flask read."""
        parent = edits.file.parents[node]
        if isinstance(parent, cst.Arg):
            call = edits.file.parents[parent]
            if isinstance(call, cst.Call) and edits.file.source(call.func).endswith("bridge_flask"):
                return
        if node in self.analysis.applications:
            edits.wrap(node, "bridge_flask(", ")")
            wanted["bridge_flask"] = "from quartpatterns.subclassing import bridge_flask"

    def _thread(self, node: cst.Call, edits: Edits, wanted: dict[str, str]) -> None:
        """Write ``Thread(target=asyncio.run, args=[function(x)])``."""
        file = edits.file
        arguments = {arg.keyword.value: arg.value for arg in node.args if arg.keyword}
        target = arguments["target"]
        function = file.source(target)
        edits.replace(target, "asyncio.run")
        wanted["asyncio"] = "import asyncio"
        values = arguments.get("args")
        keywords = ""
        if "kwargs" in arguments:
            keywords = f"**{file.source(arguments['kwargs'])}"
            self._remove_argument(node, "kwargs", edits)
        if values is None:
            edits.insert(file.spans[target][1], f", args=[{function}({keywords})]")
        elif isinstance(values, cst.Tuple | cst.List) and (
            isinstance(values, cst.List) or values.lpar
        ):
            if keywords and values.elements:
                comma = isinstance(values.elements[-1].comma, cst.Comma)
                keywords = f" {keywords}" if comma else f", {keywords}"
            if isinstance(values, cst.List):
                start, end = file.spans[values.lbracket][1], file.spans[values.rbracket][0]
            else:
                start, end = file.spans[values.lpar[-1]][1], file.spans[values.rpar[0]][0]
            edits.insert(start, f"{function}(")
            edits.insert(end, f"{keywords})" if isinstance(values, cst.List) else f"{keywords}),")
        else:
            keywords = f", {keywords}" if keywords else ""
            edits.wrap(values, f"[{function}(*", f"{keywords})]")

    def _remove_argument(self, node: cst.Call, name: str, edits: Edits) -> None:
        """Remove a keyword argument that is not the only one."""
        removed = [arg for arg in node.args if arg.keyword and arg.keyword.value == name]
        remove_items(edits, node.args, removed)


def _outer_span(node: cst.BaseExpression, file: PythonFile) -> tuple[int, int]:
    """Return where an expression begins and ends, with its parentheses."""
    if node.lpar and node.rpar:
        return file.spans[node.lpar[0]][0], file.spans[node.rpar[-1]][1]
    return file.spans[node]


def _binds(node: cst.CSTNode, file: PythonFile) -> bool:
    """Return whether *node* is ``@staticmethod`` or ``@classmethod``."""
    return isinstance(node, cst.Decorator) and (
        file.source(node.decorator) in ("staticmethod", "classmethod")
    )


def _owners(node: cst.CSTNode) -> Iterator[cst.BaseExpression]:
    """Yield what has the attributes that *node* uses."""
    pending = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, cst.Attribute):
            yield each.value
        pending += each.children
