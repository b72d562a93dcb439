"""The databases of a Flask application that is served in greenlets, and what stops the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import libcst as cst

from quartpatterns.porting.analysis import Analysis
from quartpatterns.porting.findings import blocking, finding
from quartpatterns.porting.project import PythonFile, SourceProject, imported_modules
from quartpatterns.porting.report import PortFinding

__all__ = ["Databases", "find_databases", "find_greenlet_problems"]

SOURCES = re.compile(r"(^|\.)(create_engine|scoped_session)$")
OF_SQLALCHEMY = re.compile(r"\b(flask_)?sqlalchemy\.")
DRIVERS = frozenset({"cx_Oracle", "MySQLdb", "mysql", "psycopg2", "pymysql", "pyodbc"})
LOCKS = frozenset(("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "local"))
REMEDY = "write its route for the application in asgi.py, or leave out --greenlets"


@dataclass(frozen=True)
class Databases:
    """What a project has for SQLAlchemy.

    Attributes:
        extension: Whether it uses Flask-SQLAlchemy.
        names: The engines and scoped sessions of modules: the module and the name.
        elsewhere: The calls that make others, which ``asgi.py`` cannot import.
    """

    extension: bool
    names: tuple[tuple[str, str], ...]
    elsewhere: tuple[tuple[PythonFile, cst.Call], ...]

    def __bool__(self) -> bool:
        return self.extension or bool(self.names or self.elsewhere)


def find_databases(project: SourceProject) -> Databases:
    """Return what the project has for SQLAlchemy, without its tests."""
    files = [file for file in project.files if not file.is_test]
    names: list[tuple[str, str]] = []
    elsewhere: list[tuple[PythonFile, cst.Call]] = []
    packages: set[str] = set()
    for file in files:
        modules = {module for node in file.spans for module in imported_modules(node)}
        imported = {module.partition(".")[0] for module in modules}
        packages |= imported
        if "sqlalchemy" not in imported:
            continue
        for node in file.spans:
            if isinstance(node, cst.Call) and SOURCES.search(file.source(node.func)):
                if name := _name_of(node, file):
                    names.append((file.module, name))
                else:
                    elsewhere.append((file, node))
    return Databases("flask_sqlalchemy" in packages, tuple(sorted(names)), tuple(elsewhere))


def _name_of(call: cst.Call, file: PythonFile) -> str | None:
    """Return the name that a module gives to what *call* returns."""
    parent = file.parents[call]
    if isinstance(parent, cst.Assign):
        target = parent.targets[0].target
    elif isinstance(parent, cst.AnnAssign):
        target = parent.target
    else:
        return None
    at_top = isinstance(file.parents[file.parents[parent]], cst.Module)
    return target.value if at_top and isinstance(target, cst.Name) else None


def find_greenlet_problems(analysis: Analysis, databases: Databases) -> list[PortFinding]:
    """Return the places that stop all requests, or behave in another way, in greenlets."""
    return [
        *_blocking(analysis),
        *_engines(databases),
        *_drivers(analysis.project),
        *_locks(analysis.project),
        *_asynchronous_views(analysis),
    ]


def _blocking(analysis: Analysis) -> Iterator[PortFinding]:
    """Yield calls that wait or run an event loop, except those of SQLAlchemy."""
    for found, call in blocking(analysis):
        if not OF_SQLALCHEMY.search(call):
            yield replace(found, remedy=REMEDY)


def _engines(databases: Databases) -> Iterator[PortFinding]:
    for file, call in databases.elsewhere:
        yield finding(
            "blocks",
            file,
            call,
            "asgi.py does not know what this makes, so its database stops the event loop",
            "pass it to async_drivers() in asgi.py",
        )


def _drivers(project: SourceProject) -> Iterator[PortFinding]:
    """Yield imports of drivers, whose errors and connections are others in greenlets."""
    for file in project.files:
        if file.is_test:
            continue
        for node in file.spans:
            if any(each.partition(".")[0] in DRIVERS for each in imported_modules(node)):
                yield finding(
                    "differs",
                    file,
                    node,
                    "in requests, errors ('error.orig') and connections are of the asynchronous"
                    " driver",
                    "use errors of SQLAlchemy, such as IntegrityError",
                )


def _locks(project: SourceProject) -> Iterator[PortFinding]:
    """Yield locks and variables of threads, as all requests share one."""
    for file in project.files:
        if file.is_test:
            continue
        for node in file.spans:
            if not isinstance(node, cst.Call):
                continue
            module, _, name = file.full_name(node.func).rpartition(".")
            if module != "threading" or name not in LOCKS:
                continue
            if name == "local":
                why = "all requests run in one thread, and share what this contains"
                remedy = "use flask.g, or contextvars.ContextVar"
            else:
                why = "a request that waits for it while another one holds it waits for ever"
                remedy = "hold it for no call that waits, such as a query"
            yield finding("differs", file, node, why, remedy)


def _asynchronous_views(analysis: Analysis) -> Iterator[PortFinding]:
    for info in analysis.functions.values():
        if info.view and info.node.asynchronous is not None and not info.file.is_test:
            yield finding(
                "breaks",
                info.file,
                info.node,
                "Flask cannot run an asynchronous view, hook or error handler on the event loop",
                "remove 'async', or write a view for the application in asgi.py",
            )
