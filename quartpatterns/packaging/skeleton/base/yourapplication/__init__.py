"""@{title}, an application on Quart. :func:`create_app` returns it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any

# {% if caching %}
from quartpatterns.appfactories import Setting, configure
# {% else %}
from quartpatterns.appfactories import configure
# {% endif %}
from quartpatterns.errorpages import ErrorPages
from quartpatterns.packages import register_blueprints
from quartpatterns.packaging import require_resources
from quartpatterns.subclassing import FaithfulQuart, ProxyFix
# {% if caching or sqlalchemy or tasks %}

# {% endif %}
# {% if caching %}
from yourapplication.cache import cache
# {% endif %}
# {% if sqlalchemy %}
from yourapplication.models import db
# {% endif %}
# {% if tasks %}
from yourapplication.tasks import tasks
# {% endif %}

__all__ = ["__version__", "create_app"]
__version__ = metadata.version("yourapplication")

# All settings. An environment variable overrides each, for example QUART_TITLE the title.
DEFAULTS: dict[str, Any] = {
    "TITLE": "@{title}",
    # The number of proxies in front that set X-Forwarded-For and X-Forwarded-Proto, such as nginx.
    "PROXIES": 0,
# {% if caching %}
    # Each process has its own SimpleCache. All share a RedisCache with CACHE_REDIS_URL.
    "CACHE_TYPE": "SimpleCache",
    "CACHE_REDIS_URL": Setting(str | None, None),
# {% endif %}
# {% if sqlalchemy %}
    # A relative path of SQLite is in the folder instance/.
    "SQLALCHEMY_DATABASE_URI": "sqlite:///yourapplication.db",
# {% endif %}
# {% if tasks %}
    "REDIS_URL": "redis://localhost:6379/0",
# {% endif %}
}


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return a new application.

    Arguments:
        config: Settings that override the environment and the defaults, for example in tests.
    """
    app = FaithfulQuart(__name__)
    configure(app, DEFAULTS, overrides=config)
    ErrorPages(app, default="error.html")
# {% if caching %}
    cache.init_app(app)
# {% endif %}
# {% if sqlalchemy %}
    db.init_app(app)
# {% endif %}
# {% if tasks %}
    tasks.init_app(app)
# {% endif %}
    register_blueprints(app, ".blueprints")
    require_resources(app)
    if proxies := app.config["PROXIES"]:
        app.asgi_app = ProxyFix(  # type: ignore[method-assign]
            app.asgi_app, x_for=proxies, x_proto=proxies
        )
    return app
