"""``python -m yourapplication`` serves the application."""

from __future__ import annotations

import argparse
import os
import sys

from yourapplication import create_app
from yourapplication.addresses import check_address
# {% if sqlalchemy %}
from yourapplication.migrate import run_migrations
# {% endif %}

# ``granian --help`` lists all options of Granian.
OPTIONS = [
    "--interface=asgi",
    "--loop=uvloop",
    "--access-log",
    # Seconds to finish requests and to shut down after a signal to stop.
    "--workers-kill-timeout=20",
]
EPILOG = """\
Other options are passed to Granian, for example --workers 4. `granian --help` lists them all.
An environment variable overrides each setting of the application: QUART_TITLE the setting TITLE.
"""


def main() -> None:
    """Serve with OPTIONS. Options of the command override them."""
    parser = argparse.ArgumentParser(
        prog="python -m yourapplication",
        description="Serve the application with Granian.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", default=5000, type=int, help="default: %(default)s")
    address, others = parser.parse_known_args()
    try:
        create_app()
    except ValueError as error:  # A setting is missing or wrong.
        sys.exit(str(error))
    if not any(other.startswith("--uds") for other in others):  # which replaces the address
        check_address(address.host, address.port, option="--host and --port")
# {% if sqlalchemy %}
    run_migrations()
# {% endif %}
    listen = [f"--host={address.host}", f"--port={address.port}"]
    command = [sys.executable, "-m", "granian", *OPTIONS, *listen, *others]
    os.execv(sys.executable, [*command, "yourapplication.asgi:app"])


if __name__ == "__main__":
    main()
