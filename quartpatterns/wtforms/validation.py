"""The validation of a form: synchronous validators first, then the asynchronous ones."""

# WTForms' and Quart's annotations leave out type arguments.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import wtforms
from wtforms.fields import Field, FieldList, FormField
from wtforms.form import BaseForm
from wtforms.meta import DefaultMeta
from wtforms.validators import StopValidation, ValidationError

from quartpatterns.wtforms.files import sees_files
from quartpatterns.wtforms.pending import close_awaitable

__all__ = ["AsyncForm", "validate_form"]

FIELD_VALIDATE = {Field.validate, FieldList.validate, FormField.validate}
FORM_VALIDATE = {BaseForm.validate, wtforms.Form.validate}


if TYPE_CHECKING:
    # In types-WTForms, validate() returns a bool. Type checkers compare a method with that of every
    # base class, so with this base no subclass of AsyncForm could have an `async def validate`.
    _Form: Any = wtforms.Form
else:
    _Form = wtforms.Form


class AsyncForm(_Form):  # type: ignore[misc]
    """A form whose ``validate()`` is awaited, and validates its own fields."""

    if TYPE_CHECKING:
        meta: DefaultMeta
        form_errors: list[str]

        @property
        def data(self) -> dict[str, Any]: ...
        @property
        def errors(self) -> dict[str, Any]: ...
        def __iter__(self) -> Iterator[Field]: ...
        def __contains__(self, name: str) -> bool: ...
        def __getitem__(self, name: str) -> Field: ...
        def populate_obj(self, obj: object) -> None: ...
        def validate(self, *args: Any, **kwargs: Any) -> Awaitable[bool]: ...


async def validate_form(
    form: BaseForm, extra_validators: Mapping[str, Sequence[Any]] | None = None
) -> bool:
    """Validate the fields of *form*, with its nested forms and lists; return whether all are valid.

    What validators return is awaited in the order of the fields, in the current task. So they can
    share what only one task may use, such as a database session.

    If the form's ``Meta.concurrent_validators`` is true, it is awaited at the same time, in tasks
    that end with this call. The first error that is neither ``ValidationError`` nor
    ``StopValidation`` ends the validation and is raised.
    """
    validation = _FormValidation(form)
    try:
        validation.run_synchronous(extra_validators or {})
        await validation.run_asynchronous()
    finally:
        validation.close()
    return validation.is_valid()


