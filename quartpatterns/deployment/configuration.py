"""The configuration of an application in two layers: its defaults, and a file of the host."""

from __future__ import annotations

import os

from quart import Quart

__all__ = ["ConfigurationMissingError", "load_configuration"]


class ConfigurationMissingError(RuntimeError):
    """The file with the configuration of this host is not named, not there, or no configuration.

    The message says which variable to set, and to what.
    """


def load_configuration(app: Quart, defaults: str, variable: str) -> None:
    """Configure *app* from the module *defaults*, and then from the file that *variable* names.

    As in Flask's page on Fabric: the defaults are versioned with the code, the file is the
    host's. A host that says nothing is an error, as it would run with the defaults of development.

    Arguments:
        app: The application.
        defaults: The import path of a module or an object with defaults in upper case.
        variable: The environment variable with the path of a Python file; a relative one is
            below ``app.root_path``.

    Raises:
        ConfigurationMissingError: There is no such file, or it can't be read as Python.
    """
    app.config.from_object(defaults)
    path = os.environ.get(variable)
    if not path:
        raise ConfigurationMissingError(
            f"the environment variable {variable!r} is not set: set it to the path of this host's"
            " configuration file, before the application is imported"
        )
    try:
        app.config.from_pyfile(path)
    except OSError as error:
        raise ConfigurationMissingError(
            f"{variable} names {path}, which can't be read ({os.strerror(error.errno or 0)}):"
            " put the configuration of this host there"
        ) from error
    except SyntaxError as error:
        raise ConfigurationMissingError(
            f"{variable} names {path}, whose line {error.lineno} is not Python: correct it"
        ) from error
