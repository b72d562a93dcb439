"""Functions that are tasks: their decorators, their options, and the argument ``self``."""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.celery_move.code import TASKS, CeleryCode, keyword, moves, source
from quartpatterns.porting.parameters import positional_names
from quartpatterns.porting.project import PythonFile
from quartpatterns.porting.values import FunctionInfo

__all__ = ["move_tasks"]

MAX_RETRIES = 3  # Celery's default
RETRY_DELAY = 180  # seconds, Celery's default
BACKOFF = "the time before a retry doubles each time, from about 1 s to 10 minutes"
DEFAULTS = {"retry_backoff_max": "600", "retry_jitter": "True"}


def move_tasks(code: CeleryCode, shared: str) -> None:
    """Change all tasks.

    Arguments:
        code: The code.
        shared: The name of the object that ``@shared_task`` becomes a method of.
    """
    for info, decorator in code.tasks.items():
        _MovedTask(code, info, decorator).move(shared)


class _MovedTask:
    def __init__(self, code: CeleryCode, info: FunctionInfo, decorator: cst.Decorator) -> None:
        self.code = code
        self.info = info
        self.file: PythonFile = info.file
        self.decorator = decorator
        self.node = decorator.decorator
        self.name = info.node.name.value
        self.retries = False
        self.delay = str(RETRY_DELAY)

    def move(self, shared: str) -> None:
        code, file = self.code, self.file
        bind = self._option("bind")
        delay = self._option("default_retry_delay")
        self.delay = source(delay, file) if delay is not None else self.delay
        if bind is not None and file.source(bind) == "True":
            self._unbind()
        options = self._options()
        function = self.node.func if isinstance(self.node, cst.Call) else self.node
        if code.is_shared(self.decorator, file):
            owner = shared
        else:
            owner = file.source(function).rpartition(".")[0]
        text = f"{owner}.task"
        code.replace(self.node, file, f"{text}({', '.join(options)})" if options else text)
        if self.info.node.asynchronous is None:
            code.edits[file].wrap(self.info.node, "async ")

    def _option(self, name: str) -> cst.BaseExpression | None:
        return keyword(self.node, name)

    def _options(self) -> list[str]:
        """Return the options of the task in quartpatterns.tasks."""
        found: dict[str, str] = {}
        known, dropped = moves()["options"], moves()["dropped_options"]["names"]
        reported = moves()["reported_options"]
        for arg in self.node.args if isinstance(self.node, cst.Call) else ():
            name = arg.keyword.value if arg.keyword is not None else ""
            text = source(arg.value, self.file)
            if name in known:
                if name == "time_limit" and "timeout" in found:
                    continue  # The soft limit comes first.
                found[known[name]] = text
            elif name == "base" or (name in dropped and self._changes_nothing(name, text)):
                continue
            elif name in dropped:
                self._report_option(arg, name)
            else:
                remedy = reported.get(name, "the page on tasks lists the options that exist")
                why = f"a task of {TASKS} has no option {name or text}"
                self.code.report("breaks", self.file, arg, why, remedy)
        backoff = self._option("retry_backoff")
        if "autoretry_for" in found and (backoff is None or source(backoff, self.file) == "False"):
            why = "an error starts the task again after about 1 s, and not after 3 minutes"
            self.code.report("differs", self.file, self.node, why, BACKOFF)
        if self._is_true("ignore_result"):
            found["keep_result"] = "0"
        if self.retries or "autoretry_for" in found:
            found["max_tries"] = self._max_tries()
        return [f"{name}={value}" for name, value in found.items()]

    def _is_true(self, name: str) -> bool:
        value = self._option(name)
        return value is not None and self.file.source(value) == "True"

    def _changes_nothing(self, name: str, text: str) -> bool:
        if name == "acks_late":
            return text == "True"
        if name == "serializer":
            return text.strip("\"'") == "json"
        if name == "retry_backoff":  # False is reported with autoretry_for.
            return text in ("True", "False")
        if name == "retry_kwargs":
            return isinstance(self._option("retry_kwargs"), cst.Dict) and "countdown" not in text
        return name not in DEFAULTS or text == DEFAULTS[name]

    def _report_option(self, arg: cst.Arg, name: str) -> None:
        remedies = {
            "acks_late": "a job stays in the queue until it has ended, and can run twice",
            "serializer": "arguments and results are JSON",
        }
        remedy = remedies.get(name, BACKOFF)
        kind = "breaks" if name == "serializer" else "differs"
        self.code.report(kind, self.file, arg, f"{TASKS} has no option {name}", remedy)

    def _max_tries(self) -> str:
        """Return how often the task is started: once more than Celery's number of retries."""
        value = self._option("max_retries")
        retry = self._option("retry_kwargs")
        if value is None and isinstance(retry, cst.Dict):
            for element in retry.elements:
                if isinstance(element, cst.DictElement):
                    if self.file.source(element.key).strip("\"'") == "max_retries":
                        value = element.value
        if value is None:
            return str(MAX_RETRIES + 1)
        text = source(value, self.file)
        if text == "None":
            self.code.report(
                "differs",
                self.file,
                value,
                "a task of quartpatterns.tasks is not started without end",
                "write how often it is started at most: max_tries",
            )
            return "1_000"
        return str(int(text) + 1) if text.isdigit() else f"{text} + 1"

    # The argument self of a bound task

    def _unbind(self) -> None:
        """Remove the parameter ``self``, and write what its attributes become."""
        code, file, function = self.code, self.file, self.info.node
        names = positional_names(function.params)
        if not names:
            return
        params = [*function.params.posonly_params, *function.params.params]
        start, end = file.spans[params[0]]
        following = [*params[1:], *function.params.kwonly_params]
        for star in (function.params.star_arg, function.params.star_kwarg):
            if isinstance(star, cst.Param | cst.ParamStar):
                following.append(star)  # type: ignore[arg-type]
        if following:
            end = min(file.spans[each][0] for each in following)
            stars = file.text[file.spans[params[0]][1] : end].decode()
            end -= len(stars) - len(stars.rstrip("*"))
        else:
            comma = file.text[end:].lstrip()[:1]
            if comma == b",":
                end = file.text.index(b",", end) + 1
        code.replace_span(start, end, file, "")
        for node in [*file.spans]:
            if isinstance(node, cst.Name) and node.value == names[0] and self._is_inside(node):
                if not code.is_covered(node, file):
                    self._self(node)

    def _is_inside(self, node: cst.Name) -> bool:
        inside = any(each is self.info.node.body for each in self.file.ancestors(node))
        return inside and not self.file.is_label(node)

    def _self(self, node: cst.Name) -> None:
        """Write what one use of ``self`` becomes."""
        file = self.file
        attribute = file.parents[node]
        if not isinstance(attribute, cst.Attribute):
            self._report_self(node, "pass what the function needs of it")
            return
        self.code.bound.add(attribute)
        name = attribute.attr.value
        outer = file.parents[attribute]
        call = outer if isinstance(outer, cst.Call) and outer.func is attribute else None
        if name == "request" and isinstance(outer, cst.Attribute):
            self._request(outer)
        elif name == "retry" and call is not None:
            self._retry(call)
        elif name == "update_state" and call is not None:
            self._update_state(call)
        elif name == "max_retries":
            self._write(attribute, "current_job.max_tries - 1")
        elif name in moves()["reported_tasks"] or name in ("app", "run"):
            self._report_self(attribute, moves()["reported_tasks"].get(name, "write what it needs"))
        else:  # delay(), apply_async(), s(), name: those of the task itself.
            self.code.replace(node, file, self.name)

    def _write(self, node: cst.BaseExpression, text: str) -> None:
        """Write an expression of the current job."""
        parent = self.file.parents[node]
        alone = isinstance(
            parent,
            cst.Arg
            | cst.Assign
            | cst.AnnAssign
            | cst.DictElement
            | cst.FormattedStringExpression
            | cst.Return,
        )
        self.code.replace(node, self.file, text if alone or " " not in text else f"({text})")
        self.code.want(self.file, f"from {TASKS} import current_job")

    def _report_self(self, node: cst.CSTNode, remedy: str) -> None:
        self.code.report("breaks", self.file, node, "a task has no parameter self", remedy)

    def _request(self, node: cst.Attribute) -> None:
        text = moves()["request"].get(node.attr.value)
        if text is None:
            remedy = "current_job has id, tries, max_tries and deliveries"
            self._report_self(node, remedy)
        else:
            self._write(node, text)

    def _update_state(self, call: cst.Call) -> None:
        """Write ``current_job.update_progress(meta)``."""
        plain = [arg.value for arg in call.args if arg.keyword is None]
        meta = keyword(call, "meta") or (plain[2] if len(plain) > 2 else None)
        state = keyword(call, "state") or (plain[1] if len(plain) > 1 else None)
        if meta is None:
            self._report_self(call, "write 'await current_job.update_progress(...)' with a value")
            return
        if state is not None and self.file.source(state).strip("\"'") != "PROGRESS":
            why = "the state of a job that has progress is 'PROGRESS'"
            remedy = "put the state into the value, and read it where result.info is read"
            self.code.report("differs", self.file, state, why, remedy)
        start, end = self.file.spans[call]
        self.code.replace_span(
            start, self.file.spans[meta][0], self.file, "current_job.update_progress("
        )
        self.code.replace_span(self.file.spans[meta][1], end, self.file, ")")
        self.code.want(self.file, f"from {TASKS} import current_job")

    def _retry(self, call: cst.Call) -> None:
        """Write ``raise Retry(countdown=...) from error``."""
        self.retries = True
        file = self.file
        known = ("exc", "countdown", "throw", "max_retries", "args", "kwargs", "eta")
        for arg in call.args:
            name = arg.keyword.value if arg.keyword is not None else ""
            if name not in ("exc", "countdown"):
                why = f"Retry() has no argument {name or file.source(arg.value)}"
                remedy = "write max_tries at the task, and countdown=... in Retry()"
                kind = "differs" if name in known else "breaks"
                self.code.report(kind, file, arg, why, remedy)
        countdown, error = keyword(call, "countdown"), keyword(call, "exc")
        start, end = file.spans[call]
        statement = file.parents[call]
        raised = isinstance(statement, cst.Raise)
        alone = isinstance(statement, cst.Expr)
        if not raised and not alone:
            self._report_self(call, "write 'raise Retry(countdown=...)'")
            return
        head = f"{'' if raised else 'raise '}Retry(countdown="
        tail = f") from {source(error, file)}" if error is not None else ")"
        if isinstance(statement, cst.Raise) and statement.cause is not None:
            tail = ")"
        if countdown is None:
            self.code.replace_span(start, end, file, f"{head}{self.delay}{tail}")
        else:  # What is in the argument changes on its own.
            first, last = file.spans[countdown]
            self.code.replace_span(start, first, file, head)
            self.code.replace_span(last, end, file, tail)
        self.code.want(file, f"from {TASKS} import Retry")
