"""Forms read the request, and raise an error if they are used without ``await``."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import wtforms
from quart import Quart, render_template_string, request
from quart.typing import ResponseReturnValue
from quart.typing import TestClientProtocol as Client
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, FieldList, FormField, HiddenField, IntegerField, StringField
from wtforms.validators import InputRequired, ValidationError

from quartpatterns.wtforms import QuartForm
from quartpatterns.wtforms.example import original, port

MALFORMED = "Failed to decode JSON object: "
NOT_AN_OBJECT = "The form can&#39;t be read: its JSON is not an object.</p>"
NOT_A_TEXT = "The form can&#39;t be read: the value of &#39;name&#39; must be a string, "
BAD_REQUEST = "The browser (or proxy) sent a request that this server could not understand.</p>"


class Address(QuartForm):
    street = StringField(validators=[InputRequired()])


class Form(QuartForm):
    name = StringField(validators=[InputRequired()])
    age = IntegerField(default=7)
    ready = BooleanField(default=True)
    tags = FieldList(StringField())
    address = FormField(Address)


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    app = app_class(__name__)
    app.secret_key = "a key"
    app.config["WTF_CSRF_ENABLED"] = False

    @app.route("/", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def index() -> ResponseReturnValue:
        form = await Form.create()
        valid = await form.validate_on_submit()
        return {"valid": valid, "data": form.data, "errors": form.errors}

    return app


async def submit(client: Client, method: str = "POST", **how: Any) -> Any:
    response = await client.open("/", method=method, **how)
    assert response.status_code == 200, await response.get_data(as_text=True)
    return json.loads(await response.get_data())


@pytest.mark.checks("WT-2", "WT-3")
async def test_submitted(app: Quart) -> None:
    """A submitted form is read with its lists and nested forms."""
    fields = {
        "name": "Ada",
        "age": "36",
        "tags-1": "one",
        "tags-3": "two",
        "address-street": "Dorset",
    }
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        result = await submit(app.test_client(), method, form=fields)
        assert result["valid"]
        assert result["data"] == {
            "name": "Ada",
            "age": 36,
            "ready": False,
            "tags": ["one", "two"],
            "address": {"street": "Dorset"},
        }


class Person:
    name = "Bob"


class EditForm(QuartForm):
    name = StringField(validators=[InputRequired()])

    def __init__(self, old: str, *args: Any, suffix: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.old = old + suffix


class OwnForm(EditForm):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__("own", **kwargs)


@pytest.mark.parametrize("form_class", [EditForm, OwnForm])
async def test_own_constructor(app: Quart, form_class: Any) -> None:
    """A constructor with parameters of its own gets them, as with Flask-WTF."""
    made: list[Any] = []

    @app.post("/edit")
    async def edit() -> ResponseReturnValue:
        ways: list[Any] = [
            lambda: form_class.create(suffix="!", obj=Person()),
            lambda: form_class.create(suffix="!", formdata=MultiDict({"name": "Grace"})),
        ]
        if form_class is EditForm:
            ways = [
                lambda: EditForm.create("old"),
                lambda: EditForm.create(old="old", data={"name": "x"}),
                lambda: EditForm.create("old", MultiDict({"name": "Grace"}), suffix="!"),
            ]
        for way in ways:
            form = await way()
            made.append((form.old, form.name.data, await form.validate_on_submit()))
        return ""

    response = await app.test_client().post("/edit", form={"name": "Ada"})
    assert response.status_code == 200
    if form_class is EditForm:
        assert made == [("old", "Ada", True), ("old", "Ada", True), ("old!", "Grace", True)]
    else:
        assert made == [("own!", "Ada", True), ("own!", "Grace", True)]


async def test_not_submitted(app: Quart) -> None:
    result = await submit(app.test_client(), "GET", query_string={"name": "Ada"})
    assert not result["valid"]
    assert result["data"]["name"] is None
    assert result["data"]["ready"]
    assert result["errors"] == {}


async def test_empty_form(app: Quart) -> None:
    """A form without any field is submitted: browsers don't send unchecked boxes."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    result = await submit(app.test_client(), headers=headers)
    assert result["data"]["ready"] is False
    assert set(result["errors"]) == {"name", "address"}
    # Without a form in the body, the defaults apply.
    assert (await submit(app.test_client()))["data"]["ready"] is True


@pytest.mark.checks("WT-14")
async def test_json(app: Quart) -> None:
    """A flat JSON object counts as a form; its values become texts."""
    sent = {"name": "Ada", "age": 36, "ready": False, "tags-0": "one", "address-street": ["a", "b"]}
    result = await submit(app.test_client(), json=sent)
    assert result["data"] == {
        "name": "Ada",
        "age": 36,
        "ready": False,
        "tags": ["one"],
        "address": {"street": "a"},
    }
    assert (await submit(app.test_client(), json={"name": None}))["data"]["name"] is None
    assert (await submit(app.test_client(), json={"name": True}))["data"]["name"] == "true"


