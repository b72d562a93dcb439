"""Places that a person has to look at after the port."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from quartpatterns.porting.analysis import CANNOT_AWAIT, Analysis
from quartpatterns.porting.project import (
    PythonFile,
    absolute_module,
    dotted_name,
    imported_modules,
    is_extension,
)
from quartpatterns.porting.report import PortFinding
from quartpatterns.porting.rules import Rules
from quartpatterns.porting.settings import refused_settings
from quartpatterns.porting.values import FunctionInfo

__all__ = ["blocking", "find_problems", "finding"]

UNKNOWN = "read whether it works with bridge_flask(), and add a file of rules"
SETUP = re.compile(r"(setUp|tearDown)(Class|Module)$|(setup|teardown)(_|$)")
RUNS_LOOP = re.compile(r"asyncio\.(run|Runner\.run|AbstractEventLoop\.run_\w+)\(\)$")
# Extensions that use no context of the application when they are initialised.
NO_CONTEXT = frozenset(
    {"flask_babel", "flask_bcrypt", "flask_bootstrap", "flask_caching", "flask_cors"}
    | {"flask_httpauth", "flask_jwt_extended", "flask_limiter", "flask_login", "flask_mail"}
    | {"flask_marshmallow", "flask_migrate", "flask_moment", "flask_sqlalchemy", "flask_wtf"}
)
MEMORY = ("sqlite://", "sqlite:///:memory:")
# Methods of collections and strings, which have too many namesakes.
OF_COLLECTIONS = {*dir(dict), *dir(list), *dir(set), *dir(str)}
# Functions that iterate over what they get.
CONSUMERS = re.compile(
    r"^(all|any|dict|enumerate|filter|frozenset|iter|list|map|max|min|next|set|sorted|sum|tuple|zip)$"
    r"|\.join$"
)


def find_problems(analysis: Analysis, rules: Rules) -> list[PortFinding]:
    """Return all places that the analysis could not port, or is not sure about."""
    return [
        *_problems(analysis),
        *_escapes(analysis),
        *_iterations(analysis),
        *_lambdas(analysis),
        *_unknown_methods(analysis),
        *_blocking(analysis),
        *_unknown_extensions(analysis, rules),
        *_imports(analysis, rules),
        *_setups(analysis),
        *_memory_databases(analysis),
        *_runs(analysis),
        *_settings(analysis, rules),
    ]


def finding(kind: str, file: PythonFile, node: cst.CSTNode, why: str, remedy: str) -> PortFinding:
    """Return a finding about *node*."""
    code = file.source(node).splitlines()[0].strip()
    return PortFinding(file.name, file.line(node), kind, code, why, remedy)


def _problems(analysis: Analysis) -> Iterator[PortFinding]:
    for problem in (*analysis.problems.values(), *analysis.leaks.values()):
        yield finding(problem.kind, problem.file, problem.node, problem.reason, problem.remedy)
    for problem in analysis.waiting.values():
        kind, remedy = problem.kind, problem.remedy
        if analysis.lazy:
            kind = "differs"
            remedy = "wait_in_greenlet() works in requests, commands and tests, and not in tasks"
        yield finding(kind, problem.file, problem.node, problem.reason, remedy)


def _escapes(analysis: Analysis) -> Iterator[PortFinding]:
    """Yield functions that became asynchronous and that other code may call without await."""
    for info in analysis.functions.values():
        if not info.is_new:
            continue
        for node, where in info.escapes.items():
            file = _file_of(node, analysis) or info.file
            remedy = "check that it accepts asynchronous functions, or give it another function"
            if isinstance(node, cst.Decorator) and not info.file.is_test:
                remedy = "remove @async_to_sync if it accepts asynchronous functions"
            yield finding(
                "differs",
                file,
                node,
                f"{info.name}() is asynchronous now, and {where} may call it without await",
                remedy,
            )


def _iterations(analysis: Analysis) -> Iterator[PortFinding]:
    """Yield the places that iterate over an asynchronous generator and are no loops."""
    for info in analysis.functions.values():
        for node, file in info.iterations.items() if info.is_new else ():
            parent = file.parents[node]
            call = file.parents[parent]
            if node in analysis.collected and analysis.can_await(node, file):
                continue
            if isinstance(parent, cst.From | cst.StarredElement) or (
                isinstance(parent, cst.Arg)
                and isinstance(call, cst.Call)
                and (parent.star or CONSUMERS.search(file.source(call.func)))
            ):
                yield finding(
                    "breaks",
                    file,
                    node,
                    f"{info.name}() is an asynchronous generator now",
                    "use 'async for', or a list of it: [each async for each in ...]",
                )


def _lambdas(analysis: Analysis) -> Iterator[PortFinding]:
    """Yield lambdas that are called where an asynchronous function is called as well."""
    for node, lambdas in analysis.lambdas.items():
        for each in lambdas if node in analysis.awaited else ():
            yield finding(
                "breaks",
                each.scope.file,
                each.node,
                f"it is called in the same place as {analysis.awaited[node]}, which is awaited",
                "write a function with 'async def'",
            )


def _unknown_methods(analysis: Analysis) -> Iterator[PortFinding]:
    """Yield calls that may be those of methods that became asynchronous."""
    methods = {
        info.node.name.value: info
        for info in sorted(analysis.functions.values(), key=lambda each: not each.file.is_test)
        if info.is_new and info.owner and not info.view and not info.generator
    }
    for node, file in analysis.unknown.items():
        info = methods.get(node.attr.value)
        call = file.parents[node]
        if info is None or node.attr.value in OF_COLLECTIONS or info.file.is_test > file.is_test:
            continue
        if isinstance(call, cst.Call) and call.func is node:
            if not isinstance(file.parents[call], cst.Await):
                why = f"{info.name}() is asynchronous now, and may be what this calls"
                yield finding("differs", file, call, why, "write 'await' if it is")


def _file_of(node: cst.CSTNode, analysis: Analysis) -> PythonFile | None:
    return next((file for file in analysis.project.files if node in file.spans), None)


def _blocking(analysis: Analysis) -> Iterator[PortFinding]:
    for found, _ in blocking(analysis):
        yield found


def blocking(analysis: Analysis) -> Iterator[tuple[PortFinding, str]]:
    """Yield calls that stop the event loop, or need that none runs, and their names."""
    running = analysis.on_the_event_loop()
    for node, (file, call, remedy) in analysis.blocking.items():
        if file.is_test or analysis.enclosing(node, file) not in running:
            continue
        if RUNS_LOOP.match(call):
            why = f"{call} raises RuntimeError where an event loop is running, as in requests"
            yield finding("breaks", file, node, why, remedy), call
        else:
            why = f"{call} stops the event loop until it returns: no other request is handled"
            yield finding("blocks", file, node, why, remedy), call


def _unknown_extensions(analysis: Analysis, rules: Rules) -> Iterator[PortFinding]:
    for call, (file, package) in analysis.extensions.items():
        info = analysis.enclosing(call, file)
        if info is not None and info.is_new and package not in NO_CONTEXT and not file.is_test:
            why = "it runs on the event loop now, and fails if it uses 'with app.app_context()'"
            function = file.source(call.func)
            remedy = f"if it does, write 'await asyncio.to_thread({function}, ...)'"
            yield finding("differs", file, call, why, remedy)
        if package and package not in rules.bridged and not package.startswith("flask_"):
            yield finding("differs", file, call, f"no rule knows {package}", UNKNOWN)
    for file in analysis.project.files:
        for node in file.spans:
            if (
                isinstance(node, cst.ImportFrom)
                and not isinstance(node.names, cst.ImportStar)
                and all(
                    f"{absolute_module(node, file)}.{dotted_name(alias.name)}" in rules.names
                    for alias in node.names
                )
            ):
                continue
            modules = (each for each in imported_modules(node) if each not in rules.modules)
            for top in {module.partition(".")[0] for module in modules}:
                if is_extension(top, file, analysis.project) and top not in rules.bridged:
                    yield finding(
                        "differs",
                        file,
                        node,
                        f"no rule knows {top}",
                        UNKNOWN,
                    )


def _imports(analysis: Analysis, rules: Rules) -> Iterator[PortFinding]:
    """Yield imports of Flask's own modules that stay, and those that hide names."""
    for file in analysis.project.files:
        for node in file.spans:
            for module in imported_modules(node):
                if module.startswith("flask.") and module not in rules.modules:
                    if not module.startswith("flask.ext"):  # That is reported already.
                        why = f"{module} stays Flask's, and knows no application of Quart"
                        remedy = "use what quartpatterns.subclassing.names or quart has instead"
                        yield finding("differs", file, node, why, remedy)
                elif isinstance(node, cst.ImportFrom) and isinstance(node.names, cst.ImportStar):
                    if rules.original(module).partition(".")[0] == "flask":
                        why = "what this import names is not awaited"
                        yield finding("breaks", file, node, why, "import each name")


