"""The validators of one field, of which some have run and some are still to be awaited."""

# WTForms' and Quart's annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any

from wtforms.fields import FieldList
from wtforms.form import BaseForm
from wtforms.validators import StopValidation, ValidationError

__all__ = ["Chain", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one validator did to the errors of its field.

    Arguments:
        messages: What it added.
        stops: Those behind it are not asked.
        clears: What those before it said is dropped, as ``Optional`` does.
    """

    messages: tuple[Any, ...] = ()
    stops: bool = False
    clears: bool = False


class Chain:
    """The validators of *field*, in the order in which they are written.

    Synchronous ones run in :meth:`run`, in the place of WTForms' own loop. What the others return
    is kept, and awaited in :meth:`settle`, all at once. :meth:`finish` puts all outcomes together
    as if they had run one after the other, so that the errors do not depend on who was faster.

    Arguments:
        field: A bound field. Its attributes are typed too narrowly for what is done here.
    """

    def __init__(self, field: Any) -> None:
        self.field = field
        self.form: Any = None
        self.waiting: dict[int, Awaitable[Any]] = {}
        self._before: list[Any] = []
        self._known = 0
        self._outcomes: dict[int, Outcome] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def run(self, form: BaseForm, validators: Iterable[Any]) -> bool:
        """Run the synchronous validators; whether one of them stopped the rest."""
        self.form = form
        self._before = list(self.field.errors)
        stopped = any(self._ask(*numbered) for numbered in enumerate(validators))
        self.field.errors = list(self.field.errors)
        self._known = len(self.field.errors)
        return stopped

    def _ask(self, position: int, validator: Any) -> bool:
        before = list(self.field.errors)
        self.field.errors = errors = _Errors(before)
        stops = False
        try:
            made = validator(self.form, self.field)
            if inspect.isawaitable(made):
                self.waiting[position] = made
        except StopValidation as stop:
            stops = True
            self.field.errors.extend(_said(stop))
        except ValidationError as error:
            self.field.errors.append(error.args[0])
        clears = errors.changed or self.field.errors is not errors
        added = tuple(self.field.errors[0 if clears else len(before) :])
        self._outcomes[position] = Outcome(added, stops, clears)
        return stops

    def start(self, group: asyncio.TaskGroup) -> None:
        """Await what is waiting in tasks of *group*."""
        for position in self.waiting:
            self._tasks[position] = group.create_task(self._settle(position))

    async def _settle(self, position: int) -> None:
        try:
            await self.waiting[position]
        except StopValidation as stop:
            self._outcomes[position] = Outcome(tuple(_said(stop)), stops=True)
            for other in filter(position.__lt__, self._tasks):
                self._tasks[other].cancel()
        except ValidationError as error:
            self._outcomes[position] = Outcome((error.args[0],))

    def finish(self, *, post_validate: bool) -> None:
        """Write the errors of the field.

        Arguments:
            post_validate: Call the field's ``post_validate``, which has waited until now.
        """
        field = self.field
        # What an asynchronous validator has written there itself, without raising it.
        late = field.errors[self._known :] if self.waiting else []
        errors = _of_entries(field) if isinstance(field, FieldList) else list(self._before)
        stopped = False
        for outcome in self._outcomes.values():  # in the order of the validators
            errors = ([] if outcome.clears else errors) + list(outcome.messages)
            if stopped := outcome.stops:
                break
        field.errors = errors + list(late)
        if post_validate:
            try:
                field.post_validate(self.form, stopped)
            except ValidationError as error:
                field.errors.append(error.args[0])


class _Errors(list[Any]):
    """Errors that know whether somebody dropped some, as ``Optional`` does even of none."""

    changed = False

    def __setitem__(self, key: Any, value: Any) -> None:
        self.changed = True
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        self.changed = True
        super().__delitem__(key)

    def clear(self) -> None:
        """Drop all."""
        self.changed = True
        super().clear()


def _said(stop: StopValidation) -> list[Any]:
    return list(stop.args[:1]) if stop.args and stop.args[0] else []


def _of_entries(field: FieldList[Any]) -> list[Any]:
    """What the entries of a list say; nothing where none of them says anything."""
    errors = [entry.errors for entry in field.entries]
    return errors if any(errors) else []
