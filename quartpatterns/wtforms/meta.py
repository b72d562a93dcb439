"""The class ``Meta`` of every form: submitted data, CSRF token and translations."""

# WTForms' annotations leave out type arguments.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import functools
from typing import Any

import wtforms
from quart import has_request_context, session
from wtforms.csrf.core import CSRF, CSRFTokenField
from wtforms.fields import Field
from wtforms.form import BaseForm
from wtforms.meta import DefaultMeta

from quartpatterns.wtforms.files import FormData, show_files
from quartpatterns.wtforms.settings import settings, time_limit
from quartpatterns.wtforms.tokens import (
    TokenError,
    generate_csrf,
    logger,
    request_state,
    validate_csrf,
)
from quartpatterns.wtforms.translations import form_locales, translations

__all__ = ["Meta"]


class _SessionCSRF(CSRF):
    """The hidden field with the token of the session."""

    def setup_form(self, form: BaseForm) -> list[tuple[str, Any]]:
        self.meta = form.meta
        return super().setup_form(form)

    def generate_csrf_token(self, csrf_token_field: CSRFTokenField) -> str:
        return generate_csrf(self.meta.csrf_secret, self.meta.csrf_field_name)

    def validate_csrf_token(self, form: BaseForm, field: CSRFTokenField) -> None:
        # CSRFProtect has already checked the request, or the data comes from the query.
        if request_state().valid or getattr(form, "from_query", False):
            return
        meta = self.meta
        try:
            validate_csrf(field.data, meta.csrf_secret, meta.csrf_time_limit, meta.csrf_field_name)
        except TokenError as error:
            logger.info("%s %s", error, error.remedy)
            raise


class Meta(DefaultMeta):
    """The base of ``Meta`` in every form."""

    csrf_class = _SessionCSRF

    concurrent_validators = False
    """Whether asynchronous validators run at the same time instead of one after the other.

    Set it only if they share nothing that one task may use at a time. ``db.session`` is such a
    thing.
    """

    @property
    def csrf_context(self) -> Any:  # type: ignore[override]
        """The session, for a ``csrf_class`` of the application."""
        return session

    @functools.cached_property
    def csrf(self) -> bool:  # type: ignore[override]
        """Whether the form has a token: not outside of a request, and not within another form."""
        nested = getattr(self, "_parent_form", None) is not None
        return not nested and has_request_context() and settings().boolean("WTF_CSRF_ENABLED")

    @functools.cached_property
    def csrf_secret(self) -> Any:  # type: ignore[override]
        """The key that signs the token."""
        return settings().value("WTF_CSRF_SECRET_KEY")

    @functools.cached_property
    def csrf_field_name(self) -> str:  # type: ignore[override]
        """The name of the hidden field."""
        return settings().text("WTF_CSRF_FIELD_NAME")

    @functools.cached_property
    def csrf_time_limit(self) -> float | None:
        """Seconds for which a token is valid."""
        return time_limit()

    def bind_field(  # type: ignore[override]
        self, form: BaseForm, unbound_field: Any, options: Any
    ) -> Field:
        """Return a field of *form*; a file field of WTForms itself gets files."""
        field: Field = unbound_field.bind(form=form, **options)
        if isinstance(field, wtforms.FileField):
            show_files(field)
        return field

    def wrap_formdata(self, form: BaseForm, formdata: Any) -> Any:
        """Return data that hides files from text fields."""
        if isinstance(formdata, FormData):
            return formdata
        found = super().wrap_formdata(form, formdata)
        return None if found is None else FormData(found)

    def get_translations(self, form: BaseForm) -> Any:
        """Return the messages for ``locales`` if it is set, else for the visitor's language."""
        own: Any = self.locales
        if own is None:  # messages in the language of the process's environment
            return super().get_translations(form)
        locales = form_locales(own)
        return translations(locales) if locales else None
