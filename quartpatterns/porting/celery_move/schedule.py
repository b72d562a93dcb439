"""Celery's schedule: its entries become ``tasks.cron(...)`` below the tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from quartpatterns.porting.celery_move.blockers import task_names
from quartpatterns.porting.celery_move.code import CeleryCode, moves
from quartpatterns.porting.celery_move.settings import plain_setting
from quartpatterns.porting.project import PythonFile
from quartpatterns.porting.settings import name_of_setting
from quartpatterns.porting.text_edits import end_of_line
from quartpatterns.porting.values import FunctionInfo

__all__ = ["move_schedule"]

# The arguments of crontab(): what they become, and their ranges.
FIELDS = {
    "minute": ("minute", 0, 59),
    "hour": ("hour", 0, 23),
    "day_of_week": ("weekday", 0, 6),
    "day_of_month": ("day", 1, 31),
    "month_of_year": ("month", 1, 12),
}
ORDER = ("month", "day", "weekday", "hour", "minute", "second")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
PART = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")
UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800}


def move_schedule(code: CeleryCode, shared: str) -> None:
    """Write the entries of ``beat_schedule`` as calls of ``tasks.cron()``."""
    tasks = task_names(code)
    done: set[FunctionInfo] = set()
    for schedule, file in [*_schedules(code)]:
        whole = True
        why = "the times are in the time zone of the worker, and Celery's are in UTC by default"
        code.report("differs", file, schedule, why, "set the environment variable TZ of the worker")
        for element in schedule.elements:
            whole &= _move(code, element, file, tasks, shared, done)
        if whole:
            _remove(code, schedule, file)


def _schedules(code: CeleryCode) -> Iterator[tuple[cst.Dict, PythonFile]]:
    """Yield the dictionaries of schedules, which are settings or attributes of ``celery.conf``."""
    for node, file in code.nodes(cst.Dict, tests=False):
        parent = file.parents[node]
        if isinstance(parent, cst.Assign):
            target = parent.targets[0].target
            name = name_of_setting(target, file)
            if isinstance(target, cst.Attribute):
                name = target.attr.value
            elif isinstance(target, cst.Subscript):
                name = file.source(target.slice[0]).strip("\"'")
        elif isinstance(parent, cst.DictElement):
            name = file.source(parent.key).strip("\"'")
        elif isinstance(parent, cst.Arg) and parent.keyword is not None:
            name = parent.keyword.value
        else:
            continue
        if plain_setting(name) == "beat_schedule":
            yield node, file


def _remove(code: CeleryCode, schedule: cst.Dict, file: PythonFile) -> None:
    statement = code.statement(schedule, file)
    if isinstance(file.parents[schedule], cst.Assign) and statement is not None:
        code.remove(statement, file)
    else:
        code.replace(schedule, file, "{}")


def _move(
    code: CeleryCode,
    element: cst.BaseDictElement,
    file: PythonFile,
    tasks: dict[str, FunctionInfo],
    shared: str,
    done: set[FunctionInfo],
) -> bool:
    """Write one entry below its task. Return whether nothing is left to do."""
    remedy = moves()["reported_settings"]["beat_schedule"]
    entry = element.value
    keys = {
        file.source(each.key).strip("\"'"): each.value
        for each in (entry.elements if isinstance(entry, cst.Dict) else ())
        if isinstance(each, cst.DictElement)
    }
    name, schedule = keys.get("task"), keys.get("schedule")
    info = tasks.get(str(name.evaluated_value)) if isinstance(name, cst.SimpleString) else None
    if info is None or schedule is None:
        code.report("breaks", file, element, "the task of this entry is not found", remedy)
        return False
    if any(key in keys and not _is_empty(keys[key]) for key in ("args", "kwargs")):
        why = "a task that runs at fixed times takes no arguments"
        code.report("breaks", file, element, why, f"{remedy}: one that calls it with them")
        return False
    times = _times(code, schedule, file)
    if times is None:
        why = "tasks.cron() has no such times"
        code.report(
            "breaks", file, element, why, "write times that divide a minute, an hour or a day"
        )
        return False
    if "options" in keys:
        why = "tasks.cron() has no options"
        code.report("differs", file, element, why, "write them at the task")
    function = code.tasks[info].decorator
    function = function.func if isinstance(function, cst.Call) else function
    owner = shared
    if isinstance(function, cst.Attribute):
        owner = info.file.source(function.value)
    task = info.node.name.value
    arguments = ", ".join([task, *(f"{each}={times[each]}" for each in ORDER if each in times)])
    start = info.file.spans[info.node][0]
    indent = info.file.text[info.file.text.rfind(b"\n", 0, start) + 1 : start].decode()
    newline = info.file.tree.default_newline
    end = end_of_line(info.node, info.file)
    blank = newline if info not in done else ""
    done.add(info)
    code.insert_line(end, info.file, f"{newline}{blank}{indent}{owner}.cron({arguments})")
    return True


def _is_empty(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Tuple | cst.List | cst.Dict) and not node.elements


def _times(
    code: CeleryCode, schedule: cst.BaseExpression, file: PythonFile
) -> dict[str, str] | None:
    """Return the arguments of ``tasks.cron()``, or None if it has none for these times."""
    if isinstance(schedule, cst.Integer | cst.Float):
        return _every(float(file.source(schedule)))
    if not isinstance(schedule, cst.Call):
        return None
    names = {name.rpartition(".")[2] for name in code.names(schedule.func, file)}
    if "crontab" in names:
        return _crontab(schedule, file)
    if "timedelta" in names:
        seconds = 0.0
        for arg in schedule.args:
            unit = UNITS.get(arg.keyword.value if arg.keyword else "")
            if unit is None or not isinstance(arg.value, cst.Integer | cst.Float):
                return None
            seconds += unit * float(file.source(arg.value))
        return _every(seconds)
    return None


def _every(seconds: float) -> dict[str, str] | None:
    """Return the times of an interval that divides a minute, an hour or a day."""
    if seconds < 1 or seconds != int(seconds):
        return None
    number = int(seconds)
    if 60 % number == 0:
        return {} if number == 60 else {"second": _numbers(range(0, 60, number))}
    if number % 60 == 0 and 60 % (number // 60) == 0:
        return {"minute": _numbers(range(0, 60, number // 60))}
    if number % 3600 == 0 and 24 % (number // 3600) == 0:
        return {"hour": _numbers(range(0, 24, number // 3600)), "minute": "0"}
    return None


def _numbers(values: range | set[int]) -> str:
    numbers = sorted(values)
    return str(numbers[0]) if len(numbers) == 1 else f"{{{', '.join(map(str, numbers))}}}"


def _crontab(call: cst.Call, file: PythonFile) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for position, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword is not None else [*FIELDS][position]
        if name not in FIELDS:
            return None
        if isinstance(arg.value, cst.Integer):
            text = file.source(arg.value)
        elif isinstance(arg.value, cst.SimpleString):
            text = str(arg.value.evaluated_value)
        else:
            return None
        field, first, last = FIELDS[name]
        if text == "*":
            continue
        values = _parsed(text, field, first, last)
        if values is None:
            return None
        found[field] = _numbers(values)
    return found


def _parsed(text: str, field: str, first: int, last: int) -> set[int] | None:
    """Return the numbers of ``*/15``, ``1-5`` or ``mon,fri``. Celery's Sunday is 0, Python's 6."""

    def number(word: str) -> int:
        if word[:3].lower() in DAYS:
            return DAYS.index(word[:3].lower())
        return int(word)

    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        match = PART.fullmatch(part)
        if match is None:
            return None
        low, high, step = match.groups()
        try:
            if low == "*":
                start, end = first, last
            else:
                start = number(low)
                end = number(high) if high else (last if step else start)
        except ValueError:
            return None
        if not first <= start <= end <= max(last, 7 if field == "weekday" else last):
            return None
        found.update(range(start, end + 1, int(step or 1)))
    return {(each - 1) % 7 for each in found} if field == "weekday" else found
