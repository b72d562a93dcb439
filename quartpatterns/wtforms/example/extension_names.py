"""What happens to the names of Flask-WTF."""

from __future__ import annotations

from quartpatterns.compare.extension_names import Extension, ExtensionName, State
from quartpatterns.wtforms.settings import INSTEAD

__all__ = ["EXTENSION"]


def names(state: State, remark: str, *found: str) -> tuple[ExtensionName, ...]:
    """Return rows with the same state and remark."""
    return tuple(ExtensionName(name, state, remark) for name in found)


EXTENSION = Extension(
    "Flask-WTF 1.3",
    (
        *names(
            "supported",
            "",
            "CSRFError",
            "CSRFProtect",
            "FlaskForm",
            "FlaskForm.Meta",
            "FlaskForm.Meta.csrf",
            "FlaskForm.Meta.csrf_class",
            "FlaskForm.Meta.csrf_context",
            "FlaskForm.Meta.csrf_field_name",
            "FlaskForm.Meta.csrf_secret",
            "FlaskForm.Meta.csrf_time_limit",
            "FlaskForm.Meta.get_translations",
            "FlaskForm.Meta.wrap_formdata",
            "FlaskForm.hidden_tag",
            "FlaskForm.is_submitted",
            "FileAllowed",
            "FileField",
            "FileRequired",
            "FileSize",
            "MultipleFileField",
            "file_allowed",
            "file_required",
            "file_size",
            "csrf_meta_tag",
            "csrf_token()",
            "validate_csrf",
            "generate_csrf",
            "g.csrf_token",
            "RecaptchaField",
            "RecaptchaField.recaptcha_error",
            "RecaptchaField.widget",
            "RecaptchaWidget",
            "RecaptchaWidget.recaptcha_html",
            "RECAPTCHA_DATA_ATTRS",
            "RECAPTCHA_DIV_CLASS",
            "RECAPTCHA_ENABLED",
            "RECAPTCHA_HTML",
            "RECAPTCHA_PARAMETERS",
            "RECAPTCHA_PRIVATE_KEY",
            "RECAPTCHA_PUBLIC_KEY",
            "RECAPTCHA_SCRIPT",
            "RECAPTCHA_VERIFY_SERVER",
            "WTF_CSRF_CHECK_DEFAULT",
            "WTF_CSRF_ENABLED",
            "WTF_CSRF_FIELD_NAME",
            "WTF_CSRF_HEADERS",
            "WTF_CSRF_META_NAME",
            "WTF_CSRF_METHODS",
            "WTF_CSRF_SECRET_KEY",
            "WTF_CSRF_SSL_STRICT",
            "WTF_CSRF_TIME_LIMIT",
        ),
        *names(
            "supported",
            "in the module of `quartpatterns.wtforms` with this name",
            "csrf.logger",
            "csrf.same_origin",
            "form.SUBMIT_METHODS",
            "i18n.Translations",
            "i18n.Translations.gettext",
            "i18n.Translations.ngettext",
            "i18n.translations",
            "recaptcha.RECAPTCHA_DIV_CLASS_DEFAULT",
            "recaptcha.RECAPTCHA_ERROR_CODES",
            "recaptcha.RECAPTCHA_SCRIPT_DEFAULT",
            "recaptcha.RECAPTCHA_VERIFY_SERVER_DEFAULT",
        ),
        *names("supported", "the class of WTForms, as in Flask-WTF", "Form"),
        *names(
            "supported",
            "with quart-babel or Flask-Babel the locale is theirs, else see `WTF_LOCALES`",
            "WTF_I18N_ENABLED",
        ),
        *names(
            "awaited",
            "`await form.validate_on_submit()`, `await csrf.protect()`",
            "CSRFProtect.protect",
            "FlaskForm.validate_on_submit",
        ),
        *names("awaited", "`await Form.create(...)` reads the request", "FlaskForm()"),
        *names("awaited", "a form of this package awaits it", "Recaptcha"),
        *names("changed", "it is called once for each application", "CSRFProtect.init_app"),
        *names(
            "changed",
            "it applies to this function or class, not to others with its name in its module",
            "CSRFProtect.exempt",
        ),
        *names(
            "changed",
            "it can be read; to skip the check of a form, write"
            ' `await Form.create(meta={"csrf": False})`',
            "g.csrf_valid",
        ),
        *(ExtensionName(name, "refused", remedy) for name, remedy in INSTEAD.items()),
    ),
)
"""The public names of Flask-WTF, and the settings of its older versions."""
