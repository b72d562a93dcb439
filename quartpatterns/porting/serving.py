"""The file that runs an unchanged Flask application under an ASGI server."""

from __future__ import annotations

from pathlib import PurePosixPath

import libcst as cst

from quartpatterns.porting.greenlet_serving import Databases
from quartpatterns.porting.project import PortError, PythonFile, SourceProject
from quartpatterns.porting.report import FoundApplication

__all__ = ["NO_APPLICATION", "asgi_file", "find_applications"]

RESERVED = ("app", "databases", "flask_app", "create_app", "make_app")
NO_APPLICATION = "no Flask application and no function create_app() was found"

TEXT = '''\
"""Run the Flask application under an ASGI server, such as Hypercorn: ``hypercorn asgi:app``."""

{helpers}

{imports}

# Write new routes for this application. Flask answers all other requests, as before.
app = FaithfulQuart(__name__, static_folder=None)
app.asgi_app = RouteDispatcher(app, {middleware}(flask_app.wsgi_app))
{rest}'''
THREADS = """\
from quartpatterns.appdispatch import RouteDispatcher, WSGIMiddleware
from quartpatterns.subclassing import FaithfulQuart"""
GREENLETS = """\
from quartpatterns.appdispatch import GreenletWSGIMiddleware, RouteDispatcher
from quartpatterns.sqlalchemy import async_drivers
from quartpatterns.subclassing import FaithfulQuart"""
DATABASES = '''

@app.while_serving
async def databases():
    """Let requests to Flask wait for databases without stopping others."""
    async with async_drivers({sources}):
        yield
'''


def asgi_file(project: SourceProject, databases: Databases | None = None) -> dict[str, bytes]:
    """Return ``asgi.py``, which serves the project's Flask application.

    Arguments:
        project: The project.
        databases: What it has for SQLAlchemy, to serve it in greenlets; ``None`` for threads.

    Raises:
        PortError: There is no application, or several. Or there is an ``asgi.py`` for threads that
            has been changed, or that this package has not written.
    """
    path = project.folder / "asgi.py"
    if path.exists() and databases is None:
        return {}
    old = path.read_bytes() if path.exists() else b""
    if b"GreenletWSGIMiddleware" in old:
        return {}
    application = _application(project)
    if old not in (b"", _text(application, None)):
        raise PortError(
            "there is an asgi.py already: use GreenletWSGIMiddleware and async_drivers() in it, or"
            " remove it"
        )
    return {"asgi.py": _text(application, databases)}


def _application(project: SourceProject) -> str:
    """Return the name of the only application."""
    found = find_applications(project)
    if not found:
        raise PortError(NO_APPLICATION)
    if len(found) > 1:
        places = ", ".join(each.name for each in found)
        raise PortError(f"there are several applications ({places}): write asgi.py yourself")
    return found[0].name


def _text(application: str, databases: Databases | None) -> bytes:
    module, _, name = application.partition(":")
    function = name.removesuffix("()")
    own = function if name.endswith("()") else f"{name} as flask_app"
    imports = [f"from {module} import {own}"]
    if databases is None:
        helpers, middleware, rest = THREADS, "WSGIMiddleware", ""
    else:
        helpers, middleware = GREENLETS, "GreenletWSGIMiddleware"
        sources = ["flask_app"] if databases.extension else []
        imported: dict[str, list[str]] = {}
        for source_module, source in databases.names:
            taken = source in (*sources, *RESERVED)
            sources.append(f"{source}_{len(sources)}" if taken else source)
            alias = f" as {sources[-1]}" if taken else ""
            imported.setdefault(source_module, []).append(f"{source}{alias}")
        imports += [f"from {each} import {', '.join(imported[each])}" for each in imported]
        rest = DATABASES.format(sources=", ".join(sources))
    if name.endswith("()"):
        imports.append(f"\nflask_app = {name}")
    return TEXT.format(
        helpers=helpers, imports="\n".join(imports), middleware=middleware, rest=rest
    ).encode()


def find_applications(project: SourceProject) -> list[FoundApplication]:
    """Return the applications and factories at the top of modules, without those of tests."""
    found = [
        FoundApplication(f"{file.module}:{name}", _import_folder(file))
        for file in project.files
        if not file.is_test
        for name in _applications(file)
    ]
    return [*dict.fromkeys(found)]


def _import_folder(file: PythonFile) -> str:
    """Return the folder from which the module is imported, relative to the project."""
    depth = file.module.count(".") + (2 if file.is_package else 1)
    parts = PurePosixPath(file.name).parts
    # If the folder of the project is a package, its parent is the folder.
    return "/".join(parts[:-depth]) or "." if len(parts) >= depth else ".."


def _applications(file: PythonFile) -> list[str]:
    """Return the names of applications and factories at the top of a module."""
    found: list[str] = []
    for statement in file.tree.body:
        if isinstance(statement, cst.FunctionDef):
            required = [
                each
                for each in (*statement.params.params, *statement.params.kwonly_params)
                if each.default is None
            ]
            if statement.name.value in ("create_app", "make_app") and not required:
                found.append(f"{statement.name.value}()")
        elif isinstance(statement, cst.SimpleStatementLine):
            for part in statement.body:
                if isinstance(part, cst.Assign | cst.AnnAssign) and isinstance(
                    part.value, cst.Call
                ):
                    target = part.targets[0].target if isinstance(part, cst.Assign) else part.target
                    text = file.source(part.value.func)
                    if isinstance(target, cst.Name) and text in ("Flask", "flask.Flask"):
                        found.append(target.value)
    return found
