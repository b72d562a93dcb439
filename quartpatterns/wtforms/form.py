"""Forms that read the request they are submitted with, and are validated with ``await``."""

# WTForms' and Quart's annotations leave out type arguments.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self, cast

from markupsafe import Markup
from quart import current_app, has_app_context, has_request_context, request
from quart.wrappers import Request
from werkzeug.datastructures import CombinedMultiDict, MultiDict
from werkzeug.exceptions import BadRequest
from wtforms import Form
from wtforms.fields import Field
from wtforms.widgets import HiddenInput

from quartpatterns._shared import sliced_json
from quartpatterns._shared.calling import maybe_await
from quartpatterns._shared.languages import vary_by
from quartpatterns.wtforms.files import FormData
from quartpatterns.wtforms.limits import naming_limit
from quartpatterns.wtforms.meta import Meta
from quartpatterns.wtforms.pending import Pending, close_awaitable
from quartpatterns.wtforms.settings import check_names
from quartpatterns.wtforms.translations import depends_on_request, form_locales, load_translations
from quartpatterns.wtforms.validation import AsyncForm, validate_form

__all__ = ["FlaskForm", "Form", "QuartForm"]

SUBMIT_METHODS = frozenset({"DELETE", "PATCH", "POST", "PUT"})
FROM_REQUEST: Any = object()

Validators = Mapping[str, Sequence[Any]]

_submitted: ContextVar[tuple[Any] | None] = ContextVar("submitted_form_data", default=None)
"""The data for the constructor of a subclass that does not pass *formdata* on."""


