"""The settings of an application in layers, and set-up that blueprints take part in.

Defaults, a TOML file, the environment and what the caller says, each above the one before, with
unknown and ill-typed settings refused and the source of every value known::

    from quart import Quart
    from quartpatterns.appfactories import configure

    DEFAULTS = {"SITE": "Guestbook", "MAX_ENTRIES": 100}

    def create_app(name="dev"):
        app = Quart(__name__)
        configure(app, DEFAULTS, file=f"config/{name}.toml")
        return app
"""

from .hooks import on_setup
from .known import Setting
from .layers import Source
from .settings import ConfigError, configure, sources

__all__ = ["ConfigError", "Setting", "Source", "configure", "on_setup", "sources"]
