"""Asynchronous validators run at the same time, with the errors of sequential ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import wtforms
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import abort
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import ServiceUnavailable
from wtforms import Field, FieldList, FormField, StringField
from wtforms.validators import StopValidation, ValidationError

from quartpatterns.wtforms import QuartForm
from tests.examples import examples
from tests.serving import TIMEOUT

pytestmark = pytest.mark.checks("WT-5")

Action = str
Validator = tuple[Action, int, int]  # action, steps (0 is synchronous), position


def act(action: Action, number: int, field: Any) -> None:
    """Do the last step of a validator."""
    if action == "error":
        raise ValidationError(f"error {number}")
    if action == "stop":
        raise StopValidation(f"stop {number}")
    if action == "end":
        raise StopValidation
    if action == "clear":
        field.errors[:] = []
    if action == "optional":  # like Optional
        field.errors[:] = []
        raise StopValidation


def asynchronous(action: Action, steps: int, number: int) -> Callable[[Any, Any], Any]:
    async def validator(form: Any, field: Any) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)
        act(action, number, field)

    return validator


def synchronous(action: Action, number: int) -> Callable[[Any, Any], Any]:
    def validator(form: Any, field: Any) -> None:
        act(action, number, field)

    return validator


def make(
    base: type[Any], nested: type[Any], plan: list[list[Validator]], *, sync: bool
) -> type[Any]:
    """Create a form class of four kinds of fields with the validators in *plan*."""
    chains = [
        [
            synchronous(action, number)
            if sync or not steps
            else asynchronous(action, steps, number)
            for action, steps, number in one
        ]
        for one in plan
    ]
    inner = type("Inner", (nested,), {"text": StringField(validators=chains[1])})
    listed = type("Listed", (nested,), {"text": StringField(validators=chains[4])})
    fields = {
        "text": StringField(validators=chains[0]),
        "form": FormField(inner),
        "list": FieldList(StringField(validators=chains[2]), validators=chains[3], min_entries=2),
        "forms": FieldList(FormField(listed), min_entries=1),
    }
    return type("Outer", (base,), fields)


sync_actions = st.tuples(
    st.sampled_from(["ok", "error", "error", "stop", "end", "clear", "optional"]), st.just(0)
)
async_actions = st.tuples(
    st.sampled_from(["ok", "error", "error", "stop", "end"]), st.integers(1, 4)
)
chains = st.lists(sync_actions | async_actions, max_size=4).map(
    lambda found: [(*one, number) for number, one in enumerate(found)]
)


@settings(max_examples=examples(150))
@given(
    plan=st.lists(chains, min_size=5, max_size=5),
    nested=st.sampled_from([wtforms.Form, QuartForm]),
    concurrent=st.booleans(),
)
def test_same_errors_as_sequential_validation(
    plan: list[list[Validator]], nested: type[Any], concurrent: bool
) -> None:
    """However long validators wait, result and errors are those of WTForms."""
    expected = make(wtforms.Form, wtforms.Form, plan, sync=True)(MultiDict())
    valid = expected.validate()
    meta = {"concurrent_validators": concurrent}
    form = make(QuartForm, nested, plan, sync=False)(MultiDict(), meta=meta)
    assert asyncio.run(validate(form)) == valid
    assert form.errors == expected.errors


async def validate(form: QuartForm) -> bool:
    return await form.validate()


async def test_concurrently() -> None:
    """On request all validators run at the same time: of fields, lists and nested forms."""
    running = 0
    all_running = asyncio.Event()

    async def wait(*_: object) -> None:
        nonlocal running
        running += 1
        if running == 9:
            all_running.set()
        async with asyncio.timeout(TIMEOUT):
            await all_running.wait()

    class Concurrent(QuartForm):
        class Meta:
            concurrent_validators = True

    class Inner(Concurrent):
        text = StringField(validators=[wait])

    class Plain(wtforms.Form):
        text = StringField(validators=[wait])

        async def validate_text(self, field: Field) -> None:
            await wait()

    class Outer(Concurrent):
        text = StringField(validators=[wait, wait])
        inner = FormField(Inner)
        plain = FormField(Plain)
        listed = FieldList(StringField(validators=[wait]), validators=[wait], min_entries=1)

        async def validate_text(self, field: Field) -> None:
            await wait()

    form = Outer(MultiDict())
    assert await form.validate({"text": [wait]})
    assert running == 9


async def test_one_after_the_other() -> None:
    """By default they run in the order of the fields, in the task of the view."""
    order: list[str] = []
    running = False
    task = asyncio.current_task()

    def append(name: str) -> Callable[..., Any]:
        async def validator(*_: object) -> None:
            nonlocal running
            assert not running
            assert asyncio.current_task() is task
            running = True
            await asyncio.sleep(0)
            running = False
            order.append(name)

        return validator

    class Inner(QuartForm):
        text = StringField(validators=[append("inner")])

    class Plain(wtforms.Form):
        text = StringField(validators=[append("plain")])

    class Outer(QuartForm):
        text = StringField(validators=[append("text 1"), append("text 2")])
        inner = FormField(Inner)
        plain = FormField(Plain)
        listed = FieldList(
            StringField(validators=[append("entry")]), validators=[append("list")], min_entries=2
        )

        async def validate_text(self, field: Field) -> None:
            await append("text 4")()

    form = Outer(MultiDict())
    assert await form.validate({"text": [append("text 3")]})
    expected = "text 1, text 2, text 3, text 4, inner, plain, entry, entry, list"
    assert ", ".join(order) == expected


async def test_earlier_errors() -> None:
    """A validator sees the errors of the fields before its own, as in WTForms."""

    class Form(QuartForm):
        name = StringField()
        password = StringField()

        async def validate_name(self, field: Field) -> None:
            raise ValidationError("unknown")

        async def validate_password(self, field: Field) -> None:
            assert self.name.errors == ["unknown"]
            assert not field.errors

    form = Form(MultiDict())
    assert not await form.validate()
    assert form.errors == {"name": ["unknown"]}


@pytest.mark.parametrize("error", [OSError("no database"), asyncio.CancelledError()])
async def test_nothing_runs_after_an_error(error: BaseException) -> None:
    """The later validators never begin, and none is left to be awaited."""

    async def fail(form: Any, field: Any) -> None:
        raise error

    async def never(form: Any, field: Any) -> None:
        pytest.fail("it ran")

    class Form(QuartForm):
        one = StringField(validators=[never])
        two = StringField(validators=[fail, never])
        three = StringField(validators=[never])

    class Stopping(QuartForm):
        one = StringField(validators=[stop, never])

    form = Form(MultiDict())
    del form.one
    expected = OSError if isinstance(error, OSError) else RuntimeError
    with pytest.raises(expected):
        await form.validate()
    other = Stopping(MultiDict())
    assert not await other.validate()
    assert other.errors == {"one": ["stop"]}


async def stop(form: Any, field: Any) -> None:
    raise StopValidation("stop")


async def test_synchronous_first() -> None:
    """Synchronous validators run first, and a stop skips the later validators of the field."""
    order: list[str] = []

    def append(text: str) -> Callable[[Any, Any], None]:
        return lambda form, field: order.append(text)

    async def late(form: Any, field: Any) -> None:
        order.append(f"late {field.short_name}")

    def stop(form: Any, field: Any) -> None:
        raise StopValidation("no")

    class Form(QuartForm):
        one = StringField(validators=[late, append("one")])
        two = StringField(validators=[append("two"), stop, late])
        three = StringField(validators=[append("three")])

    form = Form(MultiDict())
    assert not await form.validate()
    assert order == ["one", "two", "three", "late one"]
    assert form.errors == {"two": ["no"]}


async def test_stop_cancels() -> None:
    """A validator that stops its field cancels the later ones, but not those of other fields."""
    ended: list[str] = []

    async def stop(form: Any, field: Any) -> None:
        raise StopValidation("stop")

    async def later(form: Any, field: Any) -> None:
        try:
            await asyncio.sleep(TIMEOUT)
        finally:
            ended.append("later")

    async def other(form: Any, field: Any) -> None:
        await asyncio.sleep(0.01)
        raise ValidationError("other")

    class Form(QuartForm):
        one = StringField(validators=[other, stop, later])
        two = StringField(validators=[other])

    form = Form(MultiDict(), meta={"concurrent_validators": True})
    async with asyncio.timeout(TIMEOUT / 2):
        assert not await form.validate()
    assert form.errors == {"one": ["other", "stop"], "two": ["other"]}
    assert ended in (["later"], [])  # cancelled, perhaps before it began


@pytest.mark.parametrize("error", [OSError("no database"), ServiceUnavailable("no database")])
async def test_failure(error: Exception) -> None:
    """An unexpected error cancels the other validators and is raised unchanged."""
    ended = asyncio.Event()

    async def long(form: Any, field: Any) -> None:
        try:
            await asyncio.sleep(TIMEOUT)
        finally:
            await asyncio.sleep(0)
            ended.set()

    async def fail(form: Any, field: Any) -> None:
        await asyncio.sleep(0.01)
        if isinstance(error, ServiceUnavailable):
            abort(503, "no database")
        raise error

    class Inner(QuartForm):
        text = StringField(validators=[fail])

    class Form(QuartForm):
        one = StringField(validators=[long])
        two = FormField(Inner)

    tasks = len(asyncio.all_tasks())
    with pytest.raises(type(error), match="no database"):
        await Form(MultiDict(), meta={"concurrent_validators": True}).validate()
    assert ended.is_set()
    assert len(asyncio.all_tasks()) == tasks


async def test_failure_of_a_synchronous_validator() -> None:
    """Coroutines are closed without a warning, and the methods of the fields are restored."""

    async def late(form: Any, field: Any) -> None: ...

    def fail(form: Any, field: Any) -> None:
        raise OSError

    class Form(QuartForm):
        one = StringField(validators=[late])
        two = StringField(validators=[fail])

    form = Form(MultiDict())
    with pytest.raises(OSError):
        await form.validate()
    assert not {"validate", "post_validate"} & set(vars(form.one))
    assert form.one.validators == [late]


async def test_cancelled() -> None:
    """Cancelling the validation cancels the validators."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def long(form: Any, field: Any) -> None:
        started.set()
        try:
            await asyncio.sleep(TIMEOUT)
        finally:
            ended.set()

    class Form(QuartForm):
        one = StringField(validators=[long])

    async def validate() -> bool:
        return await Form(MultiDict()).validate()

    task = asyncio.create_task(validate())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@pytest.mark.parametrize("nested", [False, True])
