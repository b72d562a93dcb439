"""Configuring an application in two layers: its defaults, and the file of the host."""

from __future__ import annotations

import os

from quart import Quart

__all__ = ["ConfigurationMissingError", "load_configuration"]


class ConfigurationMissingError(RuntimeError):
    """The configuration of the host is missing or invalid.

    The message names the environment variable and says what to set it to.

    .. versionadded:: 0.1
    """


def load_configuration(app: Quart, defaults: str, variable: str) -> None:
    """Configure *app* from the module *defaults*, then from the file named by *variable*.

    This is what Flask's page on Fabric does: the defaults are versioned with the code, and the
    file belongs to the host. A missing file is an error, because otherwise a host would run with
    the defaults of development.

    Arguments:
        app: The application.
        defaults: The import path of a module or an object with defaults in upper case.
        variable: The environment variable that contains the path of a Python file. A relative
            path is below ``app.root_path``.

    Raises:
        ConfigurationMissingError: The variable is not set, or the file is missing or invalid.

    .. versionadded:: 0.1
    """
    app.config.from_object(defaults)
    path = os.environ.get(variable)
    if not path:
        raise ConfigurationMissingError(
            f"the environment variable {variable!r} is not set. Set it to the path of this host's"
            " configuration file before the application is imported"
        )
    try:
        app.config.from_pyfile(path)
    except OSError as error:
        raise ConfigurationMissingError(
            f"{variable} is {path}, which cannot be read ({os.strerror(error.errno or 0)}). Write"
            " the configuration of this host into that file"
        ) from error
    except SyntaxError as error:
        raise ConfigurationMissingError(
            f"{variable} is {path}, and line {error.lineno} of it is not valid Python. Correct it"
        ) from error
