"""The front page and the health check."""

from __future__ import annotations

# {% if i18n %}
from quart import Blueprint, redirect, render_template, url_for
from quart.typing import ResponseReturnValue
# {% else %}
from quart import Blueprint, render_template
# {% endif %}

import yourapplication
# {% if i18n %}
from yourapplication.languages import language_urls
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
    """Return the status and the version, for load balancers and monitoring."""
    return {"status": "ok", "version": yourapplication.__version__}
