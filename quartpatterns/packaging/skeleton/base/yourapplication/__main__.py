"""``python -m yourapplication`` serves, from a checkout or installed."""

from __future__ import annotations

import sys

from hypercorn.__main__ import main as hypercorn

# {% if sqlalchemy %}
from yourapplication.migrate import migrate
# {% endif %}
from yourapplication.paths import beside


def main() -> int:
    """Serve with hypercorn.toml, and with Hypercorn's own options, such as ``--bind``."""
# {% if sqlalchemy %}
    migrate()
# {% endif %}
    options = ["--config", str(beside("hypercorn.toml")), *sys.argv[1:]]
    return hypercorn([*options, "yourapplication.asgi:app"]) or 0


if __name__ == "__main__":
    sys.exit(main())
