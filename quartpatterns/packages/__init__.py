"""The blueprints of a package, found and registered.

A large application is a package, and its views stand in blueprints, one a module. Instead of an
import and a registration for each::

    from quart import Quart
    from quartpatterns.packages import register_blueprints

    app = Quart(__name__)
    register_blueprints(app, ".blueprints")
"""

from .blueprints import DuplicateBlueprintError, register_blueprints
from .modules import BlueprintImportError

__all__ = ["BlueprintImportError", "DuplicateBlueprintError", "register_blueprints"]
