"""Move the tasks of a project from Celery to ``quartpatterns.tasks``.

The text of the project is changed before the analysis: its functions and calls become those of
``quartpatterns.tasks``, whose rules say what has to be awaited. All tasks move, or none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import libcst as cst

from quartpatterns.porting.celery_move.blockers import find_blockers
from quartpatterns.porting.celery_move.calls import move_calls, report_names
from quartpatterns.porting.celery_move.code import CeleryCode, imports_celery, uses_celery
from quartpatterns.porting.celery_move.connection import NAMES, TasksConnection
from quartpatterns.porting.celery_move.eager import move_eager_tests
from quartpatterns.porting.celery_move.schedule import move_schedule
from quartpatterns.porting.celery_move.settings import NotMovableError
from quartpatterns.porting.celery_move.tasks import move_tasks
from quartpatterns.porting.findings import finding
from quartpatterns.porting.project import PythonFile, SourceProject
from quartpatterns.porting.report import MadeAsync, PortFinding
from quartpatterns.porting.rules import Rules

__all__ = ["CeleryMove", "move_celery"]

STAYS = "the documentation has a page on Celery: move the tasks by hand, or keep Celery"


@dataclass
class CeleryMove:
    """What the move changes.

    Attributes:
        texts: The new text of each file that changes.
        findings: What is left to a person.
        made_async: The tasks.
    """

    texts: dict[str, bytes] = field(default_factory=dict[str, bytes])
    findings: list[PortFinding] = field(default_factory=list[PortFinding])
    made_async: list[MadeAsync] = field(default_factory=list[MadeAsync])


def move_celery(project: SourceProject, rules: Rules) -> CeleryMove:
    """Return the project with its tasks in ``quartpatterns.tasks``, if all of them can move."""
    files = [file for file in project.files if not file.is_test and uses_celery(file)]
    if not files:
        return CeleryMove()
    code = CeleryCode(project, rules)
    if not code.tasks and not code.creations:
        report_names(code)  # They were left to a person before.
        return CeleryMove(findings=code.findings)
    if blockers := [*find_blockers(code)]:
        return CeleryMove(
            findings=[
                finding("differs", each.file, each.node, f"Celery stays: {each.why}", STAYS)
                for each in blockers
            ]
        )
    try:
        return _moved(code)
    except NotMovableError as error:
        place = next(node for node in files[0].spans if imports_celery(node))
        why = f"Celery stays: {error}"
        return CeleryMove(findings=[finding("differs", files[0], place, why, STAYS)])


def _moved(code: CeleryCode) -> CeleryMove:
    connection = TasksConnection(code)
    module, texts = "", dict[str, bytes]()
    users = {info.file for info in code.tasks} | {connection.file}
    if connection.needs_shared:
        connection.shared = _free_name(users, code.project)
        if len(users) > 1 or connection.in_place is None:
            name, module = _new_module(connection.file, code.project)
            texts[name] = (
                f"from quartpatterns.tasks import Tasks\n\n{connection.shared} = Tasks()\n"
            ).encode()
        else:
            code.want(connection.file, "from quartpatterns.tasks import Tasks")
            code.add_line(connection.file, f"{connection.shared} = Tasks()")
    move_schedule(code, connection.shared)
    move_eager_tests(code)
    connection.discard()
    move_tasks(code, connection.shared)
    connection.write(module)
    if connection.shared:
        for file in users:
            connection.import_shared(file)
    move_calls(code)
    made = [
        MadeAsync(info.file.name, info.file.line(info.node), info.name, "a worker awaits it")
        for info in code.tasks
        if info.node.asynchronous is None
    ]
    return CeleryMove(texts | code.texts(), code.findings, made)


def _free_name(files: Iterable[PythonFile], project: SourceProject) -> str:
    """Return a name for the ``Tasks`` object that neither these files nor any module has."""
    used = {node.value for file in files for node in file.spans if isinstance(node, cst.Name)}
    used |= {module.rpartition(".")[2] for module in project.modules}
    return next(name for name in NAMES if name not in used)


def _new_module(file: PythonFile, project: SourceProject) -> tuple[str, str]:
    """Return the file and the name of a new module next to *file*."""
    folder = PurePosixPath(file.name).parent
    package = file.module if file.is_package else file.module.rpartition(".")[0]
    for name in ("background", "background_tasks", "tasks_of_project"):
        module = f"{package}.{name}" if package else name
        if module not in project.modules:
            return (folder / f"{name}.py").as_posix(), module
    raise NotMovableError("the project has modules with all names for a new one")
