"""From a folder to a wheel with its templates inside.

.. code-block:: python

    from quartpatterns.packaging import check_resources, require_resources

    check_resources("dist/shop-1.0-py3-none-any.whl")  # what the code refers to and isn't there

    def create_app():
        app = Quart(__name__)
        require_resources(app)  # starts with all of it, or not at all
        return app

``quartpatterns new shop`` makes a project of this shape, :func:`dev_version` numbers its builds.
"""

from quartpatterns.packaging.names import ProjectNameError
from quartpatterns.packaging.projects import FEATURES, Project, ProjectError, new_project
from quartpatterns.packaging.resources import (
    MissingResource,
    MissingResourcesError,
    check_resources,
    require_resources,
)
from quartpatterns.packaging.versions import VersionError, dev_version

__all__ = [
    "FEATURES",
    "MissingResource",
    "MissingResourcesError",
    "Project",
    "ProjectError",
    "ProjectNameError",
    "VersionError",
    "check_resources",
    "dev_version",
    "new_project",
    "require_resources",
]
