"""Who becomes asynchronous, and what has to be awaited.

Something that is awaited makes the function around it asynchronous, and so each call of this
function has to be awaited as well.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import libcst as cst

from quartpatterns.porting.module_contexts import can_be_function
from quartpatterns.porting.project import PythonFile, SourceProject
from quartpatterns.porting.replacing import Replacement
from quartpatterns.porting.rules import NameRule, Rules
from quartpatterns.porting.scopes import function_of
from quartpatterns.porting.values import (
    ClassInfo,
    Function,
    FunctionInfo,
    Instance,
    LambdaFunction,
    Method,
    Name,
    ProjectClass,
    Scope,
    Values,
)

__all__ = ["Analysis", "OnTheLoop", "Problem", "own_bases", "reached"]

# Methods that the interpreter calls, except those that it awaits.
SYNCHRONOUS_PREFIX = "__"
AWAITABLE_SPECIAL = frozenset({"__call__", "__aenter__", "__aexit__", "__anext__"})
TASK_CLASSES = frozenset({"celery.BoundTask", "celery.Task", "celery.app.task.Task"})
CALLED_BY_CELERY = frozenset(
    "__call__ after_return before_start on_failure on_retry on_success run".split()
)
# What takes coroutines that are not awaited.
TAKES_COROUTINES = re.compile(
    r"asyncio\.run$|(^|\.)(add_background_task|create_task|ensure_future|gather"
    r"|run_coroutine_threadsafe|run_until_complete|shield|wait_for|wait_in_greenlet)$"
)
# What iterates over all items of its arguments at once.
TAKES_ALL_ITEMS = re.compile(
    r"^(dict|enumerate|frozenset|list|max|min|set|sorted|sum|tuple)$|\.(extend|join|update)$"
)
COMPREHENSIONS = (cst.ListComp, cst.SetComp, cst.DictComp, cst.GeneratorExp)
COLLECTIONS = (cst.List, cst.Tuple, cst.Element, cst.StarredElement)
# Functions of tests in pytest that become fixtures, and the scopes of these.
SET_UPS = {
    "setup_method": "function",
    "teardown_method": "function",
    "setup_function": "function",
    "teardown_function": "function",
    "setup_module": "module",
    "teardown_module": "module",
}
CANNOT_AWAIT: dict[type[cst.CSTNode], tuple[str, str]] = {
    cst.Lambda: ("a lambda", "write a function with 'async def'"),
    cst.ClassDef: ("the body of a class", "move it into a function"),
    cst.Module: (
        "a module",
        "move it into an 'async def' function, and call that with asyncio.run() or in"
        " @app.before_serving",
    ),
}


@dataclass(frozen=True)
class Problem:
    """A place that a person has to look at.

    Attributes:
        kind: ``breaks``, ``blocks`` or ``differs``.
        file: The file.
        node: The place.
        reason: What is wrong.
        remedy: What to write instead.
    """

    kind: str
    file: PythonFile
    node: cst.CSTNode
    reason: str
    remedy: str


@dataclass(frozen=True)
class OnTheLoop:
    """What runs on the event loop, as an earlier evaluation has found.

    Attributes:
        functions: The functions.
        names: What functions on the event loop call by a name that ``from ... import`` binds: the
            name of the file, "" if another file imports it, and the full name of the function.
        moved: The full names of what has moved because functions on the event loop call it.
    """

    functions: frozenset[cst.CSTNode] = frozenset()
    names: frozenset[tuple[str, str]] = frozenset()
    moved: frozenset[str] = frozenset()

    def __or__(self, other: OnTheLoop) -> OnTheLoop:
        """Return what runs on the event loop by either."""
        return OnTheLoop(
            self.functions | other.functions, self.names | other.names, self.moved | other.moved
        )


class Analysis:
    """What to await, and which functions become asynchronous.

    Attributes:
        awaited: The expressions to await, and why.
        augmented: The statements such as ``x.data += y`` whose target has to be awaited.
        async_items: The context managers in ``with`` statements that are asynchronous.
        async_with: The statements that contain one.
        async_for: The ``for`` statements and comprehensions to make asynchronous.
        functions: All functions, by their nodes.
        classes: All classes, by their nodes.
        run: The calls of asynchronous functions by modules, and their names.
        wrapped: The asynchronous ``with`` statements of modules, which become functions.
        applications: The calls that create an application.
        creations: The calls that create an object with a coroutine method, and its name.
        of_request: The awaited attributes of the request.
        named: The attributes of modules that have other names now, and whether their module stays.
        blocking: The calls that stop the event loop: file, name, and what to use instead.
        bound: The places that use what must stay in one thread, and what that is.
        extensions: The calls that give an application to code outside of the project, and the
            packages of this code, if they are known.
        threads: The calls that create a thread, and the functions that run in it.
        lambdas: The calls that may call a lambda.
        cleanups: The attributes ``addCleanup`` of test cases, and what it gets.
        finalizers: The calls of ``addfinalizer()`` that can become statements, and what they get.
        threadable: The calls that wait, and that can be sent to a thread.
        lazy: Whether code runs in greenlets, so that SQLAlchemy can load lazily.
        waiting: The problems that do not exist if it does.
        unknown: The attributes of objects that the analysis knows nothing about.
        in_threads: The calls that are sent to a thread.
        collected: The asynchronous iterators to make lists of.
        closings: The calls of ``closing()`` that have to be ``aclosing()``.
        replacements: The calls that replace a function in tests.
        owners: The modules to write in place of others.
        strings: The strings that change.
        imported: The names that ``from ... import`` binds: the file, and the full name.
        moved: The full names of the functions that are called by other names now.
        leaks: The objects that have to be awaited, and that other code gets.
        problems: What a person has to look at.
    """

    def __init__(self, project: SourceProject, rules: Rules, known: OnTheLoop) -> None:
        self.project = project
        self.rules = rules
        self.known = known
        self.awaited: dict[cst.CSTNode, str] = {}
        self.augmented: set[cst.AugAssign] = set()
        self.async_items: set[cst.WithItem] = set()
        self.async_with: set[cst.With] = set()
        self.async_for: set[cst.CSTNode] = set()
        self.functions: dict[cst.CSTNode, FunctionInfo] = {}
        self.classes: dict[cst.CSTNode, ClassInfo] = {}
        self.wrapped: dict[cst.With, PythonFile] = {}
        self.run: dict[cst.CSTNode, tuple[PythonFile, str]] = {}
        self.applications: set[cst.CSTNode] = set()
        self.creations: dict[cst.CSTNode, str] = {}
        self.of_request: set[cst.CSTNode] = set()
        self.named: dict[cst.CSTNode, tuple[str, bool]] = {}
        self.blocking: dict[cst.CSTNode, tuple[PythonFile, str, str]] = {}
        self.bound: dict[cst.CSTNode, tuple[PythonFile, str]] = {}
        self.extensions: dict[cst.Call, tuple[PythonFile, str]] = {}
        self.threads: dict[cst.Call, set[FunctionInfo]] = {}
        self.lambdas: dict[cst.CSTNode, set[LambdaFunction]] = {}
        self.cleanups: dict[cst.CSTNode, Values] = {}
        self.finalizers: dict[cst.Call, Values] = {}
        self.threadable: dict[cst.CSTNode, PythonFile] = {}
        self.lazy = False
        self.waiting: dict[tuple[cst.CSTNode, str], Problem] = {}
        self._waiting_methods: set[FunctionInfo] = set()
        self.unknown: dict[cst.Attribute, PythonFile] = {}
        self.in_threads: set[cst.CSTNode] = set()
        self.collected: set[cst.CSTNode] = set()
        self.closings: set[cst.CSTNode] = set()
        self.replacements: dict[cst.CSTNode, Replacement] = {}
        self.owners: dict[cst.CSTNode, str] = {}
        self.strings: dict[cst.CSTNode, str] = {}
        self.imported: set[tuple[str, str]] = set()
        self.moved: set[str] = set()
        self._called: set[tuple[str, str]] = set()
        self.leaks: dict[cst.CSTNode, Problem] = {}
        self.problems: dict[tuple[cst.CSTNode, str], Problem] = {}

    # What is used

    def use_call(self, info: FunctionInfo, node: cst.CSTNode, file: PythonFile) -> None:
        """Note that *node* calls a function."""
        info.calls[node] = file
        if info.asynchronous:
            self._await_call(info, node, file)
        elif info in self._waiting_methods:
            self._wait(info, node, file)

    def use_with(self, info: FunctionInfo, item: cst.WithItem, file: PythonFile) -> None:
        """Note that *item* uses a context manager of the project."""
        info.with_items[item] = file
        if info.asynchronous:
            self.make_with(item, file, f"{info.name}()")

    def use_for(self, info: FunctionInfo, node: cst.CSTNode, file: PythonFile) -> None:
        """Note that *node* iterates over a generator of the project."""
        info.loops[node] = file
        if info.asynchronous:
            self.make_for(node, file, f"{info.name}()")

    def use_items(self, info: FunctionInfo, node: cst.CSTNode, file: PythonFile) -> None:
        """Note that *node* is a generator of the project."""
        info.iterations[node] = file
        if info.asynchronous:
            self._collect(info, node, file)

    def _collect(self, info: FunctionInfo, node: cst.CSTNode, file: PythonFile) -> None:
        """Collect the items of an asynchronous generator where a function takes all of them."""
        parent = file.parents[node]
        call = file.parents[parent]
        if isinstance(parent, cst.StarredElement) or (
            isinstance(parent, cst.Arg)
            and isinstance(call, cst.Call)
            and (parent.star == "*" or TAKES_ALL_ITEMS.search(file.source(call.func)))
        ):
            self.collect(node, file, f"{info.name}()")
        elif isinstance(parent, cst.Assign) and parent.value is node:
            if any(isinstance(each.target, cst.Tuple | cst.List) for each in parent.targets):
                self.collect(node, file, f"{info.name}()")

    def make_with(self, item: cst.WithItem, file: PythonFile, reason: str) -> None:
        """Make a context manager asynchronous."""
        node = file.parents[item]
        if not isinstance(node, cst.With) or node.asynchronous is not None:
            return
        if item not in self.async_items:
            self.async_items.add(item)
            self.async_with.add(node)
            if isinstance(self.place(node, file), cst.Module) and can_be_function(node, file):
                self._wrap(node, file)
            self._needs_async(node, file, f"async with {reason}")

    def _wrap(self, node: cst.With, file: PythonFile) -> None:
        """Let the module run a ``with`` statement, and await what is in it."""
        self.wrapped[node] = file
        for key in [key for key in self.problems if node in file.ancestors(key[0])]:
            if self.problems[key].reason.startswith(CANNOT_AWAIT[cst.Module][0]):
                del self.problems[key]
        for call in [call for call in self.run if node in file.ancestors(call)]:
            self.await_(call, file, self.run.pop(call)[1])

    def collect(self, node: cst.CSTNode, file: PythonFile, reason: str) -> None:
        """Make a list of an asynchronous iterator, for a function that iterates over it."""
        if node not in self.collected:
            self.collected.add(node)
            self._needs_async(node, file, f"async for {reason}")

    def make_for(self, node: cst.CSTNode, file: PythonFile, reason: str) -> None:
        """Make a loop or a part of a comprehension asynchronous."""
        if getattr(node, "asynchronous", None) is None and node not in self.async_for:
            self.async_for.add(node)
            self._needs_async(node, file, f"async for {reason}")

    def await_(self, node: cst.CSTNode, file: PythonFile, reason: str) -> None:
        """Await an expression."""
        parent = file.parents.get(node)
        if node in self.awaited or isinstance(parent, cst.Await):
            return
        if self._is_taken(node, file):
            return
        self.awaited[node] = reason
        self._needs_async(node, file, f"await {reason}")

    def _await_call(self, info: FunctionInfo, node: cst.CSTNode, file: PythonFile) -> None:
        """Await the call of a function of the project, or run it if a module calls it."""
        in_module = isinstance(self.place(node, file), cst.Module)
        if in_module and isinstance(node, cst.Call) and not self._is_taken(node, file):
            if not any(isinstance(each, COMPREHENSIONS) for each in file.ancestors(node)):
                self.run[node] = (file, f"{info.name}()")
                return
        self.await_(node, file, f"{info.name}()")

    def _wait(self, info: FunctionInfo, node: cst.CSTNode, file: PythonFile) -> None:
        """Note a call of a method that waits in its greenlet: a synchronous test has no loop."""
        test = self.enclosing(node, file)
        if self.lazy and file.is_test and test is not None and not test.decorator:
            self.make_async(test, f"{info.name}() waits, and needs the event loop")

    def can_run(self, node: cst.CSTNode, file: PythonFile) -> bool:
        """Return whether a module can run a call with ``asyncio.run()``: alone, and at once."""
        around = file.ancestors(node)
        return not any(each in self.async_with or each in self.async_for for each in around)

    def _is_taken(self, node: cst.CSTNode, file: PythonFile) -> bool:
        """Return whether a function takes the coroutine that a call returns."""
        parent = file.parents.get(node)
        if isinstance(parent, cst.Lambda) and isinstance(node, cst.Call):
            # A lambda that replaces an asynchronous function returns asyncio.sleep(0, result).
            if parent.body is node and len(node.args) > 1:
                return file.source(node.func) == "asyncio.sleep"
        inner = node
        while isinstance(parent, COLLECTIONS) or (
            isinstance(parent, cst.ListComp | cst.GeneratorExp) and parent.elt is inner
        ):
            inner, parent = parent, file.parents.get(parent)
        call = file.parents.get(parent) if isinstance(parent, cst.Arg) else None
        return isinstance(call, cst.Call) and (
            bool(TAKES_COROUTINES.search(file.source(call.func)))
            # Thread(target=asyncio.run, args=[function()])
            or any(file.source(arg.value) == "asyncio.run" for arg in call.args)
        )

    def _needs_async(self, node: cst.CSTNode, file: PythonFile, reason: str) -> None:
        """Make the function around *node* asynchronous, or report that this is impossible."""
        place = self.place(node, file)
        if isinstance(place, cst.FunctionDef):
            if info := self.functions.get(place):
                self.make_async(info, f"{reason} on line {file.line(node)}", node)
            return
        if isinstance(place, cst.With):
            return
        where, remedy = CANNOT_AWAIT[type(place)]
        problem = Problem("breaks", file, node, f"{where} cannot use {reason}", remedy)
        if isinstance(place, cst.Lambda) and reason.startswith("await "):
            self.waiting.setdefault((node, problem.reason), problem)
        else:
            self.problems.setdefault((node, problem.reason), problem)

    def place(self, node: cst.CSTNode, file: PythonFile) -> cst.CSTNode:
        """Return the function, lambda, class or module whose body contains *node*.

        A ``with`` statement of a module counts as a function if it becomes one.
        """
        if node in self.wrapped:
            assert isinstance(node, cst.With)
            return node
        previous = node
        for ancestor in file.ancestors(node):
            if isinstance(ancestor, cst.Module):
                break
            if isinstance(ancestor, cst.With) and ancestor in self.wrapped:
                return ancestor
            inside = isinstance(ancestor, cst.FunctionDef | cst.Lambda | cst.ClassDef)
            if inside and previous is getattr(ancestor, "body", None):
                return ancestor
            previous = ancestor
        return file.tree

    def enclosing(self, node: cst.CSTNode, file: PythonFile) -> FunctionInfo | None:
        """Return the innermost function of the project whose body contains *node*."""
        previous = node
        for ancestor in file.ancestors(node):
            if isinstance(ancestor, cst.FunctionDef) and previous is ancestor.body:
                return self.functions.get(ancestor)
            previous = ancestor
        return None

    def on_the_event_loop(self) -> set[FunctionInfo]:
        """Return the asynchronous functions and what they call: all that runs on the event loop."""
        in_threads = {
            info
            for infos in self.threads.values()
            for info in infos
            if not info.calls and not info.escapes
        }
        running = [
            info
            for info in self.functions.values()
            if (info.asynchronous or info.on_loop) and info not in in_threads
        ]
        return reached(running, self.called())

    def called(self) -> dict[FunctionInfo, set[FunctionInfo]]:
        """Return what each function calls."""
        called: dict[FunctionInfo, set[FunctionInfo]] = defaultdict(set)
        for info in self.functions.values():
            for node, file in (
                *info.calls.items(),
                *info.with_items.items(),
                *info.loops.items(),
                *info.iterations.items(),
            ):
                if file.is_test and not info.file.is_test:
                    continue  # A test runs before or beside the application.
                if node in self.in_threads:
                    continue
                if caller := self.enclosing(node, file):
                    called[caller].add(info)
        return called

    def now_on_the_loop(self) -> OnTheLoop:
        """Return what runs on the event loop after this evaluation."""
        functions = frozenset(info.node for info in self.on_the_event_loop())
        names = {each if each in self.imported else ("", each[1]) for each in self._called}
        return OnTheLoop(functions, frozenset(names), frozenset(self.moved))

    def runs_on_loop(self, node: cst.CSTNode, file: PythonFile) -> bool:
        """Return whether *node* is in a function that runs on the event loop, and can await."""
        place = self.place(node, file)
        if not isinstance(place, cst.FunctionDef) or not self._can_be_async(place, file):
            return False
        return place in self.known.functions

    def moves(self, node: cst.Call, file: PythonFile, name: str, *, awaited: bool) -> bool:
        """Return whether a call that only changes on the event loop is there.

        Arguments:
            node: The call.
            file: Its file.
            name: The full name of what it calls.
            awaited: Whether it has to be awaited.
        """
        here = self.runs_on_loop(node, file)
        place = self.place(node, file)
        if not awaited and not (
            isinstance(place, cst.FunctionDef) and self._can_be_async(place, file)
        ):
            # A module and __init__() can create it for the functions.
            here = any(function in file.spans for function in self.known.functions)
        if not isinstance(node.func, cst.Name):
            return here
        # An import binds a name for all of its file.
        if here:
            self._called.add((file.name, name))
        return not self.known.names.isdisjoint({(file.name, name), ("", name)})

    def _can_be_async(self, function: cst.FunctionDef, file: PythonFile) -> bool:
        info = self.functions.get(function)
        if info is not None and info.generator and "contextmanager" not in info.kinds:
            return _only_synchronous(function) is None
        return not is_synchronous(function, file)

    def can_await(self, node: cst.CSTNode, file: PythonFile) -> bool:
        """Return whether the place of *node* is in an asynchronous function."""
        place = self.place(node, file)
        if place in self.wrapped:
            return True
        info = self.functions.get(place)
        return info is not None and info.asynchronous

    def waits(self, node: cst.CSTNode, file: PythonFile) -> bool:
        """Return whether *node* waits in its greenlet, because its place cannot await."""
        place = self.place(node, file)
        return self.lazy and (
            isinstance(place, cst.Lambda)
            or (isinstance(place, cst.FunctionDef) and is_synchronous(place, file))
        )

    def make_async(self, info: FunctionInfo, reason: str, place: cst.CSTNode | None = None) -> None:
        """Make a function asynchronous, and everything that calls it.

        Arguments:
            info: The function.
            reason: Why.
            place: What needs it, in the body of the function. It is reported if that is impossible.
        """
        if info.asynchronous:
            return
        place = place or info.node
        if info.owner and is_synchronous(info.node, info.file):
            why = f"{info.name}() cannot be asynchronous, and needs {reason}"
            remedy = (
                "move what is awaited into a method with another name, and await that where the"
                " object is used"
            )
            problem = Problem("breaks", info.file, place, why, remedy)
            found = self.waiting if reason.startswith("await ") else self.problems
            found.setdefault((place, why), problem)
            if found is self.waiting:
                self._waiting_methods.add(info)
                for call, file in [*info.calls.items()]:
                    self._wait(info, call, file)
            return
        if "task" in info.kinds or self._is_of_celery(info):
            self.problem(
                "breaks",
                info.file,
                place,
                f"Celery does not await {info.name}(), which needs {reason}",
                "write the task with quartpatterns.tasks, or give bridge_flask() the application",
            )
            return
        if info.generator and "contextmanager" not in info.kinds:
            if node := _only_synchronous(info.node):
                self.problem(
                    "breaks",
                    info.file,
                    node,
                    f"{info.name}() cannot be an asynchronous generator, and needs {reason}",
                    "write a loop with yield for 'yield from', and return no value",
                )
                return
        info.asynchronous = True
        info.reason = reason
        for node, file in [*info.calls.items()]:
            self._await_call(info, node, file)
        for item, file in [*info.with_items.items()]:
            self.make_with(item, file, f"{info.name}()")
        for loop, file in [*info.loops.items()]:
            self.make_for(loop, file, f"{info.name}()")
        for node, file in [*info.iterations.items()]:
            self._collect(info, node, file)
        for peer in self._peers(info):
            self.make_async(peer, f"{info.name}() is called in the same place")

    def _is_of_celery(self, info: FunctionInfo) -> bool:
        """Return whether Celery calls a method: ``__call__()`` and others of a class of tasks."""
        return (
            info.owner is not None
            and info.node.name.value in CALLED_BY_CELERY
            and not TASK_CLASSES.isdisjoint(self.external_bases(info.owner))
        )

    def is_awaited(self, values: Values) -> bool:
        """Return whether the result of a call has to be awaited."""
        return any(
            (isinstance(value, Function) and value.info.asynchronous)
            or (
                isinstance(value, Method)
                and any(value.name in rule.awaited for rule in self.rules.type_rules(value.type))
            )
            for value in values
        )

    def unify(self, targets: list[FunctionInfo]) -> None:
        """Functions that one expression calls are all asynchronous, or none is.

        A decorator is none of them: it is one that the analysis takes for what it returns.
        """
        targets = [each for each in targets if not each.decorator]
        if len(targets) > 1:
            for one in targets:
                one.peers.update(each for each in targets if each is not one)
            for one in targets:
                if one.asynchronous:
                    for other in targets:
                        self.make_async(other, f"{one.name}() is called in the same place")
                    break

    def _peers(self, info: FunctionInfo) -> set[FunctionInfo]:
        """Return the functions that have to be asynchronous if *info* is."""
        found = set(info.peers)
        if info.owner:
            methods = (each.methods.get(info.node.name.value) for each in _family(info.owner))
            found.update(method for method in methods if method is not None)
        return found - {info}

    def fixture_scope(self, info: FunctionInfo) -> str:
        """Return the scope of the fixture that a function such as ``setup_method`` becomes.

        Return "" if it is no such function, if it takes arguments of pytest, or if it is called.
        """
        parameters = info.node.params.params[1 if info.owner else 0 :]
        if parameters or info.calls or info.fixture or not info.is_new or not info.file.is_test:
            return ""
        if info.owner and "unittest.TestCase" in self.external_bases(info.owner):
            return ""
        return SET_UPS.get(info.node.name.value, "")

    def external_bases(self, info: ClassInfo) -> set[str]:
        """Return the types from outside of the project that a class inherits from."""
        found: set[str] = set()
        for each in own_bases(info):
            for base in each.bases:
                if isinstance(base, Name):
                    rule = self.rules.names.get(base.name)
                    found.add(rule.returns if rule and rule.returns else base.name)
                elif isinstance(base, Instance) and isinstance(base.type, str):
                    found.add(base.type)
        return found

    def use_session(self, scope: Scope) -> None:
        """Note a use of ``db.session``, which needs the event loop.

        A synchronous test has none. Other functions run where their caller does.
        """
        info = function_of(scope)
        if self.lazy and scope.file.is_test and info is not None and not info.decorator:
            self.make_async(info, "db.session needs the event loop")

    def note_difference(
        self, node: cst.CSTNode, file: PythonFile, name: str, rule: NameRule
    ) -> None:
        """Note that something differs on Quart, if its rule says so."""
        if rule.differs:
            self.problem("differs", file, node, f"{name} differs on Quart", rule.differs)

    def problem(
        self, kind: str, file: PythonFile, node: cst.CSTNode, reason: str, remedy: str
    ) -> None:
        """Note a place that a person has to look at."""
        self.problems.setdefault((node, reason), Problem(kind, file, node, reason, remedy))


def own_bases(info: ClassInfo) -> list[ClassInfo]:
    """Return a class, the classes of the project that it inherits from, theirs, and so on.

    A class that replaces another one of its name seems to inherit from itself.
    """
    found = [info]
    for each in found:
        bases = [base.info for base in each.bases if isinstance(base, ProjectClass)]
        found += [base for base in dict.fromkeys(bases) if base not in found]
    return found


def reached(
    functions: Iterable[FunctionInfo], called: Mapping[FunctionInfo, set[FunctionInfo]]
) -> set[FunctionInfo]:
    """Return *functions*, what they call, what that calls, and so on."""
    found: set[FunctionInfo] = set()
    pending = [*functions]
    while pending:
        info = pending.pop()
        if info not in found:
            found.add(info)
            pending += called.get(info, ())
    return found


def is_synchronous(function: cst.FunctionDef, file: PythonFile) -> bool:
    """Return whether a function is a method that the interpreter calls without await."""
    name = function.name.value
    in_class = isinstance(file.parents.get(file.parents[function]), cst.ClassDef)
    return in_class and name.startswith(SYNCHRONOUS_PREFIX) and name not in AWAITABLE_SPECIAL


def _only_synchronous(function: cst.FunctionDef) -> cst.CSTNode | None:
    """Return what an asynchronous generator cannot have: ``yield from``, or a returned value."""
    pending: list[cst.CSTNode] = [function.body]
    while pending:
        node = pending.pop()
        if isinstance(node, cst.Return) and node.value is not None:
            return node
        if isinstance(node, cst.Yield) and isinstance(node.value, cst.From):
            return node
        if not isinstance(node, cst.FunctionDef | cst.Lambda | cst.ClassDef):
            pending += node.children
    return None


def _family(info: ClassInfo) -> set[ClassInfo]:
    """Return the base classes and subclasses of a class in the project."""
    found: set[ClassInfo] = set()
    pending = [info]
    while pending:
        one = pending.pop()
        if one not in found:
            found.add(one)
            pending += one.subclasses
            pending += [base.info for base in one.bases if isinstance(base, ProjectClass)]
    return found
