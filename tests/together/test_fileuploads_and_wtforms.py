"""Uploads in forms: what is wrong with a file is shown next to its field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, redirect, render_template_string, request, url_for
from quart.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge
from wtforms import StringField
from wtforms.validators import Length

from quartpatterns.fileuploads import IMAGES, TEXT, UploadSet, configure_uploads, stream_multipart
from quartpatterns.wtforms import (
    CSRFProtect,
    FileAllowed,
    FileField,
    FileRequired,
    FileSize,
    FormTooLargeError,
    MultipleFileField,
    QuartForm,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
photos = UploadSet("photos", IMAGES)
texts = UploadSet("texts", TEXT)


class PhotoForm(QuartForm):
    """A form with files, and fields before and after them."""

    title = StringField("Title", [Length(max=50)])
    photo = FileField("Photo", [FileRequired(), FileAllowed(photos), FileSize(max_size=20_000)])
    more = MultipleFileField("More", [FileAllowed(photos)])
    text = FileField("Text", [FileAllowed(texts)])
    note = StringField("Note")


PAGE = """
{% if too_large %}<p>{{ too_large }}</p>{% endif %}
<form method="post" enctype="multipart/form-data">{{ form.hidden_tag() }}
{% for field in (form.title, form.photo, form.more, form.text, form.note) %}
{{ field() }}{% for error in field.errors %}<b>{{ field.name }}: {{ error }}</b>{% endfor %}
{% endfor %}</form>
"""


def create_app(app_class: type[Quart], folder: Path, **config: Any) -> Quart:
    """The application, with a form and a view without one."""
    app = app_class(__name__)
    app.config.from_mapping(
        {
            "SECRET_KEY": "test",
            "MAX_CONTENT_LENGTH": 100_000,
            "UPLOADED_PHOTOS_DEST": str(folder / "photos"),
            "UPLOADED_TEXTS_DEST": str(folder / "texts"),
            **config,
        }
    )
    configure_uploads(app, photos, texts)
    csrf = CSRFProtect(app)

    @app.route("/", methods=["GET", "POST"])
    async def index() -> ResponseReturnValue:
        form = await PhotoForm.create()
        if await form.validate_on_submit():
            for file in [form.photo.data, *(form.more.data or [])]:
                await photos.save(file)
            if form.text.data:
                await texts.save(form.text.data)
            return redirect(url_for("index"))
        return await render_template_string(PAGE, form=form)

    @app.post("/plain")
    @csrf.exempt
    async def plain() -> str:
        files = await request.files
        return await photos.save(files["photo"])

    @app.post("/stream")
    @csrf.exempt
    async def stream() -> str:
        async for part in stream_multipart(request, max_part_size=10_000):
            if part.filename:
                return await photos.save(part)
        return ""

    return app


@pytest.fixture
def app(app_class: type[Quart], tmp_path: Path) -> Quart:
    """The application with its default limits."""
    return create_app(app_class, tmp_path)


@dataclass(frozen=True)
class File:
    """A file that the user has chosen."""

    name: str
    content: bytes = PNG


def encode(form: Mapping[str, str], files: Mapping[str, File | list[File]]) -> bytes:
    """Return a form as browsers send it."""
    parts: list[tuple[str, bytes]] = [
        (f'name="{name}"', value.encode()) for name, value in form.items()
    ]
    for name, found in files.items():
        parts += (
            (f'name="{name}"; filename="{file.name}"', file.content)
            for file in (found if isinstance(found, list) else [found])
        )
    body = b"".join(
        b"--b\r\nContent-Disposition: form-data; " + header.encode() + b"\r\n\r\n" + value + b"\r\n"
        for header, value in parts
    )
    return body + b"--b--\r\n"


async def post(client: Any, path: str, body: bytes) -> tuple[int, str]:
    """Send an encoded form; return the status and the page."""
    headers = {
        "Content-Type": "multipart/form-data; boundary=b",
        "Content-Length": str(len(body)),
    }
    response = await client.post(path, data=body, headers=headers)
    return response.status_code, await response.get_data(as_text=True)


async def token(client: Any) -> str:
    """Return the token of the page."""
    page: str = await (await client.get("/")).get_data(as_text=True)
    return page.partition('value="')[2].partition('"')[0]


async def submit(
    app: Quart,
    files: Mapping[str, File | list[File]] | None = None,
    path: str = "/",
    **form: str,
) -> tuple[int, str]:
    """Send the form with its token; return the status and the page."""
    client = app.test_client()
    form = {"csrf_token": await token(client), **form}
    return await post(client, path, encode(form, files or {}))


def saved(folder: Path) -> list[Path]:
    """Return all files below *folder*."""
    return [path for path in folder.rglob("*") if path.is_file()]


async def errors(app: Quart, files: Mapping[str, File | list[File]]) -> list[str]:
    """Return the errors next to the fields. The user has to type nothing again."""
    status, page = await submit(app, files, title="My <cat>", note="Blue & green")
    if status == 302:
        return []
    assert status == 200
    assert 'value="My &lt;cat&gt;"' in page
    assert 'value="Blue &amp; green"' in page
    return re.findall("<b>(.*?)</b>", page)


async def test_content(app: Quart, tmp_path: Path) -> None:
    """A misnamed file is an error of its field, and nothing is saved."""
    fake = "photo: The content of the file does not match the extension .png."
    assert await errors(app, {"photo": File("a.png", b"not a picture")}) == [fake]
    assert await errors(app, {"photo": File("a.png", b"not a picture" * 1000)}) == [fake]
    assert await errors(app, {"photo": File("A.JPG")}) == [fake.replace("png", "jpg")]
    both = {"photo": File("a.png"), "text": File("a.txt", b"\0")}
    assert await errors(app, both) == [
        "text: The content of the file does not match the extension .txt."
    ]
    assert not saved(tmp_path)
    assert await errors(app, {"photo": File("a.png"), "text": File("a.txt", b"a" * 9000)}) == []
    assert (tmp_path / "photos/a.png").read_bytes() == PNG  # read from its beginning
    assert (tmp_path / "texts/a.txt").read_bytes() == b"a" * 9000


async def test_names_and_missing_files(app: Quart, tmp_path: Path) -> None:
    """Missing, empty and unnamed files, wrong extensions, names that can't be saved."""
    required, extension = "This field is required.", "File does not have an approved extension."
    assert await errors(app, {}) == [f"photo: {required}"]
    assert await errors(app, {"photo": File("", b"")}) == [f"photo: {required}"]
    assert await errors(app, {"photo": File("a.png", b"")}) == ["photo: The file is empty."]
    for name in ("a.exe", "png", ".png", "a.png.exe", "a.svg"):
        assert await errors(app, {"photo": File(name)}) == [f"photo: {extension}"]
    assert not saved(tmp_path)
    assert await errors(app, {"photo": File("\u732b" * 100 + "x" * 1000 + ".png")}) == []
    (path,) = saved(tmp_path)
    assert len(path.name) < 256


