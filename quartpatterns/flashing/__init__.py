"""Messages that are said at the end of one request and shown once, on the next page.

.. code-block:: python

    from quartpatterns.flashing import Flashing, flash

    Flashing(app)

    @app.post("/login")
    async def login():
        await flash("You were successfully logged in")
        return redirect(url_for("index"))

Templates call ``get_flashed_messages()`` as before. A message has a cookie of its own, so that no
other request of the same user can overwrite it, and one that is too large for a cookie is an
error where it is flashed.
"""

from quartpatterns.flashing.cookies import FlashTooLargeError
from quartpatterns.flashing.extension import DEFAULTS, Flashing
from quartpatterns.flashing.messages import flash, get_flashed_messages

__all__ = ["DEFAULTS", "FlashTooLargeError", "Flashing", "flash", "get_flashed_messages"]
