"""``python -m yourapplication`` serves the application."""

from __future__ import annotations

import sys

from hypercorn.__main__ import main as hypercorn

# {% if sqlalchemy %}
from yourapplication.migrate import run_migrations
# {% else %}
from yourapplication import create_app
# {% endif %}
from yourapplication.paths import project_file


def main() -> int:
    """Serve with hypercorn.toml. Options of Hypercorn, such as ``--bind``, override it."""
    try:
# {% if sqlalchemy %}
        run_migrations()
# {% else %}
        create_app()
# {% endif %}
    except ValueError as error:  # A setting is missing or wrong.
        sys.exit(str(error))
    options = ["--config", str(project_file("hypercorn.toml")), *sys.argv[1:]]
    return hypercorn([*options, "yourapplication.asgi:app"]) or 0


if __name__ == "__main__":
    sys.exit(main())