def _runs(analysis: Analysis) -> Iterator[PortFinding]:
    """Yield calls of asynchronous functions by modules."""
    for node, (file, call) in analysis.run.items():
        if not analysis.can_run(node, file):
            where, remedy = CANNOT_AWAIT[cst.Module]
            yield finding("breaks", file, node, f"{where} cannot use await {call}", remedy)
        else:
            yield from _run(node, file)
    for statement, file in analysis.wrapped.items():
        yield from _run(statement, file)


def _run(node: cst.CSTNode, file: PythonFile) -> Iterator[PortFinding]:
    if not any(_is_main(each, file) for each in file.ancestors(node)):
        why = "asyncio.run() fails if a server imports the module on its event loop, as Uvicorn"
        remedy = "use Hypercorn or Granian, or call it in @app.before_serving"
        yield finding("differs", file, node, f"{why} does", remedy)


def _is_main(node: cst.CSTNode, file: PythonFile) -> bool:
    """Return whether *node* is ``if __name__ == "__main__"``."""
    return isinstance(node, cst.If) and "__name__" in file.source(node.test)


def _setups(analysis: Analysis) -> Iterator[PortFinding]:
    """Yield functions that pytest or unittest calls before or after tests, and does not await."""
    for info in analysis.functions.values():
        name = info.node.name.value
        if (
            info.is_new
            and (info.file.is_test or _is_in_test_case(info, analysis))
            and not info.fixture
            and not analysis.fixture_scope(info)
            and analysis.enclosing(info.node, info.file) is None
            and SETUP.match(name)
        ):
            why = f"{info.name}() is asynchronous now, and the test runner does not await it"
            yield finding("breaks", info.file, info.node, why, "write an asynchronous fixture")


