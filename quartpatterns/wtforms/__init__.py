"""Forms with WTForms: asynchronous validators, file fields and CSRF protection.

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

Names, settings and tokens are those of Flask-WTF. A page of a Flask application that uses Flask-WTF
can send its form to a Quart application that uses this package, and the other way round.
"""

from quartpatterns._shared.extras import requires_extra

with requires_extra("wtforms"):
    from quartpatterns.wtforms.files import FileAllowed

from quartpatterns.wtforms.csrf import CSRFError, CSRFProtect, csrf_token_view
from quartpatterns.wtforms.files import (
    FileField,
    FileRequired,
    FileSize,
    MultipleFileField,
    file_allowed,
    file_required,
    file_size,
)
from quartpatterns.wtforms.form import FlaskForm, Form, QuartForm
from quartpatterns.wtforms.limits import FormTooLargeError
from quartpatterns.wtforms.recaptcha import (
    Recaptcha,
    RecaptchaField,
    RecaptchaUnavailableError,
    RecaptchaWidget,
)
from quartpatterns.wtforms.settings import SETTINGS
from quartpatterns.wtforms.tokens import TokenError, csrf_meta_tag, generate_csrf, validate_csrf

__all__ = [
    "SETTINGS",
    "CSRFError",
    "CSRFProtect",
    "FileAllowed",
    "FileField",
    "FileRequired",
    "FileSize",
    "FlaskForm",
    "Form",
    "FormTooLargeError",
    "MultipleFileField",
    "QuartForm",
    "Recaptcha",
    "RecaptchaField",
    "RecaptchaUnavailableError",
    "RecaptchaWidget",
    "TokenError",
    "csrf_meta_tag",
    "csrf_token_view",
    "file_allowed",
    "file_required",
    "file_size",
    "generate_csrf",
    "validate_csrf",
]
