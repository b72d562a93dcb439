"""``python -m yourapplication`` serves the application."""

from __future__ import annotations

import argparse
import sys

from hypercorn.__main__ import main as hypercorn
from hypercorn.config import Config

from yourapplication import create_app
from yourapplication.addresses import check_address
# {% if sqlalchemy %}
from yourapplication.migrate import run_migrations
# {% endif %}
from yourapplication.paths import project_file

EPILOG = """\
Other options are passed to Hypercorn, for example --workers 4. `hypercorn --help` lists them all.
An environment variable overrides each setting of the application: QUART_TITLE the setting TITLE.
"""


def main() -> int:
    """Serve with hypercorn.toml. Options override it."""
    file = str(project_file("hypercorn.toml"))
    parser = argparse.ArgumentParser(
        prog="python -m yourapplication",
        description="Serve the application with Hypercorn and the configuration in hypercorn.toml.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "-c",
        "--config",
        default=file,
        metavar="FILE.toml",
        help="a configuration of Hypercorn (default: hypercorn.toml of the project)",
    )
    default = ", ".join(Config.from_toml(file).bind)
    parser.add_argument(
        "-b",
        "--bind",
        action="append",
        metavar="HOST:PORT",
        help=f"address to listen on; can be repeated (default: that of --config, {default})",
    )
    options, others = parser.parse_known_args()
    try:
        create_app()
    except ValueError as error:  # A setting is missing or wrong.
        sys.exit(str(error))
    try:
        addresses = options.bind or Config.from_toml(options.config).bind
    except OSError as error:
        sys.exit(f"{options.config}: {error.strerror}")
    for address in addresses:
        host, _, port = address.rpartition(":")
        if host not in ("", "fd", "unix") and port.isdecimal():
            check_address(host.strip("[]"), int(port), option="--bind HOST:PORT")
# {% if sqlalchemy %}
    run_migrations()
# {% endif %}
    bind = [f"--bind={address}" for address in addresses]
    arguments = ["--config", options.config, *bind, *others]
    return hypercorn([*arguments, "yourapplication.asgi:app"]) or 0


if __name__ == "__main__":
    sys.exit(main())
