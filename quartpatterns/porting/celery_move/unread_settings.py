"""Settings of Celery that quartpatterns.tasks does not read."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from quartpatterns.porting.celery_move.code import TASKS, CeleryCode, moves
from quartpatterns.porting.celery_move.settings import plain_setting
from quartpatterns.porting.project import PythonFile
from quartpatterns.porting.settings import name_of_setting

__all__ = ["report_unread"]


def report_unread(
    code: CeleryCode, values: Mapping[str, tuple[PythonFile, cst.BaseExpression]]
) -> None:
    """Report the settings whose effect is lost.

    Arguments:
        code: The code.
        values: What the code gives to the Celery application, by the names of the settings.
    """
    reported = moves()["reported_settings"]
    for plain, (file, value) in values.items():
        if plain in reported and plain != "beat_schedule" and not _changes_nothing(plain, value):
            why = f"{TASKS} does not read {plain}"
            code.report("differs", file, value, why, reported[plain])
    for file in code.project.files:
        for node in file.spans:
            plain = plain_setting(name_of_setting(node, file))
            if plain not in reported or plain == "beat_schedule" or code.is_covered(node, file):
                continue
            if _is_celerys(code, node, file) and not _changes_nothing(plain, _value(node, file)):
                why = f"{TASKS} does not read {plain}"
                code.report("differs", file, node, why, reported[plain])


def _is_celerys(code: CeleryCode, name: cst.CSTNode, file: PythonFile) -> bool:
    """Return whether a setting is Celery's: ``CELERY_ROUTES``, and no other ``routes``."""
    text = name_of_setting(name, file)
    if text.startswith(("task_", "worker_", "beat_", "broker_", "result_")):
        return True
    statement = code.statement(name, file)
    words = text + file.path.name + (file.source(statement) if statement else "")
    return "celery" in words.lower() and plain_setting(text) != "include"


def _value(name: cst.CSTNode, file: PythonFile) -> cst.CSTNode | None:
    """Return the value that *name*, a setting, gets, if it is next to it."""
    for ancestor in file.ancestors(name):
        if isinstance(ancestor, cst.Assign | cst.AnnAssign | cst.Arg | cst.DictElement):
            return ancestor.value
    return None


def _changes_nothing(plain: str, value: cst.CSTNode | None) -> bool:
    """Return whether quartpatterns.tasks does already what a setting asks for."""
    same = moves()["same_settings"].get(plain, ())
    text = value.evaluated_value if isinstance(value, cst.SimpleString) else None
    if isinstance(value, cst.Name):
        text = value.value
    return text in same
