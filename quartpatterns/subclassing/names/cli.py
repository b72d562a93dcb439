"""The names of ``flask.cli``. Commands can be asynchronous."""

# Quart's annotations leave type arguments out.
# pyright: reportUnknownVariableType=false

from quart.cli import (
    NoAppException,
    find_app_by_string,
    find_best_app,
    get_version,
    pass_script_info,
    prepare_import,
    routes_command,
    run_command,
    shell_command,
    version_option,
)

from quartpatterns.subclassing.cli import FaithfulAppGroup as AppGroup
from quartpatterns.subclassing.cli import with_appcontext
from quartpatterns.subclassing.scripts import FaithfulGroup as FlaskGroup
from quartpatterns.subclassing.scripts import FaithfulScriptInfo as ScriptInfo
from quartpatterns.subclassing.scripts import cli, load_dotenv, locate_app, main

__all__ = [
    "AppGroup",
    "FlaskGroup",
    "NoAppException",
    "ScriptInfo",
    "cli",
    "find_app_by_string",
    "find_best_app",
    "get_version",
    "load_dotenv",
    "locate_app",
    "main",
    "pass_script_info",
    "prepare_import",
    "routes_command",
    "run_command",
    "shell_command",
    "version_option",
    "with_appcontext",
]