class _FormValidation:
    """One validation of one form.

    WTForms runs the synchronous part. For its time, the instance attributes ``validate`` and
    ``post_validate`` of each field are replaced: :class:`_FieldValidation` runs the validators of
    the field, and ``post_validate`` waits for the asynchronous ones.
    """

    def __init__(self, form: BaseForm) -> None:
        self.form = form
        self.fields = [_FieldValidation(field) for field in _all_fields(form)]
        # What validate() of each field returned.
        self.returned: dict[str, bool] = {}
        # Nested forms with an awaitable validate(), by their field, and what it returned.
        self.nested: dict[Any, Awaitable[bool]] = {}
        self.nested_valid: dict[Any, bool] = {}
        self.postponed: set[Any] = set()

    def run_synchronous(self, extra_validators: Mapping[str, Sequence[Any]]) -> None:
        for validation in self.fields:
            self._replace_methods(validation)
        try:
            for field in self.form:
                extra = list(extra_validators.get(field.short_name, ()))
                self.returned[field.short_name] = field.validate(self.form, extra)
        finally:
            for validation in self.fields:
                for name in ("validate", "post_validate"):
                    vars(validation.field).pop(name, None)

    def _replace_methods(self, validation: _FieldValidation) -> None:
        field = validation.field
        validate, post_validate = field.validate, field.post_validate

        def validate_later(form: BaseForm, extra_validators: Sequence[Any] = ()) -> bool:
            if isinstance(field, FormField):
                returned = validate(form, extra_validators)
                if not inspect.isawaitable(returned):
                    return bool(returned)
                self.nested[field] = returned
                return True
            validators = field.validators
            every = (*validators, *extra_validators)

            def run(form: BaseForm, field: Field) -> None:
                if validation.run(form, every):
                    raise StopValidation

            field.validators = [run]
            try:
                return bool(validate(form))
            finally:
                field.validators = validators

        def post_validate_later(form: BaseForm, validation_stopped: bool) -> None:
            if validation.awaitables:
                self.postponed.add(field)
            else:
                post_validate(form, validation_stopped)

        field.validate, field.post_validate = validate_later, post_validate_later

    async def run_asynchronous(self) -> None:
        if getattr(self.form.meta, "concurrent_validators", False):
            await self._run_concurrently()
            self._write_errors(self.fields)
            return
        for validation in self.fields:  # inner fields before outer ones
            await validation.run_asynchronous()
            if validation.field in self.nested:
                await self._run_nested(validation.field)
            # As in WTForms, validators of later fields see these errors.
            self._write_errors([validation])

    async def _run_concurrently(self) -> None:
        first: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for validation in self.fields:
                    validation.start(group)
                for field in self.nested:
                    group.create_task(self._run_nested(field))
        except BaseExceptionGroup as errors:
            first = errors.exceptions[0]
        if first is not None:
            # Error handlers are registered for the error itself, not for the group.
            raise first

    async def _run_nested(self, field: Any) -> None:
        self.nested_valid[field] = await _result(self.nested[field], field)

    def close(self) -> None:
        """Close what was not awaited because of an error."""
        for validation in self.fields:
            for awaitable in validation.awaitables.values():
                close_awaitable(awaitable)
        for awaitable in self.nested.values():
            close_awaitable(awaitable)

    def is_valid(self) -> bool:
        """Return whether all fields are valid."""
        return all(map(self._is_valid, self.form, self.returned.values()))

    def _write_errors(self, fields: Sequence[_FieldValidation]) -> None:
        for validation in fields:
            is_list = isinstance(validation.field, FieldList) and validation.form is not None
            if validation.awaitables or is_list:
                validation.write_errors(post_validate=validation.field in self.postponed)

    def _is_valid(self, field: Any, returned: bool) -> bool:
        if field in self.nested_valid:
            return self.nested_valid[field]
        # An overridden validate() may return False without writing an error.
        form: Any = field.form if isinstance(field, FormField) else None
        overridden = type(field).validate not in FIELD_VALIDATE or (
            form is not None and type(form).validate not in FORM_VALIDATE
        )
        return not field.errors and (returned or not overridden)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one validator did to the errors of its field."""

    messages: tuple[Any, ...] = ()  # that it added
    stops: bool = False  # whether it stopped the validation of the field
    clears: bool = False  # whether it removed all messages before it, as Optional does


class _FieldValidation:
    """The validators of one field.

    :meth:`run` calls the validators in their order and collects what asynchronous ones return.
    :meth:`run_asynchronous` or :meth:`start` awaits these. :meth:`write_errors` combines all
    outcomes in the order of the validators, so the errors do not depend on which one was faster.

    Arguments:
        field: A bound field. WTForms' annotations of its attributes are too narrow.
    """

    def __init__(self, field: Any) -> None:
        self.field = field
        self.form: Any = None
        self.awaitables: dict[int, Awaitable[Any]] = {}
        self._errors_before: list[Any] = []
        self._error_count = 0
        self._outcomes: dict[int, _Outcome] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def run(self, form: BaseForm, validators: Sequence[Any]) -> bool:
        """Run the synchronous validators; return whether one stopped the validation."""
        self.form = form
        self._errors_before = list(self.field.errors)
        stopped = any(self._call(*numbered) for numbered in enumerate(validators))
        self.field.errors = list(self.field.errors)
        self._error_count = len(self.field.errors)
        return stopped

    def _call(self, position: int, validator: Any) -> bool:
        before = list(self.field.errors)
        self.field.errors = errors = _ErrorList(before)
        stops = False
        try:
            returned = validator(self.form, self.field)
            if inspect.isawaitable(returned):
                self.awaitables[position] = returned
        except StopValidation as stop:
            stops = True
            self.field.errors.extend(_message(stop))
        except ValidationError as error:
            self.field.errors.append(error.args[0])
        clears = errors.removed or self.field.errors is not errors
        added = tuple(self.field.errors[0 if clears else len(before) :])
        self._outcomes[position] = _Outcome(added, stops, clears)
        return stops

    async def run_asynchronous(self) -> None:
        """Await the asynchronous validators in their order, until one stops the validation."""
        for position in self.awaitables:
            await self._await(position)
            if self._outcomes[position].stops:
                break

    def start(self, group: asyncio.TaskGroup) -> None:
        """Await the asynchronous validators in tasks of *group*."""
        for position in self.awaitables:
            self._tasks[position] = group.create_task(self._await(position))

    async def _await(self, position: int) -> None:
        try:
            await _result(self.awaitables[position], self.field)
        except StopValidation as stop:
            self._outcomes[position] = _Outcome(tuple(_message(stop)), stops=True)
            for later in filter(position.__lt__, self._tasks):
                self._tasks[later].cancel()
        except ValidationError as error:
            self._outcomes[position] = _Outcome((error.args[0],))

    def write_errors(self, *, post_validate: bool) -> None:
        """Write the errors of the field, and call the postponed ``post_validate``."""
        field = self.field
        # Messages that an asynchronous validator has added itself, without an exception.
        direct = field.errors[self._error_count :] if self.awaitables else []
        errors = list(self._errors_before)
        if isinstance(field, FieldList):
            errors = [entry.errors for entry in field.entries]
            errors = errors if any(errors) else []
        stopped = False
        for outcome in self._outcomes.values():  # in the order of the validators
            errors = ([] if outcome.clears else errors) + list(outcome.messages)
            if stopped := outcome.stops:
                break
        field.errors = errors + list(direct)
        if post_validate:
            try:
                field.post_validate(self.form, stopped)
            except ValidationError as error:
                field.errors.append(error.args[0])


class _ErrorList(list[Any]):
    """A list of errors that notices removals, which ``Optional`` does even to an empty list."""

    removed = False

    def __setitem__(self, key: Any, value: Any) -> None:
        self.removed = True
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.removed = True
        super().__delitem__(key)

    def clear(self) -> None:
        self.removed = True
        super().clear()


async def _result(awaitable: Awaitable[Any], field: Any) -> Any:
    """Await *awaitable*, and return its result.

    Raises:
        RuntimeError: It was cancelled although this task was not, for example because it waits for
            a task of another request. A task group ignores that, so *field* would be valid.
    """
    try:
        return await awaitable
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError(
            f"The validation of {field.name} was cancelled: a validator waits for something that"
            " another task has cancelled. Catch asyncio.CancelledError there."
        ) from error


def _message(stop: StopValidation) -> list[Any]:
    return list(stop.args[:1]) if stop.args and stop.args[0] else []


@lru_cache(maxsize=1024)
def _is_coroutine_function(function: Any) -> bool:
    # A form has dozens of fields of a few classes.
    return inspect.iscoroutinefunction(function)


def _all_fields(form: BaseForm) -> Iterator[Field]:
    """Iterate over the fields of *form*, inner fields before the outer ones."""
    for field in form:
        yield from _with_inner_fields(field)


def _with_inner_fields(field: Any) -> Iterator[Field]:
    if isinstance(field, wtforms.FileField) and not sees_files(field):
        raise TypeError(
            f"The field {field.name} can't receive a file within a form of WTForms: use FileField"
            " or MultipleFileField from quartpatterns.wtforms."
        )
    for name in ("pre_validate", "post_validate"):
        is_own = name in vars(field)
        method = getattr(field if is_own else type(field), name)
        if inspect.iscoroutinefunction(method) if is_own else _is_coroutine_function(method):
            raise TypeError(
                f"{name} of {type(field).__name__} can't be asynchronous: use an asynchronous"
                " validator instead."
            )
    if isinstance(field, FieldList):
        for entry in field.entries:
            yield from _with_inner_fields(entry)
    elif isinstance(field, FormField) and not isinstance(field.form, AsyncForm):
        if inspect.iscoroutinefunction(field.form.validate):
            name = type(field.form).__name__
            raise TypeError(f"{name} has an asynchronous validate(): make it a QuartForm.")
        yield from _all_fields(field.form)
    yield field
