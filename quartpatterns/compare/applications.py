"""Load an application by the name that servers take: ``module:app`` or ``module:factory()``."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any, Literal

from quartpatterns._shared.suggestions import did_you_mean

Application = Callable[..., Any]
USUAL_NAMES = ("app", "application", "create_app", "make_app")


class ApplicationLoadError(Exception):
    """An application cannot be loaded by its name; the message says what was found instead."""


def interface(app: Application) -> Literal["asgi", "wsgi"]:
    """Return the interface of *app*: an ASGI application is a coroutine function."""
    call = app if inspect.isroutine(app) else type(app).__call__
    return "asgi" if inspect.iscoroutinefunction(call) else "wsgi"


def load_application(name: str, config: Mapping[str, Any] | None = None) -> Application:
    """Return the WSGI or ASGI application called *name*.

    Arguments:
        name: ``module:app``, ``module:factory``, ``module:factory("dev", debug=True)`` with
            literal arguments, or ``module`` alone for the usual names (``app``, ``application``,
            ``create_app``, ``make_app``). The module is searched in the current folder first.
        config: The only argument of the factory. The name must then be that of a factory.

    Raises:
        ApplicationLoadError: The module or the name is missing, the import or the factory
            fails, or the value is not an application.
    """
    module_name, _, expression = name.partition(":")
    module = _import(module_name)
    expression = expression or _usual_name(module)
    attribute, arguments, keywords = _parse(name, expression)
    value = _attribute(module, attribute)
    if config is not None:
        arguments, keywords = [dict(config)], {}
    if arguments is not None or _is_factory(value):
        value = _call(name, value, arguments or [], keywords)
    if not callable(value):
        raise ApplicationLoadError(
            f"{name} is not an application but {type(value).__name__} {value!r:.60}"
        )
    return value  # type: ignore[no-any-return]  # callable, and nothing more is known


def _import(name: str) -> Any:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            modules = sorted(_modules(os.getcwd()))
            listed = f"; this folder has {', '.join(modules)}" if modules else ""
            hint = did_you_mean(name, modules, before="; ")
            raise ApplicationLoadError(f"no module {name!r}{listed}{hint}") from error
        raise ApplicationLoadError(
            f"module {name!r} needs {error.name!r}, which is not installed"
        ) from error
    except Exception as error:  # the user's module can raise anything
        raise ApplicationLoadError(
            f"importing {name!r} failed: {type(error).__name__}: {error}"
        ) from error


def _modules(folder: str) -> Iterator[str]:
    """Yield the names of the modules and packages in *folder*."""
    for entry in os.scandir(folder):
        if entry.name.endswith(".py"):
            yield entry.name[:-3]
        elif entry.is_dir() and os.path.exists(os.path.join(entry.path, "__init__.py")):
            yield entry.name


def _usual_name(module: Any) -> str:
    for usual in USUAL_NAMES:
        if hasattr(module, usual):
            return usual
    raise ApplicationLoadError(
        f"module {module.__name__!r} has none of {', '.join(USUAL_NAMES)}; {_candidates(module)}"
    )


def _candidates(module: Any) -> str:
    """Describe the functions and applications of *module*, for an error message.

    Only the types of the values are inspected: proxies such as ``request`` raise otherwise.
    """
    names = _functions_and_applications(module)
    return f"it has {', '.join(names)}" if names else "it has no function and no application"


def _functions_and_applications(module: Any) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (
            (type(value) is FunctionType and value.__module__ == module.__name__)
            or hasattr(type(value), "add_url_rule")
        )
    ]


def _parse(name: str, expression: str) -> tuple[str, list[Any] | None, dict[str, Any]]:
    """Return the attribute and the arguments of a call; no list of arguments if it is no call."""
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
    raise ApplicationLoadError(
        f"{name!r} is not MODULE:APP, MODULE:FACTORY or MODULE:FACTORY(literals)"
    )


def _attribute(module: Any, attribute: str) -> Any:
    value = module
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            hint = did_you_mean(attribute, _functions_and_applications(module), before="; ")
            raise ApplicationLoadError(
                f"module {module.__name__!r} has no {attribute!r}; {_candidates(module)}{hint}"
            ) from None
    return value


def _is_factory(value: Any) -> bool:
    """Return whether *value* is a function without required arguments: no application is."""
    if not inspect.isroutine(value):
        return False
    try:
        inspect.signature(value).bind()
    except TypeError:
        return False
    return True


def _call(name: str, factory: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    try:
        app = factory(*arguments, **keywords)
    except Exception as error:  # the user's factory can raise anything
        raise ApplicationLoadError(f"{name} failed: {type(error).__name__}: {error}") from error
    if inspect.iscoroutine(app):
        app.close()
        raise ApplicationLoadError(f"{name} is an async factory: make it a plain function")
    return app
