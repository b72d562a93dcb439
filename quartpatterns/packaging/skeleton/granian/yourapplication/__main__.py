"""``python -m yourapplication`` serves the application."""

from __future__ import annotations

import os
import sys

from yourapplication import create_app
# {% if sqlalchemy %}
from yourapplication.migrate import run_migrations
# {% endif %}

# ``granian --help`` lists all options of Granian.
OPTIONS = [
    "--interface=asgi",
    "--port=5000",
    "--loop=uvloop",
    "--access-log",
    # Seconds to finish requests and to shut down after a signal to stop.
    "--workers-kill-timeout=20",
]


def main() -> None:
    """Serve with OPTIONS. Options of Granian, such as ``--port``, override them."""
    try:
        create_app()
    except ValueError as error:  # A setting is missing or wrong.
        sys.exit(str(error))
# {% if sqlalchemy %}
    run_migrations()
# {% endif %}
    command = [sys.executable, "-m", "granian", *OPTIONS, *sys.argv[1:], "yourapplication.asgi:app"]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
