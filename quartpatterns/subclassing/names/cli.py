"""The names of ``flask.cli``. Commands can be asynchronous."""

# Quart's annotations leave type arguments out.
# pyright: reportUnknownVariableType=false

from quart.cli import (
    NoAppException,
    ScriptInfo,
    cli,
    find_app_by_string,
    find_best_app,
    get_version,
    load_dotenv,
    locate_app,
    main,
    pass_script_info,
    prepare_import,
    routes_command,
    run_command,
    shell_command,
    version_option,
    with_appcontext,
)
from quart.cli import QuartGroup as FlaskGroup

from quartpatterns.subclassing.cli import FaithfulAppGroup as AppGroup

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
