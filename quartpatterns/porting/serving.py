"""The file that runs an unchanged Flask application under an ASGI server."""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.project import PortError, PythonFile, SourceProject
from quartpatterns.porting.rules import Rules

__all__ = ["asgi_file"]

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
    found = [each for file in project.files if not file.is_test for each in _applications(file)]
    if not found:
        raise PortError("no Flask application and no function create_app() was found")
    names = dict.fromkeys(found)
    if len(names) > 1:
        places = ", ".join(f"{module}:{name}" for module, name in names)
        raise PortError(f"there are several applications ({places}): write asgi.py yourself")
    module, name = next(iter(names))
    if name.endswith("()"):
        function = name.removesuffix("()")
        imports = f"from {module} import {function}\n\nflask_app = {function}()"
    else:
        imports = f"from {module} import {name} as flask_app"
    return {"asgi.py": TEXT.format(imports=imports).encode()}


def _applications(file: PythonFile) -> list[tuple[str, str]]:
    """Return the names of applications and factories at the top of a module."""
    found: list[tuple[str, str]] = []
    for statement in file.tree.body:
        if isinstance(statement, cst.FunctionDef):
            required = [
                each
                for each in (*statement.params.params, *statement.params.kwonly_params)
                if each.default is None
            ]
            if statement.name.value in ("create_app", "make_app") and not required:
                found.append((file.module, f"{statement.name.value}()"))
        elif isinstance(statement, cst.SimpleStatementLine):
            for part in statement.body:
                if isinstance(part, cst.Assign | cst.AnnAssign) and isinstance(
                    part.value, cst.Call
                ):
                    target = part.targets[0].target if isinstance(part, cst.Assign) else part.target
                    text = file.source(part.value.func)
                    if isinstance(target, cst.Name) and text in ("Flask", "flask.Flask"):
                        found.append((file.module, target.value))
    return found