@pytest.mark.checks("WT-14")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", MALFORMED),
        (b"[1]", NOT_AN_OBJECT),
        (b'"text"', NOT_AN_OBJECT),
        (b"{", MALFORMED),
        (b"\xff\xfe", MALFORMED),
        (b'{"name": {}}', NOT_A_TEXT),
        (b'{"name": [[]]}', NOT_A_TEXT),
        (b"[" * 100_000, MALFORMED),
        (b'{"name": ' + b"1" * 5000 + b"}", MALFORMED),
    ],
)
async def test_invalid_json(app: Quart, body: bytes, message: str) -> None:
    """JSON that is not a form is a 400 that says why; for malformed JSON only in debug mode."""
    public = BAD_REQUEST if message == MALFORMED else message
    headers = {"Content-Type": "application/json"}
    for debug, expected in ((True, message), (False, public)):
        app.debug = debug
        response = await app.test_client().post("/", data=body, headers=headers)
        assert response.status_code == 400
        text = await response.get_data(as_text=True)
        assert "<title>400 Bad Request</title>" in text
        assert f"<p>{expected}" in text
        assert (MALFORMED in text) is (debug and message == MALFORMED)


@pytest.mark.checks("WT-14")
@pytest.mark.parametrize("body", [b"[]", b"null", b"{}"])
async def test_empty_json(app: Quart, body: bytes) -> None:
    """JSON without content is an empty form, as in Flask-WTF."""
    headers = {"Content-Type": "application/json"}
    response = await app.test_client().post("/", data=body, headers=headers)
    assert response.status_code == 200


@pytest.mark.checks("WT-14")
async def test_half_of_a_surrogate_pair(app: Quart) -> None:
    """JSON can contain characters that can't be encoded in a page."""
    body = b'{"name": "\\ud800", "\\udfff": "x"}'
    headers = {"Content-Type": "application/json"}
    result = await submit(app.test_client(), data=body, headers=headers)
    assert result["data"]["name"] == "?"


@pytest.mark.checks("WT-14")
@pytest.mark.parametrize("index", ["\u00b2", "\u2460", "9" * 5000])
async def test_invalid_indices(app: Quart, index: str) -> None:
    """Names of list entries with digits that are not decimal, or with too many digits."""
    result = await submit(app.test_client(), form={f"tags-{index}": "x", "tags-2": "y"})
    assert result["data"]["tags"] == ["y"]


@pytest.mark.checks("WT-14")
async def test_many_entries(app: Quart) -> None:
    result = await submit(app.test_client(), form={f"tags-{n}": "x" for n in range(5_000)})
    assert len(result["data"]["tags"]) == 5_000


@pytest.mark.checks("WT-3")
async def test_args(app: Quart) -> None:
    """A search takes the query and needs no token."""
    app.config["WTF_CSRF_ENABLED"] = True

    @app.route("/search", methods=["GET", "POST"])
    async def search() -> ResponseReturnValue:
        form = await Form.create(args=True)
        return {"valid": await form.validate(), "errors": form.errors, "name": form.name.data}

    client = app.test_client()
    query = {"name": "Ada", "address-street": "a"}
    result = json.loads(await (await client.get("/search", query_string=query)).get_data())
    assert result == {"valid": True, "errors": {}, "name": "Ada"}
    posted = await client.post("/search", query_string=query, form={"name": "Grace"})
    result = json.loads(await posted.get_data())
    assert (result["valid"], result["name"]) == (False, "Grace")
    assert "csrf_token" in result["errors"]


async def test_data(app: Quart) -> None:
    """Objects, mappings and keywords fill a form that is not submitted; prefixes separate two."""

    class User:
        name = "Ada"

    @app.route("/filled", methods=["GET", "POST"])
    async def filled() -> ResponseReturnValue:
        one = await Form.create(obj=User(), prefix="one")
        two = await Form.create(data={"name": "Grace"}, prefix="two-", age=85)
        three = await Form.create(formdata=None, data={"name": "Ida"})
        four = await Form.create(MultiDict({"name": "Edith"}))
        five = await Form.create(request.form)
        names = [form.name.data for form in (one, two, three, four, five)]
        return {"names": names, "age": two.age.data, "fields": [one.name.name, two.name.name]}

    client = app.test_client()
    result = json.loads(await (await client.get("/filled")).get_data())
    assert result["names"] == ["Ada", "Grace", "Ida", "Edith", None]
    assert result["age"] == 85
    assert result["fields"] == ["one-name", "two-name"]
    form = {"one-name": "1", "two-name": "2", "name": "5"}
    result = json.loads(await (await client.post("/filled", form=form)).get_data())
    assert result["names"] == ["1", "2", "Ida", "Edith", "5"]


