"""The configuration of an application in layers, and set-up functions of blueprints.

:func:`configure` reads defaults, a TOML file, environment variables and arguments of the factory.
Each layer overrides the one before. Unknown settings and settings of the wrong type are refused::

    from quart import Quart
    from quartpatterns.appfactories import configure

    DEFAULTS = {"SITE": "Guestbook", "MAX_ENTRIES": 100}

    def create_app(name="dev"):
        app = Quart(__name__)
        configure(app, DEFAULTS, file=f"config/{name}.toml")
        return app

The only error of the configuration is :exc:`ConfigError`.
"""

from .config import ConfigError, Setting, Source, configure, sources
from .extensions import init_extensions
from .hooks import on_setup

__all__ = [
    "ConfigError",
    "Setting",
    "Source",
    "configure",
    "init_extensions",
    "on_setup",
    "sources",
]