class QuartForm(AsyncForm):
    """A form of WTForms for Quart, with the interface of Flask-WTF's ``FlaskForm``.

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

    :meth:`create` reads the request. The constructor is for data that is already available. A form
    within another form has no CSRF token of its own.

    Arguments:
        formdata: A MultiDict, or ``None`` for a form that is not submitted.
        obj: An object whose attributes are the data of a form that is not submitted.
        prefix: A prefix for the names of all fields. A hyphen separates it from the name.
        data: The data of a form that is not submitted, as a mapping instead of *obj*.
        meta: Values that override those of the class ``Meta``, such as ``{"csrf": False}``.
        kwargs: Additional values for *data*.

    Raises:
        SettingError: A setting of the application is unknown.
        TypeError: *formdata* is a coroutine. Or there is a current request, and *formdata* is not
            passed.

    .. versionadded:: 0.1
    """

    Meta = Meta

    from_query = False
    """Whether the data comes from the query, which needs no token."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        validate = cls.__dict__.get("validate")
        if inspect.iscoroutinefunction(validate):
            cls.validate = _pending_validate(validate)  # type: ignore[method-assign]

    def __init__(
        self,
        formdata: Any = FROM_REQUEST,
        obj: object | None = None,
        prefix: str = "",
        data: Mapping[str, Any] | None = None,
        meta: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        if inspect.isawaitable(formdata):
            close_awaitable(formdata)
            raise TypeError(
                f"The formdata of {name} was not awaited: write `await {name}.create()`, or"
                f" {name}(await request.form)."
            )
        if formdata is FROM_REQUEST and (submitted := _submitted.get()):
            (formdata,) = submitted
        if formdata is FROM_REQUEST:
            if has_request_context():
                raise TypeError(
                    f"{name}() can't read the request: write `await {name}.create()`, or"
                    f" {name}(formdata=None) for a form that is not submitted."
                )
            formdata = None
        if has_app_context():
            check_names(cast(Any, current_app))
        super().__init__(formdata, obj, prefix, data, meta, **kwargs)

    if TYPE_CHECKING:

        @classmethod
        def create(
            cls,
            formdata: Any = FROM_REQUEST,
            obj: object | None = None,
            prefix: str = "",
            data: Mapping[str, Any] | None = None,
            meta: Mapping[str, Any] | None = None,
            *,
            args: bool = False,
            **kwargs: Any,
        ) -> Pending[Self]: ...

    else:

        @classmethod
        def create(cls, *arguments, args=False, **kwargs):
            """Return a form with the data that the current request submits. It must be awaited.

            The data is the form with its files, or a JSON object, if the method is POST, PUT, PATCH
            or DELETE. The other arguments are those of the constructor. If a subclass has a
            constructor whose first parameter is not *formdata*, it gets the arguments as they are.

            Arguments:
                formdata: Other data; it may be ``request.form`` without ``await``.
                obj: As in the constructor, like *prefix*, *data*, *meta* and *kwargs*.
                args: Whether to use the data of the query string if the request submits no form, as
                    in a search by GET. The form then needs no token. Call :meth:`validate` to
                    validate it.

            Raises:
                BadRequest: The JSON is malformed, or is not a flat object.
                FormTooLargeError: The body or a part of it exceeds a limit, which the error names.
            """
            coroutine = cls._create(arguments, kwargs, args=args)
            return Pending(coroutine, f"{cls.__name__}.create()")

    @classmethod
    async def _create(
        cls, arguments: Sequence[Any], options: dict[str, Any], *, args: bool
    ) -> Self:
        formdata = options.pop("formdata", FROM_REQUEST)
        own_constructor = _has_own_constructor(cls)
        if arguments and not own_constructor:
            formdata, *arguments = arguments
        from_query = args and formdata is FROM_REQUEST and not _is_submitted()
        if from_query:
            formdata = request.args
        elif formdata is FROM_REQUEST:
            formdata = await _submitted_data() if _is_submitted() else None
        else:
            with naming_limit(request) if has_request_context() else nullcontext():
                formdata = await maybe_await(formdata)
        named = dict(zip(("obj", "prefix", "data", "meta"), arguments, strict=False))
        meta: Mapping[str, Any] = {**named, **options}.get("meta") or {}
        own_locales = meta.get("locales", getattr(cls.Meta, "locales", None))
        if (locales := form_locales(own_locales)) is not None:
            await load_translations(locales)
        if own_constructor:
            token = _submitted.set((formdata,))
            try:
                form = cls(*arguments, **options)
            finally:
                _submitted.reset(token)
        else:
            form = cls(formdata, *arguments, **options)
        form.from_query = from_query
        return form

    def is_submitted(self) -> bool:
        """Return whether the method of the current request is POST, PUT, PATCH or DELETE."""
        return _is_submitted()

    if TYPE_CHECKING:
        # A subclass may leave out extra_validators, which a type checker allows for this signature.
        def validate(self, *args: Any, **kwargs: Any) -> Awaitable[bool]: ...

    else:

        def validate(self, extra_validators: Validators | None = None) -> Awaitable[bool]:
            """Return whether all fields are valid. It must be awaited.

            The attribute ``errors`` then contains the error messages.

            A subclass may override it with ``async def validate(self) -> bool``, and await
            ``super().validate()``.

            Arguments:
                extra_validators: Additional validators: a list for each field name. They may be
                    synchronous or asynchronous.
            """
            return self._pending(extra_validators)

    def _pending(self, extra_validators: Validators | None) -> Pending[bool]:
        return Pending(self._validate(extra_validators), "form.validate()")

    async def _validate(self, extra_validators: Validators | None) -> bool:
        if depends_on_request() and has_request_context() and request.method in {"GET", "HEAD"}:
            vary_by("Accept-Language")
        validators = {name: list(extra) for name, extra in (extra_validators or {}).items()}
        for name in (field.short_name for field in self):
            if (inline := getattr(type(self), f"validate_{name}", None)) is not None:
                validators.setdefault(name, []).append(inline)
        return await validate_form(self, validators)

    def validate_on_submit(self, extra_validators: Validators | None = None) -> Pending[bool]:
        """Return whether the form is submitted and valid. It must be awaited.

        Arguments:
            extra_validators: As in :meth:`validate`.
        """
        return Pending(self._validate_on_submit(extra_validators), "form.validate_on_submit()")

    async def _validate_on_submit(self, extra_validators: Validators | None) -> bool:
        if not self.is_submitted():
            return False
        # A subclass may override validate() without this parameter.
        options = {} if extra_validators is None else {"extra_validators": extra_validators}
        return bool(await maybe_await(self.validate(**options)))

    def hidden_tag(self, *fields: Field | str) -> Markup:
        """Return the HTML of the hidden fields, including the token. Put it first in the form.

        Arguments:
            fields: The fields or their names. By default it renders all fields. Fields that are not
                hidden are left out.
        """
        return Markup("\n").join(_hidden(self, fields or tuple(self)))


FlaskForm = QuartForm
"""The name of Flask-WTF for :class:`QuartForm`."""


def _hidden(form: QuartForm, fields: Sequence[Field | str]) -> Iterator[Markup]:
    for item in fields:
        field: Any = getattr(form, item, None) if isinstance(item, str) else item
        if field is not None and isinstance(field.widget, HiddenInput):
            yield field()


def _has_own_constructor(cls: type[QuartForm]) -> bool:
    """Return whether the first parameter of the constructor is another one than *formdata*."""
    if cls.__init__ is QuartForm.__init__:
        return False
    parameters = [*inspect.signature(cls.__init__).parameters.values()][1:]
    first = parameters[0] if parameters else None
    return first is None or (first.kind is not first.VAR_POSITIONAL and first.name != "formdata")


def _is_submitted() -> bool:
    return has_request_context() and request.method in SUBMIT_METHODS


def _pending_validate(validate: Any) -> Any:
    """Wrap an asynchronous ``validate()`` so that its result raises an error without ``await``."""

    @functools.wraps(validate)
    def wrapper(self: QuartForm, *args: Any, **kwargs: Any) -> Pending[bool]:
        return Pending(validate(self, *args, **kwargs), "form.validate()")

    return wrapper


async def _submitted_data() -> FormData | None:
    """Return the form with its files, or the JSON object, or ``None`` if the body is neither."""
    if request.is_json:
        return FormData(MultiDict(_pairs(await _json(request))))
    with naming_limit(request):
        form, files = await request.form, await request.files
    if form or files or "form" in request.mimetype:
        return FormData(CombinedMultiDict((files, form)))
    return None


async def _json(request: Request) -> Any:
    # Quart's get_json() fails for text that is not UTF-8.
    with naming_limit(request):
        data = await request.get_data(cache=True, as_text=False, parse_form_data=False)
    try:
        return await sliced_json.loads(request.json_module, data)
    except ValueError as error:
        # As in Flask, whose debug mode shows the cause.
        cause = f"Failed to decode JSON object: {error}" if current_app.debug else None
        raise BadRequest(cause) from error


def _pairs(data: Any) -> Iterator[tuple[str, str]]:
    if data is None or data == []:
        return  # an empty form, as in Flask-WTF
    if not isinstance(data, dict):
        raise BadRequest("The form can't be read: its JSON is not an object.")
    for name, value in data.items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                yield _as_text(name, name), _as_text(name, item)


def _as_text(name: str, value: Any) -> str:
    """Return *value* as a form would send it."""
    if isinstance(value, str):
        # JSON can contain half of a surrogate pair, which can't be encoded in a page.
        return value.encode(errors="replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise BadRequest(
        f"The form can't be read: the value of {name!r} must be a string, a number, a boolean, or"
        " a list of these."
    )
