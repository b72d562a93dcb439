"""Package an application with its templates, and start new projects.

.. code-block:: python

    from quartpatterns.packaging import check_resources, require_resources

    check_resources("dist/shop-1.0-py3-none-any.whl")  # files that the wheel lacks

    def create_app():
        app = Quart(__name__)
        require_resources(app)  # the application does not start without its files
        return app

The command ``quartpatterns new`` creates a project. :func:`dev_version` numbers its builds.
"""

from quartpatterns.packaging.projects import (
    FEATURES,
    REQUIRED,
    SERVERS,
    Project,
    ProjectError,
    ProjectNameError,
    new_project,
)
from quartpatterns.packaging.resources import (
    MissingResource,
    MissingResourcesError,
    check_resources,
    require_resources,
)
from quartpatterns.packaging.versions import VersionError, dev_version

__all__ = [
    "FEATURES",
    "REQUIRED",
    "SERVERS",
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