async def test_cancelled_by_another_task(nested: bool) -> None:
    """What a validator waits for is cancelled: the form is not valid."""
    shared = asyncio.create_task(asyncio.sleep(TIMEOUT))

    async def wait(form: Any, field: Any) -> None:
        await shared

    class Inner(QuartForm):
        text = StringField(validators=[wait])

        async def validate(self, extra_validators: Any = None) -> bool:
            await shared
            return True

    class Form(QuartForm):
        one = FormField(Inner) if nested else StringField(validators=[wait])

    form = Form(MultiDict())
    asyncio.get_running_loop().call_later(0.01, shared.cancel)
    with pytest.raises(RuntimeError, match="The validation of one was cancelled"):
        await form.validate()


async def test_errors_without_an_exception() -> None:
    """Messages that a validator appends to the errors itself count, too."""

    async def late(form: Any, field: Any) -> None:
        await asyncio.sleep(0)
        field.errors.append("late")
        form.two.errors.append("from one")

    def early(form: Any, field: Any) -> None:
        field.errors.append("early")

    class Form(QuartForm):
        one = StringField(validators=[late, early])
        two = StringField()

    form = Form(MultiDict())
    assert not await form.validate()
    assert form.errors == {"one": ["early", "late"], "two": ["from one"]}


async def test_errors_are_visible_to_validators() -> None:
    """An expensive validator can see whether the field already has an error."""
    calls: list[str] = []

    async def expensive(form: Any, field: Any) -> None:
        if not field.errors:
            calls.append(field.short_name)

    class Form(QuartForm):
        one = StringField(validators=[expensive, wtforms.validators.Length(min=3)])
        two = StringField(validators=[expensive])

    assert not await Form(MultiDict({"one": "a", "two": "b"})).validate()
    assert calls == ["two"]


