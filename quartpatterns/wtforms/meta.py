"""How forms are bound, protected and translated: the class ``Meta`` of every form."""

# WTForms' annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import functools
from typing import Any

from quart import has_request_context, session
from wtforms.csrf.core import CSRF, CSRFTokenField
from wtforms.form import BaseForm
from wtforms.meta import DefaultMeta

from quartpatterns.wtforms.formdata import FormData
from quartpatterns.wtforms.languages import catalog, wanted_locales
from quartpatterns.wtforms.settings import setting
from quartpatterns.wtforms.tokens import generate_csrf, state, validate_csrf

__all__ = ["Meta"]


class _SessionToken(CSRF):
    """The hidden field with the token of the session."""

    def setup_form(self, form: BaseForm) -> list[tuple[str, Any]]:
        self.meta = form.meta
        return super().setup_form(form)

    def generate_csrf_token(self, csrf_token_field: CSRFTokenField) -> str:
        return generate_csrf(self.meta.csrf_secret, self.meta.csrf_field_name)

    def validate_csrf_token(self, form: BaseForm, field: CSRFTokenField) -> None:
        # CSRFProtect has looked already; and a query changes nothing.
        if state().valid or getattr(form, "of_args", False):
            return
        meta = self.meta
        validate_csrf(field.data, meta.csrf_secret, meta.csrf_time_limit, meta.csrf_field_name)


class Meta(DefaultMeta):
    """How the form is bound, protected and translated."""

    csrf_class = _SessionToken

    @property
    def csrf_context(self) -> Any:  # type: ignore[override]
        """The session, for a ``csrf_class`` of the reader's own."""
        return session

    @functools.cached_property
    def csrf(self) -> bool:  # type: ignore[override]
        """Whether there is a token: not outside of a request, nor within another form."""
        nested = getattr(self, "_parent_form", None) is not None
        return not nested and has_request_context() and setting("WTF_CSRF_ENABLED")

    @functools.cached_property
    def csrf_secret(self) -> Any:  # type: ignore[override]
        """What signs the token."""
        return setting("WTF_CSRF_SECRET_KEY")

    @functools.cached_property
    def csrf_field_name(self) -> str:  # type: ignore[override]
        """The name of the hidden field."""
        name: str = setting("WTF_CSRF_FIELD_NAME")
        return name

    @functools.cached_property
    def csrf_time_limit(self) -> float | None:
        """Seconds for which a token is valid."""
        limit: float | None = setting("WTF_CSRF_TIME_LIMIT")
        return limit

    def wrap_formdata(self, form: BaseForm, formdata: Any) -> Any:
        """Keep files from fields that do not expect any."""
        if isinstance(formdata, FormData):
            return formdata
        found = super().wrap_formdata(form, formdata)
        return None if found is None else FormData(found)

    def get_translations(self, form: BaseForm) -> Any:
        """The messages in ``locales`` where they are set, else in the visitor's language."""
        locales: Any = self.locales
        if locales is None:  # whatever the process's environment says
            return super().get_translations(form)
        wanted = wanted_locales(locales)
        return catalog(wanted) if wanted else None
