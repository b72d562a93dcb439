"""Message flashing: a message at the end of one request that the next page shows once.

.. code-block:: python

    from quartpatterns.flashing import Flashing, flash

    Flashing(app)

    @app.post("/login")
    async def login():
        await flash("You were successfully logged in")
        return redirect(url_for("index"))

Templates call ``get_flashed_messages()`` as in Flask. Each message has a signed cookie of its own,
so no other request of the same user can overwrite it. A message that is too large for a cookie
raises an error when it is flashed.
"""

from quartpatterns._shared.flash import FlashTooLargeError
from quartpatterns.flashing.messages import SETTINGS, Flashing, flash, get_flashed_messages

__all__ = ["SETTINGS", "FlashTooLargeError", "Flashing", "flash", "get_flashed_messages"]
