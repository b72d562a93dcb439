"""Uses of tasks: calls of results, of chains and groups, and of the Celery application."""

from __future__ import annotations

from typing import Any

import libcst as cst

from quartpatterns.porting.celery_move.code import CELERY, TASKS, CeleryCode, moves, source
from quartpatterns.porting.project import PythonFile, dotted_name, imported_modules
from quartpatterns.porting.values import Function

__all__ = ["move_calls"]

RESULT, GROUP_RESULT = "celery.AsyncResult", "celery.GroupResult"
SIGNATURES = {"celery.Signature", "celery.Group"}
OF_JOBS = {"AsyncResult", "apply_async", "delay", "ready", "successful", "update_state"}
FIXTURES = {"celery_app", "celery_session_app", "celery_session_worker", "celery_worker"}
NAME_OF_GROUP = {"celery.group", "celery.canvas.group"}


def move_calls(code: CeleryCode) -> None:
    """Change all uses of tasks."""
    mover = _MovedCalls(code)
    for node, file in [*code.nodes(cst.Attribute)]:
        mover.attribute(node, file)
    for node, file in [*code.nodes(cst.Call)]:
        mover.call(node, file)
    for file in code.project.files:
        mover.imported_names(file)
    mover.patches()
    mover.fixtures()


def report_names(code: CeleryCode) -> None:
    """Report the names of Celery that have no successor."""
    for file in code.project.files:
        _MovedCalls(code).imported_names(file)