async def test_post_validate() -> None:
    """``post_validate`` runs after the asynchronous validators, and gets whether one stopped."""
    seen: list[Any] = []

    class Recording(StringField):
        def post_validate(self, form: Any, validation_stopped: bool) -> None:
            seen.append((self.short_name, list(self.errors), validation_stopped))
            raise ValidationError("last")

    async def stop(form: Any, field: Any) -> None:
        raise StopValidation("stop")

    class Form(QuartForm):
        one = Recording(validators=[stop])
        two = Recording()

    form = Form(MultiDict())
    assert not await form.validate()
    assert sorted(seen) == [("one", ["stop"], True), ("two", [], False)]
    assert form.errors == {"one": ["stop", "last"], "two": ["last"]}


async def test_overridden_validate() -> None:
    """A form may override ``validate``, synchronous or not, also within another form."""

    class Inner(QuartForm):
        text = StringField()

        async def validate(self, extra_validators: Any = None) -> bool:
            valid = await super().validate(extra_validators)
            self.form_errors.append("never")
            return valid and False

    class Plain(wtforms.Form):
        text = StringField()

        def validate(self, extra_validators: Any = None) -> bool:
            return super().validate(extra_validators) and self.text.data == "right"

        async def validate_text(self, field: Field) -> None:
            if field.data == "wrong":
                raise ValidationError("wrong")

    class Outer(QuartForm):
        inner = FormField(Plain)

    class Other(QuartForm):
        inner = FormField(Inner)

    assert await Outer(MultiDict({"inner-text": "right"})).validate()
    assert not await Outer(MultiDict({"inner-text": "else"})).validate()
    form = Outer(MultiDict({"inner-text": "wrong"}))
    assert not await form.validate()
    assert form.errors == {"inner": {"text": ["wrong"]}}
    assert not await Inner(MultiDict()).validate()
    other = Other(MultiDict())
    assert not await other.validate()
    assert other.errors == {"inner": {"": ["never"]}}


