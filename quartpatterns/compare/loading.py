"""Find an application by the name people give servers: ``module:app`` or ``module:factory()``."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, Literal

__all__ = ["LoadError", "interface", "load"]

Application = Callable[..., Any]
USUAL_NAMES = ("app", "application", "create_app", "make_app")


class LoadError(Exception):
    """An application can't be had by its name; the message says what was found instead."""


def interface(app: Application) -> Literal["asgi", "wsgi"]:
    """Whether *app* is called as ASGI or as WSGI."""
    call = app if inspect.isroutine(app) else type(app).__call__
    return "asgi" if inspect.iscoroutinefunction(call) else "wsgi"


def load(name: str, config: Mapping[str, Any] | None = None) -> Application:
    """The WSGI or ASGI application called *name*.

    Arguments:
        name: ``module:app``, ``module:factory``, ``module:factory("dev", debug=True)`` with
            literal arguments, or ``module`` alone for the usual names (``app``, ``application``,
            ``create_app``, ``make_app``). The current folder is searched for the module first.
        config: Where it is given, the name must be that of a factory without arguments, and
            this is its one argument.

    Raises:
        LoadError: No such module or name, a broken import, or not an application.
    """
    module_name, _, expression = name.partition(":")
    module = _module(module_name)
    expression = expression or _usual_name(module_name, module)
    attribute, arguments, keywords = _parse(name, expression)
    found = _attribute(module_name, module, attribute)
    if config is not None:
        arguments, keywords = [dict(config)], {}
    if arguments is None and not _is_factory(found):
        app = found
    else:
        app = _make(name, found, arguments or [], keywords)
    if not callable(app):
        raise LoadError(f"{name} is no application but {type(app).__name__} {app!r:.60}")
    return app  # type: ignore[no-any-return]  # callable, and nothing more is known


def _module(name: str) -> Any:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            here = sorted(entry[:-3] for entry in os.listdir() if entry.endswith(".py"))
            beside = f"; in this folder there is {', '.join(here)}" if here else ""
            raise LoadError(f"no module {name!r}{beside}") from error
        raise LoadError(f"module {name!r} needs {error.name!r}, which is not installed") from error
    except Exception as error:  # whatever a user's module raises while it is imported
        raise LoadError(f"importing {name!r} failed: {type(error).__name__}: {error}") from error


def _usual_name(module_name: str, module: Any) -> str:
    for usual in USUAL_NAMES:
        if hasattr(module, usual):
            return usual
    raise LoadError(
        f"module {module_name!r} has none of {', '.join(USUAL_NAMES)}; {_candidates(module)}"
    )


def _candidates(module: Any) -> str:
    """What *module* has of its own functions and applications, for a message.

    Only the types of the values are looked at: proxies such as ``request`` raise otherwise.
    """
    names = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (
            (type(value) is FunctionType and value.__module__ == module.__name__)
            or hasattr(type(value), "add_url_rule")
        )
    ]
    return f"it has {', '.join(names)}" if names else "it has no function and no application"


def _parse(name: str, expression: str) -> tuple[str, list[Any] | None, dict[str, Any]]:
    try:
        node = ast.parse(expression, mode="eval").body
        if isinstance(node, ast.Call):
            arguments = [ast.literal_eval(argument) for argument in node.args]
            keywords = {str(key.arg): ast.literal_eval(key.value) for key in node.keywords}
            return ast.unparse(node.func), arguments, keywords
        if isinstance(node, ast.Name | ast.Attribute):
            return expression, None, {}
    except (SyntaxError, ValueError):
        pass
    raise LoadError(f"{name!r} is not MODULE:APP, MODULE:FACTORY or MODULE:FACTORY(literals)")


def _attribute(module_name: str, module: Any, attribute: str) -> Any:
    found = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise LoadError(
                f"module {module_name!r} has no {attribute!r}; {_candidates(module)}"
            ) from None
    return found


def _is_factory(found: Any) -> bool:
    """A function that can be called with nothing makes an application; it is none itself."""
    if not inspect.isroutine(found):
        return False
    try:
        inspect.signature(found).bind()
    except TypeError:
        return False
    return True


def _make(name: str, factory: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    try:
        app = factory(*arguments, **keywords)
    except Exception as error:  # whatever a user's factory raises
        raise LoadError(f"{name} failed: {type(error).__name__}: {error}") from error
    if inspect.iscoroutine(app):
        app.close()
        raise LoadError(f"{name} is an async factory: make it a plain function")
    return app
