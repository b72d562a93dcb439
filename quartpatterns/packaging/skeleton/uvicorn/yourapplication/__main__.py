"""``python -m yourapplication`` serves the application."""

from __future__ import annotations

import os
import sys

from yourapplication import create_app
# {% if sqlalchemy %}
from yourapplication.migrate import run_migrations
# {% endif %}

# ``uvicorn --help`` lists all options of Uvicorn.
OPTIONS = [
    "--port=5000",
    "--loop=uvloop",
    "--http=httptools",
    "--ws=wsproto",
    "--lifespan=on",
    # QUART_PROXIES says which proxies to trust.
    "--no-proxy-headers",
    # Seconds to finish requests after a signal to stop.
    "--timeout-graceful-shutdown=10",
]


def main() -> None:
    """Serve with OPTIONS. Options of Uvicorn, such as ``--port``, override them."""
    try:
        create_app()
    except ValueError as error:  # A setting is missing or wrong.
        sys.exit(str(error))
# {% if sqlalchemy %}
    run_migrations()
# {% endif %}
    command = [sys.executable, "-m", "uvicorn", *OPTIONS, *sys.argv[1:], "yourapplication.asgi:app"]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
