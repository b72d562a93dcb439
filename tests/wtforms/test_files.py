"""File fields, their validators, and files in the place of texts."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import wtforms
from quart import Quart
from quart.datastructures import FileStorage
from quart.typing import ResponseReturnValue
from werkzeug.datastructures import CombinedMultiDict, MultiDict
from wtforms import FieldList, FormField, StringField
from wtforms.validators import ValidationError

from quartpatterns.wtforms import (
    FileAllowed,
    FileField,
    FileRequired,
    FileSize,
    MultipleFileField,
    QuartForm,
    file_allowed,
    file_required,
    file_size,
)

pytestmark = pytest.mark.checks("WT-7")


class Inner(wtforms.Form):
    file = FileField(validators=[FileRequired()])
    text = StringField(validators=[wtforms.validators.Length(max=5)])


class Upload(QuartForm):
    one = FileField(validators=[FileRequired(), FileAllowed(["TXT", "tar.gz"]), FileSize(10, 1)])
    many = MultipleFileField(validators=[FileAllowed({"txt"}), FileSize(10)])
    listed = FieldList(FileField(validators=[FileSize(10)]))
    inner = FormField(Inner)
    text = StringField(validators=[wtforms.validators.Length(max=5)])

    async def validate_one(self, field: FileField) -> None:
        if field.data and field.data.read(3) == b"bad":
            raise ValidationError("bad")


def file(name: str, content: bytes = b"text") -> FileStorage:
    return FileStorage(io.BytesIO(content), filename=name)


async def errors_of(**files: FileStorage | list[FileStorage]) -> dict[str, Any]:
    """Return the errors of a form with *files*; ``__`` in a name is a hyphen."""
    files_by_name = {"one": file("a.txt"), "inner__file": file("b.txt"), **files}
    form = Upload(
        MultiDict({name.replace("__", "-"): value for name, value in files_by_name.items()})
    )
    await form.validate()
    return dict(form.errors)


async def test_valid() -> None:
    assert await errors_of() == {}
    assert await errors_of(one=file("A.TAR.GZ"), many=[file("a.txt"), file("b.TXT")]) == {}


async def test_required() -> None:
    message = {"one": ["This field is required."]}
    assert await errors_of(one=file("")) == message
    assert await errors_of(one=file("", b"")) == message
    assert await errors_of(inner__file=file("")) == {"inner": {"file": message["one"]}}


async def test_allowed() -> None:
    message = "File does not have an approved extension: TXT, tar.gz"
    for name in ("a.exe", "txt", "a.txt.exe", "a.gz", "\u202etxt.exe", "a.txt\x00.exe"):
        assert await errors_of(one=file(name)) == {"one": [message]}
    errors = await errors_of(many=[file("a.txt"), file("b.exe")])
    assert errors == {"many": ["File does not have an approved extension: txt"]}


async def test_size() -> None:
    message = ["File must be between 1 and 10 bytes."]
    assert await errors_of(one=file("a.txt", b"x" * 11)) == {"one": message}
    assert await errors_of(one=file("a.txt", b"")) == {"one": message}
    assert await errors_of(one=file("a.txt", b"x" * 10)) == {}
    assert await errors_of(one=file("a.txt", b"x")) == {}
    errors = await errors_of(many=[file("a.txt"), file("b.txt", b"x" * 11)])
    assert errors == {"many": ["File must be between 0 and 10 bytes."]}
    errors = await errors_of(listed__0=file("a"), listed__1=file("b", b"x" * 11))
    assert errors == {"listed": [[], ["File must be between 0 and 10 bytes."]]}


async def test_asynchronous_validator() -> None:
    """An asynchronous validator runs after the others, and may read the file."""
    assert await errors_of(one=file("a.txt", b"bad")) == {"one": ["bad"]}


async def test_stream_position() -> None:
    """``FileSize`` does not change the position of the stream."""
    stored = file("a.txt", b"0123456789")
    stored.stream.seek(4)
    form = Upload(MultiDict({"one": stored, "inner-file": file("b.txt")}))
    form.one.validators = [FileSize(10)]
    assert not form.one.errors
    FileSize(10)(form, form.one)
    assert stored.read() == b"456789"


async def test_stream_without_seek() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    stored = FileStorage(Pipe(b"x"), filename="a.txt")
    form = Upload(MultiDict({"one": stored}))
    with pytest.raises(TypeError, match="needs a seekable stream, not a Pipe"):
        FileSize(1)(form, form.one)


async def test_upload_set() -> None:
    """An upload set is calls for each file."""
    calls: list[Any] = []

    class Images:
        def file_allowed(self, storage: Any, basename: str) -> bool:
            calls.append((storage.filename, basename))
            return basename.endswith(".png")

    class Form(QuartForm):
        files = MultipleFileField(validators=[FileAllowed(Images())])

    form = Form(MultiDict([("files", file("A.png")), ("files", file("b.gif"))]))
    assert not await form.validate()
    assert form.errors == {"files": ["File does not have an approved extension."]}
    assert calls == [("A.png", "a.png"), ("b.gif", "b.gif")]


async def test_optional() -> None:
    """A field without a file is empty for the validators of WTForms, too."""

    async def never(form: Any, field: Any) -> None:
        raise ValidationError("calls")

    class Form(QuartForm):
        one = FileField(validators=[wtforms.validators.Optional(), never])
        many = MultipleFileField(validators=[wtforms.validators.InputRequired("many"), never])

    form = Form(MultiDict({"one": file(""), "many": file("")}))
    assert not await form.validate()
    assert form.errors == {"many": ["many"]}


async def test_messages() -> None:
    class Form(QuartForm):
        one = FileField(validators=[FileRequired("one")])
        two = FileField(validators=[FileAllowed(["a"], "two")])
        three = FileField(validators=[FileSize(1, message="three")])

    form = Form(MultiDict({"two": file("x"), "three": file("y")}))
    assert not await form.validate()
    assert form.errors == {"one": ["one"], "two": ["two"], "three": ["three"]}
    assert form.one.flags.required
    assert (file_required, file_allowed, file_size) == (FileRequired, FileAllowed, FileSize)


@pytest.mark.checks("WT-14")
async def test_files_in_the_place_of_texts() -> None:
    """No validator of a text gets a file, also in nested forms of WTForms."""
    form = Upload(MultiDict({"text": file("x" * 9), "inner-text": file("y" * 9)}))
    assert not await form.validate()
    assert set(form.errors) == {"one", "inner"}
    assert form.text.data is None
    form = Upload(MultiDict({"one": "a.txt", "many": "b.txt", "inner-file": "c"}))
    assert not await form.validate()
    assert form.one.data is form.many.data is None


async def test_combined_data() -> None:
    """Files and texts that the application has combined are accepted, too."""
    files: MultiDict[str, Any] = MultiDict({"one": file("a.txt")})
    both = CombinedMultiDict([files, MultiDict({"text": "t"})])
    form = Upload(both)
    assert form.one.data is not None
    assert form.text.data == "t"


@pytest.mark.checks("WT-6")
async def test_field_of_wtforms() -> None:
    """WTForms' own file fields get the files of the form, as in Flask-WTF."""

    class Form(QuartForm):
        one = wtforms.FileField(validators=[FileRequired(), FileAllowed(["txt"])])
        many = wtforms.MultipleFileField(validators=[FileRequired()])
        some = FieldList(wtforms.FileField())

    assert not await Form(MultiDict([("one", "text"), ("many", "text")])).validate()
    a, b = FileStorage(filename="a.txt"), FileStorage(filename="b.txt")
    form = Form(MultiDict([("one", a), ("many", a), ("many", b), ("some-0", b)]))
    assert await form.validate()
    assert form.some.data == [b]
    assert form.one.data is a
    assert form.many.data == [a, b]


