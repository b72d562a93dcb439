"""Pictures: a form to upload one, and those that this visitor has uploaded."""

from __future__ import annotations

from quart import Blueprint, Response, redirect, render_template, session, url_for
from quart.typing import ResponseReturnValue
from quartpatterns.fileuploads import send_upload
# {% if flashing %}
from quartpatterns.flashing import flash
# {% endif %}
# {% if i18n %}
from quartpatterns.urlprocessors.messages import lazy_gettext as _
# {% endif %}
# {% if login %}
from quartpatterns.viewdecorators import login_required
# {% endif %}
from quartpatterns.wtforms import FileAllowed, FileField, FileRequired, FileSize, QuartForm

from yourapplication.storage import picture_set

blueprint = Blueprint("pictures", __name__, url_prefix="@{pages}/pictures")
REMEMBERED = 8
MAX_BYTES = 10_000_000


class PictureForm(QuartForm):
    """A new picture. Its content must match its name."""

    picture = FileField(
        @{p("Picture")},
        [FileRequired(), FileAllowed(picture_set), FileSize(max_size=MAX_BYTES)],
        render_kw={"accept": "image/jpeg,image/png,image/webp"},
    )


@blueprint.route("/", methods=["GET", "POST"])
# {% if login %}
@login_required
# {% endif %}
async def index() -> ResponseReturnValue:
    """Render the form and the last pictures. Save a valid picture."""
    form = await PictureForm.create()
    names = session.get("pictures", [])
    if await form.validate_on_submit():
        name = await picture_set.save(form.picture.data)
        session["pictures"] = [str(name), *names][:REMEMBERED]
# {% if flashing %}
        await flash(@{p("The picture is saved.")})
# {% endif %}
        return redirect(url_for("pictures.index"), 303)
    return await render_template("pictures.html", form=form, names=names)


@blueprint.get("/<path:name>")
async def show(name: str) -> Response:
    """Send a picture. Everybody who knows its address may see it."""
    return await send_upload(picture_set, name)
