"""The blueprints of a package, found and registered.

A large application is a package, with its views in blueprints, one in each module. This registers
all of them:

.. code-block:: python

    from quart import Quart
    from quartpatterns.packages import register_blueprints

    app = Quart(__name__)
    register_blueprints(app, ".blueprints")
"""

from quartpatterns.packages.blueprints import (
    BlueprintImportError,
    DuplicateBlueprintError,
    register_blueprints,
)

__all__ = ["BlueprintImportError", "DuplicateBlueprintError", "register_blueprints"]
