"""Forms that read the request they are submitted with, and are validated with ``await``."""

# WTForms' and Quart's annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any, Self, cast

from markupsafe import Markup
from quart import after_this_request, has_request_context, request
from quart.typing import ResponseTypes
from quart.wrappers import Request
from wtforms.fields import Field
from wtforms.widgets import HiddenInput

from quartpatterns.wtforms.awaiting import Pending, close
from quartpatterns.wtforms.formdata import SUBMIT_METHODS, submitted
from quartpatterns.wtforms.languages import load, negotiated, wanted_locales
from quartpatterns.wtforms.meta import Meta
from quartpatterns.wtforms.validation import AwaitedForm, validate_fields

__all__ = ["QuartForm"]

AUTO: Any = object()

Validators = Mapping[str, Sequence[Any]]


class QuartForm(AwaitedForm):
    """A form of WTForms for Quart.

    .. code-block:: python

        class RegistrationForm(QuartForm):
            username = StringField("Username", [Length(min=4, max=25)])

            async def validate_username(self, field):
                if await users.exists(field.data):
                    raise ValidationError("This name is taken.")

        @app.route("/register", methods=["GET", "POST"])
        async def register():
            form = await RegistrationForm.create()
            if await form.validate_on_submit():
                ...

    :meth:`create` reads the request; the constructor is for data that is there already. Names and
    settings are those of Flask-WTF's ``FlaskForm``. Forms within other forms have no token of
    their own, as one a request is enough.

    Arguments:
        formdata: A MultiDict, or ``None`` for a form that is not submitted.
        obj: An object whose attributes are the data of a form that is not submitted.
        prefix: Put before the names of all fields, and a hyphen.
        data: The same as *obj* as a mapping.
        meta: Changes to the class ``Meta``, such as ``{"csrf": False}``.
        kwargs: More of *data*.

    Raises:
        TypeError: *formdata* is a coroutine, or left out while a request is answered.
    """

    Meta = Meta

    # Of a query, which needs no token.
    of_args = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        validate = cls.__dict__.get("validate")
        if inspect.iscoroutinefunction(validate):
            # type.__setattr__ of WTForms would look for fields.
            cls.validate = _pending(validate)  # type: ignore[method-assign]

    def __init__(
        self,
        formdata: Any = AUTO,
        obj: object | None = None,
        prefix: str = "",
        data: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        if inspect.isawaitable(formdata):
            close(formdata)
            raise TypeError(
                f"{name} was given something that is not awaited: write `await {name}.create()`,"
                f" or {name}(await request.form)"
            )
        if formdata is AUTO and has_request_context():
            raise TypeError(
                f"{name}() can't read the request: write `await {name}.create()`, or"
                f" {name}(formdata=None) for a form that is not submitted"
            )
        super().__init__(None if formdata is AUTO else formdata, obj, prefix, data, meta, **kwargs)

    @classmethod
    def create(
        cls,
        formdata: Any = AUTO,
        obj: object | None = None,
        prefix: str = "",
        data: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        *,
        args: bool = False,
        **kwargs: Any,
    ) -> Pending[Self]:
        """A form with what the current request submits; to be awaited.

        That is its form and files, or its JSON, where the method is POST, PUT, PATCH or DELETE.
        The other arguments are those of the constructor.

        Arguments:
            formdata: What to take instead; it may be ``request.form``, not awaited.
            obj: As in the constructor, as are *prefix*, *data*, *meta* and *kwargs*.
            args: Take the query where nothing is submitted, as for a search by GET; no token is
                asked for then. :meth:`validate` validates it.

        Raises:
            BadRequest: JSON that is submitted is broken, or no flat object.
            RequestEntityTooLarge: The body, or a part of it, is over its limit.
        """
        call = cls._create(formdata, obj, prefix, data, meta, args=args, **kwargs)
        return Pending(call, f"{cls.__name__}.create()")

    @classmethod
    async def _create(cls, formdata: Any, *data: Any, args: bool, **kwargs: Any) -> Self:
        of_args = args and formdata is AUTO and not _is_submitted()
        if of_args:
            formdata = request.args
        elif formdata is AUTO and has_request_context():
            formdata = await submitted(cast(Request, cast(Any, request)._get_current_object()))
        elif inspect.isawaitable(formdata):
            formdata = await formdata
        meta: Mapping[str, Any] = data[3] or {}
        own = meta.get("locales", getattr(cls.Meta, "locales", None))
        if (wanted := wanted_locales(own)) is not None:
            await load(wanted)
        form = cls(None if formdata is AUTO else formdata, *data, **kwargs)
        form.of_args = of_args
        return form

    def is_submitted(self) -> bool:
        """Whether the current request's method is POST, PUT, PATCH or DELETE."""
        return _is_submitted()

    def validate(  # type: ignore[override]
        self, extra_validators: Validators | None = None
    ) -> Awaitable[bool]:
        """Whether all fields are valid; to be awaited. Their errors are in ``errors``.

        A subclass may override it with ``async def``, and awaits ``super().validate()``.

        Arguments:
            extra_validators: More validators by the name of the field, synchronous or not.
        """
        return Pending(self._validate(extra_validators), "form.validate()")

    async def _validate(self, extra_validators: Validators | None) -> bool:
        if negotiated() and has_request_context() and request.method in {"GET", "HEAD"}:
            after_this_request(_vary)
        extra = {name: list(found) for name, found in (extra_validators or {}).items()}
        for name in self._fields:
            if (inline := getattr(type(self), f"validate_{name}", None)) is not None:
                extra.setdefault(name, []).append(inline)
        return await validate_fields(self, extra)

    def validate_on_submit(self, extra_validators: Validators | None = None) -> Pending[bool]:
        """Whether the form is submitted and valid; to be awaited.

        Arguments:
            extra_validators: As in :meth:`validate`.
        """
        return Pending(self._validate_on_submit(extra_validators), "form.validate_on_submit()")

    async def _validate_on_submit(self, extra_validators: Validators | None) -> bool:
        if not self.is_submitted():
            return False
        said: Any = self.validate(extra_validators=extra_validators)
        return bool(await said if inspect.isawaitable(said) else said)

    def hidden_tag(self, *fields: Field | str) -> Markup:
        """The hidden fields, the token among them, to be put first in a form.

        Arguments:
            fields: Only these, by name or themselves; what is not hidden is left out.
        """
        return Markup("\n").join(_hidden(self, fields or tuple(self)))


def _hidden(form: QuartForm, fields: Sequence[Field | str]) -> Iterator[Markup]:
    for one in fields:
        field: Any = getattr(form, one, None) if isinstance(one, str) else one
        if field is not None and isinstance(field.widget, HiddenInput):
            yield field()


def _is_submitted() -> bool:
    return has_request_context() and request.method in SUBMIT_METHODS


def _pending(validate: Any) -> Any:
    """*validate*, such that its result is an error to test for truth."""

    @functools.wraps(validate)
    def validated(self: QuartForm, *args: Any, **kwargs: Any) -> Pending[bool]:
        return Pending(validate(self, *args, **kwargs), "form.validate()")

    return validated


async def _vary(response: ResponseTypes) -> ResponseTypes:
    response.vary.add("Accept-Language")
    return response
