"""Validators that wait run at once, and their errors are those of one after the other."""

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
from tests.serving import PATIENCE

pytestmark = pytest.mark.checks("WT-5")

Action = str
Validator = tuple[Action, int, int]  # what it does, whether it waits and how long, its number


def judge(action: Action, number: int, field: Any) -> None:
    """What a validator does in the end."""
    if action == "error":
        raise ValidationError(f"error {number}")
    if action == "stop":
        raise StopValidation(f"stop {number}")
    if action == "end":
        raise StopValidation
    if action == "clear":
        field.errors[:] = []
    if action == "forgive":  # as Optional does
        field.errors[:] = []
        raise StopValidation


def waiting(action: Action, steps: int, number: int) -> Callable[[Any, Any], Any]:
    async def validator(form: Any, field: Any) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)
        judge(action, number, field)

    return validator


def at_once(action: Action, number: int) -> Callable[[Any, Any], Any]:
    def validator(form: Any, field: Any) -> None:
        judge(action, number, field)

    return validator


def make(
    base: type[Any], nested: type[Any], plan: list[list[Validator]], *, sync: bool
) -> type[Any]:
    """A form of four kinds of fields, whose validators act as *plan* says."""
    chains = [
        [
            at_once(action, number) if sync or not steps else waiting(action, steps, number)
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
    st.sampled_from(["ok", "error", "error", "stop", "end", "clear", "forgive"]), st.just(0)
)
async_actions = st.tuples(
    st.sampled_from(["ok", "error", "error", "stop", "end"]), st.integers(1, 4)
)
chains = st.lists(sync_actions | async_actions, max_size=4).map(
    lambda found: [(*one, number) for number, one in enumerate(found)]
)


@settings(deadline=None, max_examples=400)
@given(
    plan=st.lists(chains, min_size=5, max_size=5),
    nested=st.sampled_from([wtforms.Form, QuartForm]),
)
def test_as_one_after_the_other(plan: list[list[Validator]], nested: type[Any]) -> None:
    """Whoever waits, for however long: the answer is that of WTForms without any waiting."""
    expected = make(wtforms.Form, wtforms.Form, plan, sync=True)(MultiDict())
    valid = expected.validate()
    form = make(QuartForm, nested, plan, sync=False)(MultiDict())
    assert asyncio.run(form.validate()._coroutine) == valid
    assert form.errors == expected.errors


async def test_concurrently() -> None:
    """All that waits waits together: fields, lists, nested forms, inline and extra validators."""
    running = 0
    everybody = asyncio.Event()

    async def wait(*_: object) -> None:
        nonlocal running
        running += 1
        if running == 9:
            everybody.set()
        async with asyncio.timeout(PATIENCE):
            await everybody.wait()

    class Inner(QuartForm):
        text = StringField(validators=[wait])

    class Plain(wtforms.Form):
        text = StringField(validators=[wait])

        async def validate_text(self, field: Field) -> None:
            await wait()

    class Outer(QuartForm):
        text = StringField(validators=[wait, wait])
        inner = FormField(Inner)
        plain = FormField(Plain)
        listed = FieldList(StringField(validators=[wait]), validators=[wait], min_entries=1)

        async def validate_text(self, field: Field) -> None:
            await wait()

    form = Outer(MultiDict())
    assert await form.validate({"text": [wait]})
    assert running == 9


async def test_synchronous_first() -> None:
    """Nothing waits before all that need not wait have spoken, and a stop spares the rest."""
    order: list[str] = []

    def say(text: str) -> Callable[[Any, Any], None]:
        return lambda form, field: order.append(text)

    async def late(form: Any, field: Any) -> None:
        order.append(f"late {field.short_name}")

    def stop(form: Any, field: Any) -> None:
        raise StopValidation("no")

    class Form(QuartForm):
        one = StringField(validators=[late, say("one")])
        two = StringField(validators=[say("two"), stop, late])
        three = StringField(validators=[say("three")])

    form = Form(MultiDict())
    assert not await form.validate()
    assert order == ["one", "two", "three", "late one"]
    assert form.errors == {"two": ["no"]}


async def test_stop_cancels() -> None:
    """A validator that stops its field does not let those behind it run on, others do."""
    ended: list[str] = []

    async def stop(form: Any, field: Any) -> None:
        raise StopValidation("stop")

    async def behind(form: Any, field: Any) -> None:
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            ended.append("behind")

    async def other(form: Any, field: Any) -> None:
        await asyncio.sleep(0.01)
        raise ValidationError("other")

    class Form(QuartForm):
        one = StringField(validators=[other, stop, behind])
        two = StringField(validators=[other])

    form = Form(MultiDict())
    async with asyncio.timeout(PATIENCE / 2):
        assert not await form.validate()
    assert form.errors == {"one": ["other", "stop"], "two": ["other"]}
    assert ended in (["behind"], [])  # cancelled, perhaps before it began


@pytest.mark.parametrize("error", [OSError("no database"), ServiceUnavailable("no database")])
async def test_failure(error: Exception) -> None:
    """A validator that fails ends the others, and its error arrives as it is."""
    ended = asyncio.Event()

    async def long(form: Any, field: Any) -> None:
        try:
            await asyncio.sleep(PATIENCE)
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
        await Form(MultiDict()).validate()
    assert ended.is_set()
    assert len(asyncio.all_tasks()) == tasks


async def test_failure_of_a_synchronous_validator() -> None:
    """What waits is given up without a warning, and the fields are their own again."""

    async def late(form: Any, field: Any) -> None: ...

    def fail(form: Any, field: Any) -> None:
        raise OSError

    class Form(QuartForm):
        one = StringField(validators=[late])
        two = StringField(validators=[fail])

    form = Form(MultiDict())
    with pytest.raises(OSError):
        await form.validate()
    assert not {"validate", "post_validate", "_run_validation_chain"} & set(vars(form.one))


async def test_cancelled() -> None:
    """Who stops waiting for a form stops its validators."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def long(form: Any, field: Any) -> None:
        started.set()
        try:
            await asyncio.sleep(PATIENCE)
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


async def test_written_errors() -> None:
    """What a validator writes into the errors itself counts, whether it waits or not."""

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


async def test_seen_errors() -> None:
    """A validator that is dear can look whether the field has an error already."""
    asked: list[str] = []

    async def dear(form: Any, field: Any) -> None:
        if not field.errors:
            asked.append(field.short_name)

    class Form(QuartForm):
        one = StringField(validators=[dear, wtforms.validators.Length(min=3)])
        two = StringField(validators=[dear])

    assert not await Form(MultiDict({"one": "a", "two": "b"})).validate()
    assert asked == ["two"]


async def test_post_validate() -> None:
    """A field's last word comes after those that waited, and knows whether one stopped it."""
    seen: list[Any] = []

    class Told(StringField):
        def post_validate(self, form: Any, validation_stopped: bool) -> None:
            seen.append((self.short_name, list(self.errors), validation_stopped))
            raise ValidationError("last")

    async def stop(form: Any, field: Any) -> None:
        raise StopValidation("stop")

    class Form(QuartForm):
        one = Told(validators=[stop])
        two = Told()

    form = Form(MultiDict())
    assert not await form.validate()
    assert sorted(seen) == [("one", ["stop"], True), ("two", [], False)]
    assert form.errors == {"one": ["stop", "last"], "two": ["last"]}


async def test_overridden() -> None:
    """A form may add a judgement of its own, synchronous or not, also within another form."""

    class Inner(QuartForm):
        text = StringField()

        async def validate(  # type: ignore[override]
            self, extra_validators: Any = None
        ) -> bool:
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


async def test_of_any_kind() -> None:
    """A validator is asynchronous where it returns something to await, however it is written."""

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
async def test_what_can_not_wait() -> None:
    """Where WTForms would drop a coroutine in silence, and with it a check, there is an error."""

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


async def test_again() -> None:
    """A form can be validated twice: errors are not added up."""

    async def late(form: Any, field: Any) -> None:
        await asyncio.sleep(0)
        raise ValidationError("late")

    class Form(QuartForm):
        one = StringField(validators=[late])

    form = Form(MultiDict())
    assert not await form.validate()
    assert not await form.validate()
    assert form.errors == {"one": ["late"]}
