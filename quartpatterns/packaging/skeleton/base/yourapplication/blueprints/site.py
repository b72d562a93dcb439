"""The front page and the health check."""

from __future__ import annotations

# {% if i18n %}
from quart import Blueprint, redirect, render_template, url_for
from quart.typing import ResponseReturnValue
# {% else %}
from quart import Blueprint, render_template
# {% endif %}
# {% if sqlalchemy %}
from sqlalchemy import select
# {% endif %}

import yourapplication
# {% if tasks %}
from yourapplication.background import tasks
# {% endif %}
# {% if caching %}
from yourapplication.caching import cache
# {% endif %}
# {% if i18n %}
from yourapplication.languages import language_urls
# {% endif %}
# {% if sqlalchemy %}
from yourapplication.models import Note, db
# {% endif %}

blueprint = Blueprint("site", __name__)


# {% if i18n %}
@blueprint.get("/")
async def start() -> ResponseReturnValue:
    """Redirect to the front page in the language of the visitor."""
    return redirect(url_for("site.index", lang_code=language_urls.negotiate()))


# {% endif %}
@blueprint.get("@{pages}/")
async def index() -> str:
    """The front page."""
    return await render_template("index.html")


@blueprint.get("/health")
async def health() -> dict[str, str]:
# {% if caching or sqlalchemy or tasks %}
    """Return the status and the version, for load balancers, monitoring and deployments.

# {% if sqlalchemy %}
    If the database is not available or not migrated, the response is an error.
# {% endif %}
# {% if tasks %}
    If the queue is not available, the response is an error.
# {% endif %}
# {% if caching %}
    The application works without the cache, so that only a message says that it is not available.
# {% endif %}
    """
# {% if sqlalchemy %}
    await db.session.scalar(select(Note.id).limit(1))
# {% endif %}
# {% if tasks %}
    # There is no job with this id: this only asks whether the queue answers.
    await tasks.result("health")
# {% endif %}
# {% else %}
    """Return the status and the version, for load balancers, monitoring and deployments."""
# {% endif %}
# {% if caching %}
    status = "ok" if await cache.set("health", "ok", timeout=10) else "the cache is not available"
    return {"status": status, "version": yourapplication.__version__}
# {% else %}
    return {"status": "ok", "version": yourapplication.__version__}
# {% endif %}