async def test_several_files(app: Quart, tmp_path: Path) -> None:
    """Of several files in one field, the error names the wrong one, and none is saved."""
    good = File("good.png")
    for bad, expected in (
        (
            File("bad.png", b"text"),
            "bad.png: The content of the file does not match the extension .png.",
        ),
        (File("bad.exe"), "File does not have an approved extension."),  # as in Flask-WTF
        (File("bad.png", b""), "bad.png: The file is empty."),
    ):
        found = await errors(app, {"photo": File("a.png"), "more": [good, bad, good]})
        assert found == [f"more: {expected}"]
        assert not saved(tmp_path)


async def test_size(app: Quart) -> None:
    """The error names the limit of a file in bytes, as in Flask-WTF."""
    message = "photo: File must be between 0 and 20000 bytes."
    assert await errors(app, {"photo": File("a.png", PNG + b"\0" * 20_000)}) == [message]


async def test_content_is_not_checked(app_class: type[Quart], tmp_path: Path) -> None:
    """The setting of the upload set turns the check off."""
    app = create_app(app_class, tmp_path, UPLOADS_CHECK_CONTENT=False)
    assert await errors(app, {"photo": File("a.png", b"fake")}) == []


async def test_whole_form(app: Quart) -> None:
    """A form above ``MAX_CONTENT_LENGTH`` is a 413 that names it."""
    large = {"photo": File("a.png", PNG + b"\0" * 100_000)}
    expected = "The form is larger than 100 kB. Choose smaller files."
    status, page = await submit(app, large)
    assert (status, expected in page) == (413, True)
    if type(app) is not Quart:
        return
    # Without a length in the headers, it may also be another limit. (The test client of
    # FaithfulQuart sends what Werkzeug's does.)
    client: Any = app.test_client()
    body = encode({"csrf_token": await token(client)}, large)
    headers = {
        "Content-Type": "multipart/form-data; boundary=b",
        "Transfer-Encoding": "chunked",
    }
    async with client.request("/", method="POST", headers=headers) as connection:
        await connection.send(body)
        await connection.send_complete()
    response = await connection.as_response()
    assert response.status_code == 413
    assert "it is larger than 100 kB, or one of its" in await response.get_data(as_text=True)


