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

# ``uvicorn --help`` lists all options of Uvicorn.
OPTIONS = [
    "--loop=uvloop",
    "--http=httptools",
    "--ws=wsproto",
    "--lifespan=on",
    # QUART_PROXIES says which proxies to trust.
    "--no-proxy-headers",
    # Seconds to finish requests after a signal to stop.
    "--timeout-graceful-shutdown=10",
]
EPILOG = """\
Other options are passed to Uvicorn, for example --workers 4. `uvicorn --help` lists them all.
An environment variable overrides each setting of the application: QUART_TITLE the setting TITLE.
"""


def main() -> None:
    """Serve with OPTIONS. Options of the command override them."""
    parser = argparse.ArgumentParser(
        prog="python -m yourapplication",
        description="Serve the application with Uvicorn.",
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
    # A socket replaces the address.
    if not any(other.startswith(("--uds", "--fd")) for other in others):
        check_address(address.host, address.port, option="--host and --port")
# {% if sqlalchemy %}
    run_migrations()
# {% endif %}
    listen = [f"--host={address.host}", f"--port={address.port}"]
    command = [sys.executable, "-m", "uvicorn", *OPTIONS, *listen, *others]
    os.execv(sys.executable, [*command, "yourapplication.asgi:app"])


if __name__ == "__main__":
    main()
