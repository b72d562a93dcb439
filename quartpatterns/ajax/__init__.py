"""JavaScript, fetch and JSON: views that accept JSON, and pages without files of other sites.

.. code-block:: python

    from quartpatterns.ajax import package_files, require_json, swagger_ui

    package_files(app, "jquery", "xstatic.pkg.jquery", "data")

    @app.post("/user/<int:id>")
    @require_json
    async def user_update(id):
        ...
"""

from quartpatterns.ajax.decorators import require_json
from quartpatterns.ajax.files import package_files, swagger_ui

__all__ = ["package_files", "require_json", "swagger_ui"]
