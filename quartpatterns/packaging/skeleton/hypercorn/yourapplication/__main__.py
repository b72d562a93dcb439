"""``python -m yourapplication`` serves the application."""

from __future__ import annotations

import sys

from hypercorn.__main__ import main as hypercorn

from yourapplication import create_app
# {% if sqlalchemy %}
from yourapplication.migrate import run_migrations
# {% endif %}
from yourapplication.paths import project_file


def main() -> int:
    """Serve with hypercorn.toml. Options of Hypercorn, such as ``--bind``, override it."""
    try:
        create_app()
    except ValueError as error:  # A setting is missing or wrong.
        sys.exit(str(error))
# {% if sqlalchemy %}
    run_migrations()
# {% endif %}
    options = ["--config", str(project_file("hypercorn.toml")), *sys.argv[1:]]
    return hypercorn([*options, "yourapplication.asgi:app"]) or 0


if __name__ == "__main__":
    sys.exit(main())