async def test_kinds_of_asynchronous_validators() -> None:
    """A validator is asynchronous if it returns an awaitable, however it is written."""

    class Unique:
        async def __call__(self, form: Any, field: Any) -> None:
            raise ValidationError("unique")

    async def late() -> None:
        raise ValidationError("future")

    class Form(QuartForm):
        one = StringField(validators=[Unique(), lambda form, field: asyncio.ensure_future(late())])

    form = Form(MultiDict())
    assert not await form.validate()
    assert form.errors == {"one": ["unique", "future"]}


@pytest.mark.checks("WT-6")
async def test_unsupported_coroutines() -> None:
    """Where WTForms would ignore a coroutine, and with it a check, there is an error."""

    class Early(StringField):
        async def pre_validate(self, form: Any) -> None: ...  # type: ignore[override]

    class First(QuartForm):
        one = Early()

    class Inner(wtforms.Form):
        text = StringField()

        async def validate(self, extra_validators: Any = None) -> bool:  # type: ignore[override]
            return True

    class Second(QuartForm):
        inner = FormField(Inner)

    with pytest.raises(TypeError, match="pre_validate of Early .* asynchronous validator"):
        await First(MultiDict()).validate()
    with pytest.raises(TypeError, match="make it a QuartForm"):
        await Second(MultiDict()).validate()


async def test_validate_twice() -> None:
    """A form can be validated twice; the errors are not added up."""

    async def late(form: Any, field: Any) -> None:
        await asyncio.sleep(0)
        raise ValidationError("late")

    class Form(QuartForm):
        one = StringField(validators=[late])

    form = Form(MultiDict())
    assert not await form.validate()
    assert not await form.validate()
    assert form.errors == {"one": ["late"]}
