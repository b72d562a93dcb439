"""Tests that let Celery run its tasks in place: ``celery.conf.task_always_eager = True``.

They get a fixture that does so with ``quartpatterns.tasks``. It holds for all tests of the file, as
Celery's setting does for all tests that follow.
"""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.celery_move.code import CELERY, CeleryCode
from quartpatterns.porting.celery_move.settings import APPLICATION, plain_setting
from quartpatterns.porting.project import PythonFile
from quartpatterns.porting.values import Instance

__all__ = ["move_eager_tests"]

OF_TESTS = frozenset(
    {
        "task_always_eager",
        "task_eager_propagates",
        "task_store_eager_result",
        "eager_propagates_exceptions",
        "broker_url",
        "result_backend",
    }
)
NAME = "run_jobs_eagerly"


def move_eager_tests(code: CeleryCode) -> None:
    """Replace the settings of Celery in tests by a fixture, where an application is known."""
    files: dict[PythonFile, list[cst.SimpleStatementLine]] = {}
    eager: dict[PythonFile, cst.SimpleStatementLine] = {}
    for node, file in code.nodes(cst.Attribute):
        if not file.is_test or node.attr.value != "conf":
            continue
        if CELERY not in code.types(node.value, file):
            continue
        statement = code.statement(node, file)
        settings = _settings(statement, node, file) if statement is not None else {}
        if statement is None or not settings or not settings.keys() <= OF_TESTS:
            continue
        files.setdefault(file, []).append(statement)
        if settings.get("task_always_eager", "False") != "False":
            eager.setdefault(file, statement)
    for file, statement in eager.items():
        if not (app := _application(code, file)):
            continue
        why = "a failed job fails the test, and a job runs when the request has ended"
        remedy = "read the result of a job that is expected to fail"
        code.report("differs", file, statement, why, remedy)
        for each in dict.fromkeys(files[file]):
            code.remove(each, file)
        parameter, name = app
        code.want(file, "import pytest")
        code.want(file, "from quartpatterns.tasks.testing import eager_tasks")
        newline = file.tree.default_newline
        code.add_line(
            file,
            newline
            + newline.join(
                [
                    "@pytest.fixture(autouse=True)",
                    f"def {NAME}({parameter}):",
                    f"    with eager_tasks({name}):",
                    "        yield",
                ]
            ),
        )


def _settings(
    statement: cst.SimpleStatementLine, conf: cst.Attribute, file: PythonFile
) -> dict[str, str]:
    """Return what a statement sets, or nothing if it does something else."""
    small = statement.body[0]
    if isinstance(small, cst.Assign):
        target = small.targets[0].target
        if isinstance(target, cst.Attribute) and target.value is conf:
            return {plain_setting(target.attr.value): file.source(small.value)}
        if isinstance(target, cst.Subscript) and target.value is conf:
            name = file.source(target.slice[0]).strip("\"'")
            return {plain_setting(name): file.source(small.value)}
    elif isinstance(small, cst.Expr) and isinstance(call := small.value, cst.Call):
        function = call.func
        if isinstance(function, cst.Attribute) and function.value is conf:
            if all(arg.keyword is not None for arg in call.args):
                return {
                    plain_setting(arg.keyword.value): file.source(arg.value)
                    for arg in call.args
                    if arg.keyword is not None
                }
    return {}


def _application(code: CeleryCode, file: PythonFile) -> tuple[str, str] | None:
    """Return the parameter and the name of the application of the tests in a file."""
    evaluator = code.evaluator
    fixtures: list[str] = []
    for info in evaluator.result.functions.values():
        if not info.fixture:
            continue
        kind = "yield" if info.generator else "return"
        if Instance(APPLICATION) in evaluator.flow.read((info, kind)):
            folder = info.file.name.rpartition("/")[0]
            shared = info.file.path.name == "conftest.py" and file.name.startswith(folder)
            if info.file is file or shared:
                fixtures.append(info.node.name.value)
    if fixtures:
        name = "app" if "app" in fixtures else fixtures[0]
        return name, name
    scope = evaluator.scopes[file.tree]
    for name in sorted(scope.names):
        if Instance(APPLICATION) in evaluator.flow.read((scope, name)):
            return "", name
    return None
