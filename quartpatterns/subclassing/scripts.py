"""A command line of your own: a group that finds the application, as ``flask.cli.FlaskGroup``.

.. code-block:: python

    from quartpatterns.subclassing.scripts import FaithfulGroup


    @click.group(cls=FaithfulGroup, create_app=create_app)
    def cli():
        "Manage my application."

The command ``quart`` is Quart's own, and an application can't change what it does before it has
found the application. :data:`cli` can be used in its place.
"""

# Quart's and Click's annotations leave type arguments out.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import Any, Literal, overload

import click
from quart import Quart
from quart.cli import (
    NoAppException,
    QuartGroup,
    ScriptInfo,
    find_app_by_string,
    find_best_app,
    prepare_import,
)
from quart.helpers import get_load_dotenv

from quartpatterns.subclassing.cli import FaithfulAppGroup

__all__ = ["FaithfulGroup", "FaithfulScriptInfo", "cli", "load_dotenv", "locate_app", "main"]

# Where an application is looked for, in this order. Flask looks in the first and the last.
APPLICATION_FILES = ("wsgi.py", "asgi.py", "app.py")
# Files of environment variables. Later ones take precedence.
ENVIRONMENT_FILES = (".flaskenv", ".quartenv", ".env")
# Options of the group that Flask reads from variables of its own.
OPTIONS = ("APP", "DEBUG", "ENV_FILE")


@overload
def locate_app(module_name: str, app_name: str | None) -> Quart: ...


@overload
def locate_app(
    module_name: str, app_name: str | None, raise_if_not_found: Literal[True]
) -> Quart: ...


@overload
def locate_app(
    module_name: str, app_name: str | None, raise_if_not_found: bool
) -> Quart | None: ...


def locate_app(
    module_name: str, app_name: str | None, raise_if_not_found: bool = True
) -> Quart | None:
    """Import a module and return its application, as :func:`flask.cli.locate_app` does.

    Quart's function shows the traceback of the import system for a module that does not exist.

    .. versionadded:: 0.1

    Arguments:
        module_name: The module.
        app_name: The name of the application or of a factory, which can be called with arguments.
            Without a name the usual ones are tried.
        raise_if_not_found: Whether a module that does not exist is an error.

    Raises:
        NoAppException: The module fails to import, or it has no application.
    """
    try:
        __import__(module_name)
    except ImportError:
        # The traceback has more than this frame if the module exists, and one of its imports fails.
        inner: Any = sys.exc_info()[2]
        if inner.tb_next:
            raise NoAppException(
                f"While importing {module_name!r}, an ImportError was raised:\n\n"
                f"{traceback.format_exc()}"
            ) from None
        if raise_if_not_found:
            raise NoAppException(f"Could not import {module_name!r}.") from None
        return None
    module = sys.modules[module_name]
    return find_best_app(module) if app_name is None else find_app_by_string(module, app_name)


def load_dotenv(path: str | os.PathLike[str] | None = None, load_defaults: bool = True) -> bool:
    """Set environment variables from files, as :func:`flask.cli.load_dotenv` does.

    Variables that are set already are not changed. Without python-dotenv nothing is loaded.

    .. versionadded:: 0.1

    Arguments:
        path: A file, which takes precedence over the others.
        load_defaults: Whether the nearest ``.env``, ``.quartenv`` and ``.flaskenv`` are loaded, in
            this order of precedence.

    Returns:
        Whether a variable was found.
    """
    try:
        dotenv: Any = importlib.import_module("dotenv")
    except ImportError:
        if path or any(os.path.isfile(name) for name in ENVIRONMENT_FILES):
            message = " * Tip: There are .env files present. Install python-dotenv to use them."
            click.secho(message, fg="yellow", err=True)
        return False
    found: dict[str, str | None] = {}
    for name in ENVIRONMENT_FILES if load_defaults else ():
        if nearest := dotenv.find_dotenv(name, usecwd=True):
            found |= dotenv.dotenv_values(nearest, encoding="utf-8")
    if path is not None and os.path.isfile(path):
        found |= dotenv.dotenv_values(path, encoding="utf-8")
    for name, value in found.items():
        if value is not None:
            os.environ.setdefault(name, value)
    return bool(found)


class FaithfulScriptInfo(ScriptInfo):
    """Finds the application also in ``wsgi.py`` and ``asgi.py``.

    .. versionadded:: 0.1
    """

    def load_app(self) -> Quart:
        """Return the application, which is loaded once.

        Raises:
            NoAppException: There is none.
        """
        if self.create_app is None and not self.app_import_path:
            app = _search()
            self.create_app = lambda: app
        return super().load_app()


def _search() -> Quart:
    for file in APPLICATION_FILES:
        if (app := locate_app(prepare_import(file), None, False)) is not None:
            return app
    raise NoAppException(
        "Could not locate a Quart application. Use the 'quart --app' option, the 'QUART_APP'"
        " environment variable, or a 'wsgi.py', 'asgi.py' or 'app.py' file in the current"
        " directory."
    )


class FaithfulGroup(FaithfulAppGroup, QuartGroup):  # type: ignore[misc]
    """The group of a command line, as :class:`flask.cli.FlaskGroup`.

    It has the options ``--app``, ``--env-file`` and ``--debug``, the commands ``run``, ``shell``
    and ``routes``, and those of the application. Commands run in an application context and can
    be coroutine functions. ``FLASK_APP``, ``FLASK_DEBUG`` and ``FLASK_ENV_FILE`` are read with a
    warning if the variable ``QUART_…`` is not set.

    .. versionadded:: 0.1

    Arguments:
        args: Arguments of :class:`quart.cli.QuartGroup`.
        kwargs: The same.
    """

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Load the files of environment variables, and return the context of a command line."""
        if get_load_dotenv(self.load_dotenv):
            load_dotenv()
        _read_flask_variables()
        if "obj" not in extra and "obj" not in self.context_settings:
            extra["obj"] = FaithfulScriptInfo(
                create_app=self.create_app, set_debug_flag=self.set_debug_flag
            )
        return super().make_context(info_name, args, parent=parent, **extra)


def _read_flask_variables() -> None:
    for option in OPTIONS:
        value = os.environ.get(f"FLASK_{option}")
        if value is not None and f"QUART_{option}" not in os.environ:
            message = f" * FLASK_{option} is used: rename it to QUART_{option}."
            click.secho(message, fg="yellow", err=True)
            os.environ[f"QUART_{option}"] = value


cli = FaithfulGroup(name="quart", help="Run commands of a Quart application.")


def main() -> None:
    """Run the command line, as :func:`flask.cli.main` does.

    .. versionadded:: 0.1
    """
    cli.main()
