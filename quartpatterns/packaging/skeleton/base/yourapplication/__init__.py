"""@{title}, an application on Quart. :func:`create_app` returns it.

The names of modules are those of what they contain, and no object has the name of a module.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
# {% if sqlalchemy or uploads %}
from pathlib import Path
# {% endif %}
from typing import Any

# {% if api %}
from quart_schema import QuartSchema
from quartpatterns.ajax import swagger_ui
# {% endif %}
# {% if forms or sqlalchemy %}
from quartpatterns.appfactories import Setting, configure
# {% else %}
from quartpatterns.appfactories import configure
# {% endif %}
from quartpatterns.errorpages import ErrorPages
# {% if uploads %}
from quartpatterns.fileuploads import configure_uploads
# {% endif %}
# {% if flashing %}
from quartpatterns.flashing import Flashing
# {% endif %}
from quartpatterns.packages import register_blueprints
from quartpatterns.packaging import require_resources
from quartpatterns.subclassing import FaithfulQuart, ProxyFix
# {% if caching or forms or i18n or sqlalchemy or tasks %}

# {% endif %}
# {% if login %}
from yourapplication.accounts import login_manager
# {% endif %}
# {% if tasks %}
from yourapplication.background import tasks
# {% endif %}
# {% if caching %}
from yourapplication.caching import cache
# {% endif %}
# {% if i18n %}
from yourapplication.languages import LANGUAGES, catalogs
# {% endif %}
# {% if sqlalchemy %}
from yourapplication.models import db
# {% endif %}
# {% if forms %}
from yourapplication.protection import csrf
# {% endif %}
# {% if uploads %}
from yourapplication.storage import picture_set
# {% endif %}

__all__ = ["__version__", "create_app"]
__version__ = metadata.version("yourapplication")

# The settings of this application, and defaults for settings of Quart and of quartpatterns.
# An environment variable overrides each, for example QUART_TITLE the title.
DEFAULTS: dict[str, Any] = {
    "TITLE": "@{title}",
    # The number of proxies in front that set X-Forwarded-For and X-Forwarded-Proto, such as nginx.
    "PROXIES": 0,
    # The start of all paths, such as "/shop", if a proxy passes it on.
    "PREFIX": "",
    # Whether browsers send cookies with HTTPS only.
    "SECURE_COOKIES": False,
# {% if forms %}
    # Signs sessions and CSRF tokens. It has no default, because it must be secret.
    "SECRET_KEY": Setting(str),
    "SESSION_COOKIE_SAMESITE": "Lax",
# {% endif %}
# {% if sqlalchemy or uploads %}
    # The folder of files that stay when a new version is installed. By default it is instance/ in
    # a checkout, and otherwise a folder of the virtual environment.
    "INSTANCE_PATH": Setting(str | None, None),
# {% endif %}
# {% if sqlalchemy %}
    # A relative path of SQLite is in that folder.
    "SQLALCHEMY_DATABASE_URI": "sqlite:///yourapplication.db",
# {% endif %}
# {% if caching %}
    # Each process has its own SimpleCache. All share a RedisCache with CACHE_REDIS_URL.
    "CACHE_TYPE": "SimpleCache",
# {% endif %}
}


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return a new application.

    Arguments:
        config: Settings that override the environment and the defaults, for example in tests.
    """
    app = FaithfulQuart(__name__)
    configure(app, DEFAULTS, overrides=config)
# {% if forms %}
    if not app.secret_key:
        raise ValueError("the secret key is empty: set QUART_SECRET_KEY to a long random text")
# {% endif %}
# {% if sqlalchemy or uploads %}
    if folder := app.config["INSTANCE_PATH"]:
        app.instance_path = str(Path(folder).absolute())
# {% endif %}
# {% if api %}
    ErrorPages(app, default="error.html", prefixes={"/api": "problem"})
# {% else %}
    ErrorPages(app, default="error.html")
# {% endif %}
# {% if i18n %}
    catalogs.init_app(app)
    app.jinja_env.globals["LANGUAGES"] = LANGUAGES
# {% endif %}
# {% if sqlalchemy %}
    db.init_app(app)
# {% endif %}
# {% if login %}
    login_manager.init_app(app)
# {% endif %}
# {% if forms %}
    csrf.init_app(app)
# {% endif %}
# {% if flashing %}
    Flashing(app)
# {% endif %}
# {% if tasks %}
    tasks.init_app(app)
# {% endif %}
# {% if caching %}
    cache.init_app(app)
# {% endif %}
# {% if uploads %}
    configure_uploads(app, picture_set)
# {% endif %}
# {% if api %}
    QuartSchema(app, swagger_ui_path=None, redoc_ui_path=None, scalar_ui_path=None)
    swagger_ui(app, "/api/docs", title=app.config["TITLE"])
# {% endif %}
    register_blueprints(app, ".blueprints")
    require_resources(app)
    app.asgi_app = ProxyFix(  # type: ignore[method-assign]
        app.asgi_app,
        x_for=app.config["PROXIES"],
        x_proto=app.config["PROXIES"],
        prefix=app.config["PREFIX"],
        secure_cookies=app.config["SECURE_COOKIES"],
    )
    return app
