"""The file that runs an unchanged Flask application under an ASGI server."""

from __future__ import annotations

from pathlib import PurePosixPath

import libcst as cst

from quartpatterns.porting.project import PortError, PythonFile, SourceProject
from quartpatterns.porting.report import FoundApplication
from quartpatterns.porting.rules import Rules

__all__ = ["NO_APPLICATION", "asgi_file", "find_applications"]

NO_APPLICATION = "no Flask application and no function create_app() was found"

TEXT = '''\
"""Run the Flask application under an ASGI server, such as Hypercorn: ``hypercorn asgi:app``."""

from quartpatterns.appdispatch import RouteDispatcher, WSGIMiddleware
from quartpatterns.subclassing import FaithfulQuart

{imports}

# Write new routes for this application. Flask answers all other requests, as before.
app = FaithfulQuart(__name__, static_folder=None)
app.asgi_app = RouteDispatcher(app, WSGIMiddleware(flask_app.wsgi_app))
'''


def asgi_file(project: SourceProject, rules: Rules) -> dict[str, bytes]:
    """Return ``asgi.py``, which serves the project's Flask application in threads.

    Raises:
        PortError: There is no application, or several.
    """
    if (project.folder / "asgi.py").exists():
        return {}
    found = find_applications(project)
    if not found:
        raise PortError(NO_APPLICATION)
    if len(found) > 1:
        places = ", ".join(each.name for each in found)
        raise PortError(f"there are several applications ({places}): write asgi.py yourself")
    module, _, name = found[0].name.partition(":")
    if name.endswith("()"):
        function = name.removesuffix("()")
        imports = f"from {module} import {function}\n\nflask_app = {function}()"
    else:
        imports = f"from {module} import {name} as flask_app"
    return {"asgi.py": TEXT.format(imports=imports).encode()}


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