def _is_in_test_case(info: FunctionInfo, analysis: Analysis) -> bool:
    bases = analysis.external_bases(info.owner) if info.owner else ()
    return any(base.endswith("TestCase") for base in bases)


def _settings(analysis: Analysis, rules: Rules) -> Iterator[PortFinding]:
    for file, node, why, remedy in refused_settings(analysis.project, rules):
        yield finding("breaks", file, node, why, remedy)


def _memory_databases(analysis: Analysis) -> Iterator[PortFinding]:
    """Yield databases in memory that are other ones in each thread, where views can run.

    Flask-SQLAlchemy and :mod:`quartpatterns.sqlalchemy` share one connection.
    """
    files = analysis.project.files
    modules = {module for file in files for node in file.spans for module in imported_modules(node)}
    packages = {module.partition(".")[0] for module in modules}
    shared = "flask_sqlalchemy" in packages or "quartpatterns.sqlalchemy" in modules
    if shared or packages.isdisjoint({"alchemical", "sqlalchemy"}):
        return
    for file in files:
        for node in file.spans:
            if isinstance(node, cst.SimpleString) and node.evaluated_value in MEMORY:
                yield finding(
                    "breaks",
                    file,
                    node,
                    "SQLAlchemy opens another database in memory in each thread",
                    "use a file, or create_engine(..., poolclass=StaticPool,"
                    " connect_args={'check_same_thread': False})",
                )