@pytest.mark.checks("WT-6")
async def test_field_of_wtforms_within_its_form() -> None:
    """There it would never see a file, so it is an error."""

    class Plain(wtforms.Form):
        one = wtforms.FileField()

    class InForm(QuartForm):
        inner = FormField(Plain)

    with pytest.raises(TypeError, match="use FileField or MultipleFileField from quartpatterns"):
        await InForm(MultiDict()).validate()


async def test_request(app_class: type[Quart], tmp_path: Path) -> None:
    """Files of a request are Quart's, of any size, and can be saved."""
    app = app_class(__name__)
    app.config["WTF_CSRF_ENABLED"] = False

    class Form(QuartForm):
        files = MultipleFileField(validators=[FileSize(2_000_000)])
        listed = FieldList(FileField())
        inner = FormField(Inner)

    @app.post("/")
    async def index() -> ResponseReturnValue:
        form = await Form.create()
        valid = await form.validate_on_submit()
        await form.files.data[0].save(tmp_path / "saved")
        names = [one.data.filename for one in form.listed]
        return {"valid": valid, "listed": names, "inner": form.inner.file.data.filename}

    files = {
        "files": file("small"),
        "files-0": file("no field"),
        "inner-text": file("large", b"l" * 1_500_000),
        "listed-0": file("first"),
        "listed-4": file("second"),
        "inner-file": file("inner"),
    }
    response = await app.test_client().post("/", files=files)
    message = json.loads(await response.get_data())
    assert message == {"valid": True, "listed": ["first", "second"], "inner": "inner"}
    assert (tmp_path / "saved").read_bytes() == b"text"
