"""What type checkers infer for users of wtforms. This module is checked, and never run."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, assert_type

from markupsafe import Markup
from quart import Quart
from quart.typing import ResponseReturnValue
from quart.wrappers import Response
from wtforms import FieldList, FormField, IntegerField, StringField

from quartpatterns.wtforms import (
    CSRFError,
    CSRFProtect,
    QuartForm,
    TokenError,
    csrf_meta_tag,
    csrf_token_view,
    generate_csrf,
    validate_csrf,
)


class NameForm(QuartForm):
    """A form as a user declares it."""

    name = StringField()

    async def validate_name(self, field: StringField) -> None:
        """Do nothing."""


class PeriodForm(QuartForm):
    """A form with an asynchronous ``validate()``, without the parameter that it does not use."""

    begin = IntegerField()
    end = IntegerField()

    async def validate(self) -> bool:
        """Compare two fields."""
        return await super().validate() and (self.begin.data or 0) < (self.end.data or 0)


class LongPeriodForm(PeriodForm):
    """Another one, with the parameter."""

    async def validate(self, extra_validators: Mapping[str, Sequence[Any]] | None = None) -> bool:
        """Validate as WTForms' documentation shows it."""
        return await super().validate()


class ProjectForm(QuartForm):
    """Forms are fields of other forms."""

    period = FormField(PeriodForm)
    names = FieldList(FormField(NameForm))


async def overridden(project: ProjectForm) -> None:
    """An overridden ``validate()`` is awaited, as are the methods that call it."""
    form = await LongPeriodForm.create()
    assert_type(form, LongPeriodForm)
    assert_type(await form.validate(), bool)
    assert_type(await form.validate_on_submit(), bool)
    assert_type(project.period, FormField[PeriodForm])
    assert_type(project.errors, dict[str, Any])
    assert_type([field.name for field in form], list[str])


async def forms() -> None:
    """``create`` returns the class that it is called on; validation returns a bool."""
    form = await NameForm.create(prefix="a", data={"name": "Ada"}, args=True)
    assert_type(form, NameForm)
    assert_type(await form.validate_on_submit(), bool)
    assert_type(form.validate({"name": []}), Awaitable[bool])
    assert_type(await form.validate(), bool)
    assert_type(form.is_submitted(), bool)
    assert_type(form.hidden_tag("csrf_token", form.name), Markup)
    assert_type(form.from_query, bool)


async def protection(app: Quart, csrf: CSRFProtect) -> None:
    """``exempt`` keeps the signature of a view."""

    async def view(number: int) -> ResponseReturnValue:
        return str(number)

    exempt = csrf.exempt(view)
    app.route("/<int:number>")(exempt)
    assert_type(await exempt(1), ResponseReturnValue)
    assert_type(csrf.exempt("module.view"), str)
    assert_type(await csrf.protect(apply_exemptions=True), None)
    assert_type(await csrf_token_view(), Response)
    assert_type(generate_csrf(), str)
    assert_type(csrf_meta_tag(), Markup)
    validate_csrf(None, time_limit=60)


def errors(refused: CSRFError, invalid: TokenError) -> None:
    """Errors have their reason in one word, as a literal type."""
    if refused.reason == "missing":
        assert_type(invalid.reason == "expired", bool)
    details: dict[str, Any] = {refused.reason: refused.description}
    assert details
