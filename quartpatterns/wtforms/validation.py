"""The validation of a form: what is synchronous first, then all the rest at once."""

# WTForms' and Quart's annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any

import wtforms
from wtforms.fields import Field, FieldList, FormField
from wtforms.form import BaseForm

from quartpatterns.wtforms.awaiting import close
from quartpatterns.wtforms.chains import Chain
from quartpatterns.wtforms.files import FileField, MultipleFileField

__all__ = ["AwaitedForm", "validate_fields"]

OWN = {Field.validate, FieldList.validate, FormField.validate}
OWN_OF_FORMS = {BaseForm.validate, wtforms.Form.validate}


class AwaitedForm(wtforms.Form):
    """A form whose ``validate()`` is awaited, and looks after its own fields."""


async def validate_fields(
    form: BaseForm, extra_validators: Mapping[str, Sequence[Any]] | None = None
) -> bool:
    """Validate the fields of *form*, and of the forms and lists in it; whether all are valid.

    Validators that return an awaitable are awaited together, in tasks that end with this call:
    where one fails with anything but WTForms' own errors, or the caller is cancelled, the others
    are cancelled and waited for.

    Arguments:
        form: Any form of WTForms.
        extra_validators: More validators by the name of the field.

    Raises:
        Exception: What a validator raised that is neither ``ValidationError`` nor
            ``StopValidation``; of several the first.
    """
    validation = _Validation(form)
    try:
        validation.run(extra_validators or {})
        await validation.settle()
    finally:
        validation.close()
    return validation.finish()


class _Validation:
    """One validation of one form."""

    def __init__(self, form: BaseForm) -> None:
        self.form = form
        self.chains = [Chain(field) for field in _walk(form)]
        self.said: dict[str, bool] = {}
        # Forms that validate themselves, by the field that holds them.
        self.forms: dict[Any, Awaitable[bool]] = {}
        self.valid: dict[Any, bool] = {}
        self.postponed: set[Any] = set()

    def run(self, extra_validators: Mapping[str, Sequence[Any]]) -> None:
        """Run all that is synchronous."""
        for chain in self.chains:
            self._take_over(chain)
        try:
            for name, field in self.form._fields.items():
                extra = list(extra_validators.get(name, ()))
                self.said[name] = field.validate(self.form, extra)
        finally:
            for chain in self.chains:
                _give_back(chain.field)

    def _take_over(self, chain: Chain) -> None:
        """Have *chain* asked in the place of the field's own methods."""
        field: Any = chain.field
        post_validate = field.post_validate

        def later(form: BaseForm, stopped: bool) -> None:
            if chain.waiting:
                self.postponed.add(field)
            else:
                post_validate(form, stopped)

        field._run_validation_chain = chain.run
        field.post_validate = later
        if isinstance(field, FormField):
            self._take_form(chain.field)

    def _take_form(self, field: Any) -> None:
        validate = field.validate

        def kept(form: BaseForm, extra_validators: Sequence[Any] = ()) -> bool:
            said = validate(form, extra_validators)
            if not inspect.isawaitable(said):
                return bool(said)
            self.forms[field] = said
            return True

        field.validate = kept

    async def settle(self) -> None:
        """Await all that is asynchronous."""
        failed: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for chain in self.chains:
                    chain.start(group)
                for field in self.forms:
                    group.create_task(self._settle_form(field))
        except BaseExceptionGroup as errors:
            failed = errors.exceptions[0]
        if failed is not None:
            # The error itself, as handlers are registered for, not the group around it.
            raise failed

    async def _settle_form(self, field: Any) -> None:
        self.valid[field] = await self.forms[field]

    def close(self) -> None:
        """Give up what nobody has awaited."""
        for chain in self.chains:
            for awaitable in chain.waiting.values():
                close(awaitable)
        for form in self.forms.values():
            close(form)

    def finish(self) -> bool:
        """Write the errors, those of what is inside first; whether there are none."""
        for chain in self.chains:
            listed = isinstance(chain.field, FieldList) and chain.form is not None
            if chain.waiting or listed:
                chain.finish(post_validate=chain.field in self.postponed)
        return all(map(self._is_valid, self.form._fields.values(), self.said.values()))

    def _is_valid(self, field: Any, said: bool) -> bool:
        if field in self.valid:
            return self.valid[field]
        # A field or form that overrides validate() may refuse without an error of its own.
        form: Any = field.form if isinstance(field, FormField) else None
        own = type(field).validate in OWN and (form is None or type(form).validate in OWN_OF_FORMS)
        return not field.errors and (said or own)


def _walk(form: BaseForm) -> Iterator[Field]:
    """The fields of *form*, those inside of others before these."""
    for field in form._fields.values():
        yield from _inside(field)


def _inside(field: Any) -> Iterator[Field]:
    if isinstance(field, wtforms.FileField) and not isinstance(
        field, FileField | MultipleFileField
    ):
        raise TypeError(
            f"the field {field.name} would never see a file: take FileField or MultipleFileField"
            " from quartpatterns.wtforms"
        )
    for name in ("pre_validate", "post_validate"):
        if inspect.iscoroutinefunction(getattr(field, name)):
            raise TypeError(
                f"{name} of {type(field).__name__} can't be asynchronous: write an asynchronous"
                " validator"
            )
    if isinstance(field, FieldList):
        for entry in field.entries:
            yield from _inside(entry)
    elif isinstance(field, FormField) and not isinstance(field.form, AwaitedForm):
        if inspect.iscoroutinefunction(field.form.validate):
            name = type(field.form).__name__
            raise TypeError(f"{name} has an asynchronous validate(): make it a QuartForm")
        yield from _walk(field.form)
    yield field


def _give_back(field: Any) -> None:
    for name in ("_run_validation_chain", "post_validate", "validate"):
        field.__dict__.pop(name, None)
