"""Pages that ask for JSON and send it, views that insist on it, and what both need served here.

.. code-block:: python

    from quartpatterns.ajax import package_files, require_json, swagger_ui

    package_files(app, "jquery", "xstatic.pkg.jquery", "data")

    @app.post("/user/<int:id>")
    @require_json
    async def user_update(id):
        ...
"""

from quartpatterns.ajax.decorators import require_json
from quartpatterns.ajax.documentation import swagger_ui
from quartpatterns.ajax.packages import package_files

__all__ = ["package_files", "require_json", "swagger_ui"]