async def test_error_handler(app: Quart) -> None:
    """An application can show another page, also if the check of the token finds the error."""

    @app.errorhandler(FormTooLargeError)
    async def too_large(error: FormTooLargeError) -> ResponseReturnValue:
        form = PhotoForm(formdata=None)
        page = await render_template_string(PAGE, form=form, too_large=error.description)
        return page, 413

    status, page = await submit(app, {"photo": File("a.png", b"\0" * 100_001)})
    assert status == 413
    assert "<p>The form is larger than 100 kB. Choose smaller files.</p>" in page
    assert '<input id="title"' in page


async def test_parts(app_class: type[Quart], tmp_path: Path) -> None:
    """The 413 for a text above ``MAX_FORM_MEMORY_SIZE``, or too many fields, names both."""
    app = create_app(app_class, tmp_path, MAX_FORM_MEMORY_SIZE=20_480, MAX_FORM_PARTS=10)
    assert await errors(app, {"photo": File("a.png", PNG + b"\0" * 5000)}) == []
    expected = (
        "The form is too large: one of its texts is larger than 20 KiB, or it has more than 10"
        " fields."
    )
    photo = {"photo": File("a.png")}
    status, page = await submit(app, photo, note="x" * 20_481)
    assert (status, expected in page) == (413, True)
    status, page = await submit(app, photo, **{f"field{number}": "" for number in range(11)})
    assert (status, expected in page) == (413, True)


async def test_token_after_the_file(app_class: type[Quart], tmp_path: Path) -> None:
    """The token is found behind a small file; behind a large one the error says what to do."""
    app = create_app(app_class, tmp_path, WTF_CSRF_FORM_LIMIT=10_000)
    app.debug = True
    client = app.test_client()
    form = {"csrf_token": await token(client)}
    for size, expected in (1000, 302), (15_000, 400):
        file = encode({}, {"photo": File("a.png", PNG + b"\0" * size)})
        status, page = await post(client, "/", file.removesuffix(b"--b--\r\n") + encode(form, {}))
        assert status == expected
    assert "first 10 kB of the form: put it before all files" in page
    headers = {"Content-Type": "application/json", "Content-Length": "15000"}
    response = await client.post("/", data=b'"' + b"x" * 14_998 + b'"', headers=headers)
    page = await response.get_data(as_text=True)
    assert "The CSRF token is missing." in page
    assert "of the form" not in page


async def test_views_without_a_form(app: Quart) -> None:
    """They get the same statuses as before."""
    client = app.test_client()
    for path in ("/plain", "/stream"):
        status, _ = await post(client, path, encode({}, {"photo": File("a.png", b"fake")}))
        assert status == 415
    large = {"photo": File("a.png", PNG + b"\0" * 10_000)}
    status, page = await post(client, "/stream", encode({}, large))
    assert status == 413
    assert "At most 10 kB in &#39;photo&#39; are allowed (max_part_size)." in page
    large = {"photo": File("a.png", PNG + b"\0" * 100_000)}
    status, page = await post(client, "/plain", encode({}, large))
    assert status == 413
    assert RequestEntityTooLarge.description in page