@pytest.mark.checks("WT-6")
async def test_not_awaited(app: Quart) -> None:
    """Each use without ``await`` raises a TypeError that names it."""

    class Own(QuartForm):
        async def validate(self, extra_validators: Any = None) -> bool:
            return await super().validate(extra_validators)

    class Old(QuartForm):
        def validate(self, extra_validators: Any = None) -> Any:
            valid: Any = super().validate(extra_validators)
            return valid and True

    async with app.test_request_context("/", method="POST"):
        with pytest.raises(TypeError, match=r"`await Form.create\(\)`, or Form\(await request.fo"):
            Form(request.form)
        with pytest.raises(TypeError, match=r"can't read the request: write `await Form.create"):
            Form()
        form = await Form.create()
        with pytest.raises(TypeError, match=r"write `await form.validate_on_submit\(\)`"):
            bool(form.validate_on_submit())
        with pytest.raises(TypeError, match=r"write `await form.validate\(\)`"):
            assert not form.validate()  # type: ignore[truthy-bool]
        with pytest.raises(TypeError, match=r"write `await form.validate\(\)`"):
            bool((await Own.create()).validate())
        with pytest.raises(TypeError, match=r"write `await form.validate\(\)`"):
            await (await Old.create()).validate_on_submit()
        for use in (
            lambda form: form.name,
            lambda form: form.validate_on_submit(),
            lambda form: form["name"],
            list,
            bool,
        ):
            with pytest.raises(TypeError, match=r"write `await Form.create\(\)`"):
                use(Form.create())
        pending = Form.create()
        with pytest.raises(TypeError, match=r"write `await Form.create\(\)`"):
            await render_template_string("{{ form.name }}", form=pending)


@pytest.mark.checks("WT-6")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_ignored_call() -> None:
    """Python's warning about a call without ``await`` names the call."""
    form = Form(MultiDict())
    with pytest.warns(RuntimeWarning, match=r"form.validate' was never awaited"):
        form.validate()


async def test_outside_of_a_request() -> None:
    """A form can be validated without an application."""
    form = Form(MultiDict({"name": "Ada", "address-street": "a"}))
    assert await form.validate()
    assert not await form.validate_on_submit()
    assert "csrf_token" not in form
    assert Form().name.data is None


async def test_hidden_tag(app: Quart) -> None:
    """All hidden fields, or only those that are named."""
    app.config["WTF_CSRF_ENABLED"] = True

    class Hidden(QuartForm):
        name = StringField()
        one = HiddenField(default="1")
        two = HiddenField(default='"<')
        inner = FormField(Address)

    async with app.test_request_context("/"):
        form = await Hidden.create()
        ids = re.findall(r'id="([^"]+)"', form.hidden_tag())
        assert ids == ["one", "two", "csrf_token"]
        tag = '<input id="two" name="two" type="hidden" value="&#34;&lt;">'
        assert form.hidden_tag("two", form.name, "nothing") == tag
        # A nested form has no token.
        assert "csrf_token" not in form.inner.form


async def test_extra_validators(app: Quart) -> None:
    async def no(form: Any, field: Any) -> None:
        raise ValidationError("no")

    class Inline(QuartForm):
        name = StringField()

        async def validate_name(self, field: Any) -> None:
            raise ValidationError("inline")

    async with app.test_request_context("/", method="POST"):
        form = await Inline.create()
        extra = {"name": [no]}
        for _ in range(2):
            assert not await form.validate_on_submit(extra)
            assert form.errors == {"name": ["no", "inline"]}
        assert extra == {"name": [no]}


def test_fields_of_the_page() -> None:
    """Port and original have the fields of Flask's page."""
    names = ["username", "email", "password", "confirm", "accept_tos"]
    for form in (port.RegistrationForm, original.RegistrationForm):
        found = [name for name in vars(form) if hasattr(vars(form)[name], "_formfield")]
        assert found == names
    assert issubclass(QuartForm, wtforms.Form)


async def test_validate_without_parameters(app_class: type[Quart]) -> None:
    """A form may override ``validate()`` without ``extra_validators``."""

    class PeriodForm(QuartForm):
        begin = StringField()
        end = StringField()

        async def validate(self) -> bool:
            return await super().validate() and str(self.begin.data) < str(self.end.data)

    app = app_class(__name__)
    app.secret_key = "test"
    for end, valid in ("b", True), ("a", False):
        data = {"begin": "a", "end": end}
        async with app.test_request_context("/", method="POST", form=data):
            form = await PeriodForm.create(meta={"csrf": False})
            assert await form.validate_on_submit() is valid
            assert await form.validate() is valid
            with pytest.raises(TypeError, match="extra_validators"):
                await form.validate_on_submit({"begin": []})