class _MovedCalls:
    def __init__(self, code: CeleryCode) -> None:
        self.code = code

    # Attributes

    def attribute(self, node: cst.Attribute, file: PythonFile) -> None:
        """Change an attribute of a task, a result and so on, with its call."""
        if (
            node in self.code.bound
            or self.code.is_covered(node, file)
            or any(
                isinstance(each, cst.Import | cst.ImportFrom | cst.Annotation)
                for each in file.ancestors(node)
            )
        ):
            return
        parent = file.parents[node]
        call = parent if isinstance(parent, cst.Call) and parent.func is node else None
        types = self.code.types(node.value, file)
        values = self.code.values(node.value, file)
        is_task = self._is_task(node.value, file)
        if RESULT in types:
            self._result(node, call, file, moves()["results"])
        elif GROUP_RESULT in types:
            self._result(node, call, file, moves()["group_results"])
        elif node.value in self.code.bound:  # self.request.args
            return
        elif is_task or types & {"celery.Task", "celery.BoundTask"}:
            self._task(node, call, file)
        elif types & SIGNATURES:
            self._signature(node, call, file)
        elif CELERY in types:
            self._application(node, call, file)
        elif "celery.Control" in types:
            self._control(node, call, file)
        elif not values and call is not None and node.attr.value in OF_JOBS:
            self.code.report(
                "breaks",
                file,
                call,
                f"it is not known whether this is a task of {TASKS}",
                f"write 'await' if it is, and what {TASKS} has",
            )

    def _result(
        self, node: cst.Attribute, call: cst.Call | None, file: PythonFile, table: dict[str, Any]
    ) -> None:
        name = node.attr.value
        new = table.get(f"{name}()" if call else name)
        start = file.spans[node.attr][0]
        if new is None:
            remedy = moves()["reported_results"].get(name, "read 'await job.result()'")
            self.code.report("breaks", file, call or node, f"a job has no {name}", remedy)
        elif call is None:
            if name in ("state", "status"):
                self._states(node, file)
            self.code.replace(node.attr, file, new)
        elif not new.endswith("()"):
            self.code.replace_span(start, file.spans[call][1], file, new)
        else:
            function = new.removesuffix("()")
            kept: list[str] = []
            for number, arg in enumerate(call.args):
                word = arg.keyword.value if arg.keyword is not None else ""
                if function == "wait" and (word == "timeout" or (not word and number == 0)):
                    kept.append(f"timeout={source(arg.value, file)}")
                elif word in ("propagate", "terminate") and file.source(arg.value) == "False":
                    remedy = "catch TaskFailedError, or read 'await job.result()'"
                    if word == "propagate":
                        self.code.report("breaks", file, arg, "wait() raises the error", remedy)
                elif word not in (
                    "interval",
                    "no_ack",
                    "terminate",
                    "disable_sync_subtasks",
                    "propagate",
                ):
                    why = f"{function}() of a job has no argument {word or file.source(arg.value)}"
                    self.code.report("differs", file, arg, why, "check whether it is needed")
            text = f"{function}({', '.join(kept)})"
            self.code.replace_span(start, file.spans[call][1], file, text)

    def _states(self, node: cst.Attribute, file: PythonFile) -> None:
        """Report the states that a result is compared with, and that no job has."""
        comparison = file.parents[node]
        if isinstance(comparison, cst.ComparisonTarget):
            comparison = file.parents[comparison]
        if not isinstance(comparison, cst.Comparison):
            return
        known = moves()["states"]["names"]
        for each in file.spans:
            if isinstance(each, cst.SimpleString) and comparison in [*file.ancestors(each)]:
                if (state := str(each.evaluated_value)) not in known:
                    why = f"no job has the state {state}"
                    self.code.report("differs", file, each, why, f"a job is {', '.join(known)}")

    def _task(self, node: cst.Attribute, call: cst.Call | None, file: PythonFile) -> None:
        name = node.attr.value
        reported = moves()["reported_tasks"]
        if name == "AsyncResult" and call is not None:
            self._job(node, call, file)
        elif name == "run":
            self.code.replace(node.attr, file, "function")
        elif name == "apply_async" and call is not None:
            self._check_options(call, file)
        elif name in reported:
            why = f"a task of {TASKS} has no {name}"
            self.code.report("breaks", file, call or node, why, reported[name])

    def _check_options(self, call: cst.Call, file: PythonFile) -> None:
        known, reported = moves()["call_options"]["names"], moves()["reported_call_options"]
        for number, arg in enumerate(call.args):
            name = arg.keyword.value if arg.keyword is not None else ""
            if (name and name not in known) or (not name and not arg.star and number > 1):
                why = f"apply_async() has no option {name or file.source(arg.value)}"
                remedy = reported.get(name, f"the options are {', '.join(known)}")
                self.code.report("breaks", file, arg, why, remedy)
            elif name == "expires" and not isinstance(
                arg.value, cst.Integer | cst.Float | cst.Name
            ):
                why = "expires is a number of seconds"
                remedy = "write seconds if this is a datetime"
                self.code.report("differs", file, arg, why, remedy)

    def _job(self, node: cst.BaseExpression, call: cst.Call, file: PythonFile) -> None:
        """Write ``Job(id)``."""
        self.code.rename(node, file, f"{TASKS}.Job")
        self._keep_first(call, file)

    def _keep_first(self, call: cst.Call, file: PythonFile) -> None:
        if len(call.args) > 1:
            first = call.args[0].value
            self.code.replace_span(file.spans[first][1], file.spans[call][1] - 1, file, "")

    def _signature(self, node: cst.Attribute, call: cst.Call | None, file: PythonFile) -> None:
        name = node.attr.value
        if name in ("delay", "apply_async") and call is not None:
            if name == "apply_async":
                if all(arg.keyword is not None for arg in call.args) and (
                    "celery.Group" not in self.code.types(node.value, file) or not call.args
                ):
                    names = {arg.keyword.value for arg in call.args if arg.keyword}
                    if names <= {*moves()["call_options"]["names"]} - {"args", "kwargs"}:
                        options = ", ".join(file.source(arg) for arg in call.args)
                        text = f"set({options}).delay()" if options else "delay()"
                        start = file.spans[node.attr][0]
                        self.code.replace_span(start, file.spans[call][1], file, text)
                        return
            elif not call.args:
                return
            why = f"{name}() of a signature takes no arguments"
            remedy = "write them in s(...), and options in set(...)"
            self.code.report("breaks", file, call, why, remedy)
        elif name not in ("set", "task", "args", "kwargs", "options"):
            remedy = "signatures have delay(), set() and |; connect to task_failed for errors"
            self.code.report("breaks", file, call or node, f"a signature has no {name}", remedy)

    def _application(self, node: cst.Attribute, call: cst.Call | None, file: PythonFile) -> None:
        name = node.attr.value
        reported = moves()["reported_applications"]
        if name == "AsyncResult" and call is not None:
            self._job(node, call, file)
        elif name == "conf" or (name in reported and name != "control"):
            if name == "conf":
                remedy = (
                    "write the setting into the configuration of the application, before init_app()"
                )
                if file.is_test:
                    remedy = "use the fixture eager_tasks, or TASKS_EAGER in the configuration"
            else:
                remedy = reported[name]
            decorator = next(
                (each for each in file.ancestors(node) if isinstance(each, cst.Decorator)), None
            )
            place = decorator or self.code.statement(node, file) or node
            self.code.report("breaks", file, place, f"{TASKS} has no {name}", remedy)
            if decorator is not None:
                self._remove_decorator(decorator, file)

    def _remove_decorator(self, decorator: cst.Decorator, file: PythonFile) -> None:
        start = file.spans[decorator][0]
        following = file.text.index(b"\n", file.spans[decorator][1]) + 1
        first = file.text.rfind(b"\n", 0, start) + 1
        self.code.replace_span(first, following, file, "")

    def _control(self, node: cst.Attribute, call: cst.Call | None, file: PythonFile) -> None:
        first = call.args[0].value if call is not None and call.args else None
        if node.attr.value == "revoke" and isinstance(
            first, cst.List | cst.Tuple | cst.ListComp | cst.GeneratorExp
        ):
            remedy = "write 'await Job(id).revoke()' for each"
            self.code.report("breaks", file, call or node, "revoke() takes one job", remedy)
        elif node.attr.value == "revoke" and call is not None and call.args:
            text = f"Job({source(call.args[0].value, file)}).revoke()"
            self.code.replace(call, file, text)
            self.code.want(file, f"from {TASKS} import Job")
        else:
            remedy = moves()["reported_applications"]["control"]
            self.code.report("breaks", file, call or node, f"{TASKS} has no control", remedy)

    # Calls

    def call(self, node: cst.Call, file: PythonFile) -> None:
        """Change ``AsyncResult(id, app=celery)``, ``group(a, b)`` and calls of signatures."""
        if self.code.is_covered(node, file):
            return
        names = self.code.names(node.func, file)
        if "celery.result.AsyncResult" in names:
            self._keep_first(node, file)
        elif names & NAME_OF_GROUP and node.args:
            first = node.args[0]
            signature = self.code.types(first.value, file) & SIGNATURES
            if len(node.args) > 1 or (signature and not first.star):
                self.code.edits[file].insert(file.spans[first][0], "[")
                self.code.edits[file].insert(file.spans[node.args[-1].value][1], "]")
        elif self.code.types(node.func, file) & SIGNATURES:
            chord = isinstance(node.func, cst.Call) and any(
                name.endswith(".chord") for name in self.code.names(node.func.func, file)
            )
            start, end = file.spans[node.func][1], file.spans[node][1]
            if chord and len(node.args) == 1:
                body = file.spans[node.args[0].value]
                self.code.replace_span(start - 1, body[0], file, ", ")
                self.code.replace_span(body[1], end, file, ").delay()")
            elif node.args:
                why = "the call of a signature takes no arguments"
                self.code.report("breaks", file, node, why, "write them in s(...)")
            elif isinstance(node.func, cst.Call) and isinstance(node.func.func, cst.Attribute):
                why = "a signature cannot be called"
                self.code.report("breaks", file, node, why, "call the function: 'await task(...)'")
            else:
                self.code.replace_span(start, end, file, ".delay()")

    # Names

    def imported_names(self, file: PythonFile) -> None:
        """Import names from elsewhere, and report those without a successor."""
        bound = self._bound(file)
        for node in [*file.spans]:
            if not isinstance(node, cst.Name | cst.Attribute) or self.code.is_covered(node, file):
                continue
            root = dotted_name(node).partition(".")[0]
            parent = file.parents[node]
            if (
                root not in bound
                or isinstance(parent, cst.Attribute)
                and (parent.attr is node or dotted_name(parent))
            ):
                continue
            if isinstance(node, cst.Name) and (
                isinstance(parent, cst.Arg)
                and parent.keyword is node
                or isinstance(parent, cst.Param)
                and parent.name is node
            ):
                continue
            if any(isinstance(each, cst.Import | cst.ImportFrom) for each in file.ancestors(node)):
                continue
            found = self.code.names(node, file)
            for full in sorted(found):
                if full.partition(".")[0] != "celery":
                    continue
                if new := moves()["names"].get(full):
                    self.code.rename(node, file, new)
                else:
                    reported = moves()["reported_names"]
                    key = next(
                        (key for key in reported if full == key or full.startswith(f"{key}.")),
                        "celery",
                    )
                    why = f"{full} is Celery's"
                    self.code.report("breaks", file, node, why, reported[key])
                break

    def _bound(self, file: PythonFile) -> set[str]:
        """Return the names that imports of Celery bind in a file."""
        found: set[str] = set()
        for node in file.spans:
            if any(each.partition(".")[0] == "celery" for each in imported_modules(node)):
                assert isinstance(node, cst.Import | cst.ImportFrom)
                for alias in node.names if not isinstance(node.names, cst.ImportStar) else ():
                    target = alias.asname.name if alias.asname else alias.name
                    found.add(dotted_name(target).partition(".")[0])
        return found

    def fixtures(self) -> None:
        """Report the fixtures of Celery's pytest plugin."""
        own = {info.node.name.value for info in self.code.evaluator.result.functions.values()}
        for node, file in self.code.nodes(cst.Param):
            name = node.name.value
            if file.is_test and name in FIXTURES and name not in own:
                why = f"{name} is a fixture of Celery"
                remedy = "use the fixture eager_tasks, or task_worker, which runs a worker"
                self.code.report("breaks", file, node, why, remedy)

    def patches(self) -> None:
        """Tests that replace ``task.run`` replace the function of the task."""
        paths = {f"{info.file.module}.{info.node.name.value}.run": info for info in self.code.tasks}
        for node, file in self.code.nodes(cst.SimpleString):
            if str(node.evaluated_value) in paths:
                text = f"{file.source(node)[: -len('run') - len(node.quote)]}function{node.quote}"
                self.code.replace(node, file, text)
        self._replaced_attributes()

    def _replaced_attributes(self) -> None:
        """Report tests that replace an attribute that tasks have no more: ``retry``."""
        names = {f"{info.file.module}.{info.node.name.value}" for info in self.code.tasks}
        reported = {
            **moves()["reported_tasks"],
            "AsyncResult": f"replace {TASKS}.Job where it is imported",
        }
        for node, file in self.code.nodes(cst.Call):
            strings = [arg.value for arg in node.args if isinstance(arg.value, cst.SimpleString)]
            if not file.is_test or not strings:
                continue
            owner, _, name = str(strings[0].evaluated_value).rpartition(".")
            if not owner and len(node.args) > 1 and node.args[1].value is strings[0]:
                is_task = self._is_task(node.args[0].value, file)
            else:
                is_task = owner in names
            if is_task and name in reported:
                why = f"a task of {TASKS} has no {name}"
                self.code.report("breaks", file, strings[0], why, reported[name])

    def _is_task(self, node: cst.BaseExpression, file: PythonFile) -> bool:
        return any(
            isinstance(each, Function) and each.info in self.code.tasks
            for each in self.code.values(node, file)
        )
