"""Forms declared as classes, with validators that may wait, and tokens against forged requests.

.. code-block:: python

    from quartpatterns.wtforms import CSRFProtect, QuartForm
    from wtforms import StringField, ValidationError

    CSRFProtect(app)

    class NameForm(QuartForm):
        name = StringField()

        async def validate_name(self, field):
            if await users.exists(field.data):
                raise ValidationError("This name is taken.")

    @app.route("/name", methods=["GET", "POST"])
    async def name():
        form = await NameForm.create()
        if await form.validate_on_submit():
            return redirect(url_for("index"))
        return await render_template("name.html", form=form)

Names, settings and tokens are Flask-WTF's: pages of one can post to the other.
"""

try:
    from quartpatterns.wtforms.files import FileAllowed
except ModuleNotFoundError as _missing:
    raise ImportError(
        f"quartpatterns.wtforms needs {_missing.name}: pip install 'quartpatterns[wtforms]'",
        name=_missing.name,
    ) from _missing

from quartpatterns.wtforms.files import (
    FileField,
    FileRequired,
    FileSize,
    MultipleFileField,
    file_allowed,
    file_required,
    file_size,
)
from quartpatterns.wtforms.form import QuartForm
from quartpatterns.wtforms.protection import CSRFError, CSRFProtect, csrf_token_view
from quartpatterns.wtforms.settings import DEFAULTS
from quartpatterns.wtforms.tokens import TokenError, csrf_meta_tag, generate_csrf, validate_csrf

__all__ = [
    "DEFAULTS",
    "CSRFError",
    "CSRFProtect",
    "FileAllowed",
    "FileField",
    "FileRequired",
    "FileSize",
    "MultipleFileField",
    "QuartForm",
    "TokenError",
    "csrf_meta_tag",
    "csrf_token_view",
    "file_allowed",
    "file_required",
    "file_size",
    "generate_csrf",
    "validate_csrf",
]
