"""Upload sets: which files they accept, under which names, and their configuration."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, render_template_string, request

from quartpatterns._shared.settings import SettingError
from quartpatterns.fileuploads import (
    ALL,
    EXECUTABLES,
    IMAGES,
    SCRIPTS,
    TEXT,
    AllExcept,
    SavedName,
    UploadNotAllowed,
    UploadSet,
    configure_uploads,
)
from tests.fileuploads.conftest import MakeApp
from tests.fileuploads.multipart_bodies import file, form, post

Spooled = Callable[[bytes, str], Any]


def files(folder: Path) -> dict[str, bytes]:
    """The contents of all files below *folder*, with hidden ones."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def write(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("hello")


@pytest.mark.checks("UP-3", "UP-10", "UP-13")
async def test_saved(make_app: MakeApp, folder: Path) -> None:
    """A file is saved unchanged, under a safe name, with its size and digest."""
    content = b"\0\xff" * 1_000_000
    response = await post(make_app().test_client(), form(file("../ä b.bin", content)))
    digest = hashlib.sha256(content).hexdigest()
    assert await response.get_json() == [["a_b.bin", len(content), digest]]
    assert files(folder) == {"a_b.bin": content}


async def test_empty_files(make_app: MakeApp, folder: Path) -> None:
    """An empty file is saved, unless its type requires content."""
    app = make_app()
    response = await post(app.test_client(), form(file("a.txt"), file("b.dat")))
    assert response.status_code == 200
    assert (await post(app.test_client(), form(file("c.png")))).status_code == 415
    assert files(folder) == {"a.txt": b"", "b.dat": b""}


@pytest.mark.checks("UP-13")
async def test_no_overwriting(make_app: MakeApp, folder: Path) -> None:
    """If a name is in use, the file gets a number, then a random suffix."""
    client = make_app().test_client()
    response = await post(client, form(*[file("a.tar.gz.txt", b"%d" % n) for n in range(13)]))
    names = [name for name, *_ in await response.get_json()]
    assert names[:3] == ["a.tar.gz.txt", "a.tar.gz_1.txt", "a.tar.gz_2.txt"]
    assert len(set(names)) == 13
    assert files(folder) == {name: b"%d" % n for n, name in enumerate(names)}


@pytest.mark.checks("UP-13")
async def test_concurrent_uploads_of_one_name(make_app: MakeApp, folder: Path) -> None:
    """Concurrent uploads of one name get different names, and none is lost."""
    client = make_app().test_client()
    contents = [bytes([number]) * 700_000 for number in range(20)]
    responses = await asyncio.gather(
        *(post(client, form(file("same.dat", content))) for content in contents)
    )
    names = [(await response.get_json())[0][0] for response in responses]
    assert files(folder) == dict(zip(names, contents, strict=True))


@pytest.mark.checks("UP-13")
async def test_overwrite(make_app: MakeApp, folder: Path) -> None:
    """With ``overwrite`` a file replaces another one, and nothing else is left."""
    client = make_app(options={"overwrite": True}).test_client()
    for content in (b"one", b"two"):
        response = await post(client, form(file("a.txt", content)))
        assert (await response.get_json())[0][0] == "a.txt"
    assert files(folder) == {"a.txt": b"two"}


@pytest.mark.checks("UP-10")
@pytest.mark.parametrize(
    ("options", "name"),
    [
        pytest.param({"folder": "ada"}, "ada/photo.txt", id="a folder"),
        pytest.param({"folder": "ada/2026"}, "ada/2026/photo.txt", id="folders"),
        pytest.param({"name": "me.txt"}, "me.txt", id="a name"),
        pytest.param({"name": "me."}, "me.txt", id="a name with the file's extension"),
        pytest.param({"name": "ada/me."}, "ada/me.txt", id="a folder in the name"),
        pytest.param({"name": "ada/"}, "ada/photo.txt", id="only a folder in the name"),
        pytest.param({"folder": "b", "name": "ada/me."}, "b/ada_me.txt", id="both"),
    ],
)
async def test_folders_and_names(
    make_app: MakeApp, folder: Path, options: dict[str, str], name: str
) -> None:
    """The arguments ``folder`` and ``name`` of Flask-Uploads."""
    app = make_app(options=options)
    response = await post(app.test_client(), form(file("photo.TXT", b"x")))
    assert (await response.get_json())[0][0] == name
    assert files(folder) == {name: b"x"}


@pytest.mark.checks("UP-6", "UP-13")
@pytest.mark.parametrize(
    "options",
    [{"folder": ".."}, {"folder": "../.."}, {"folder": "a//b"}, {"name": "../."}],
    ids=repr,
)
async def test_unsafe_targets(make_app: MakeApp, tmp_path: Path, options: dict[str, str]) -> None:
    """Neither the folder nor the name leads out of the folder, or to another extension."""
    response = await post(make_app(options=options).test_client(), form(file("a.txt", b"x")))
    assert response.status_code == 415
    assert not files(tmp_path)
    options = {"name": "../evil.py"}
    only_text = UploadSet("files", TEXT)
    response = await post(make_app(only_text, options).test_client(), form(file("a.txt", b"x")))
    assert response.status_code == 415
    assert not files(tmp_path)


@pytest.mark.checks("UP-1", "UP-13")
@pytest.mark.parametrize(
    "name", ["a.exe", "README", "a.txt.exe", "", "..", "a.", "photo\u202etxt.exe"]
)
async def test_not_allowed(make_app: MakeApp, folder: Path, name: str) -> None:
    """A file that is not allowed is a 415, and nothing is written."""
    client = make_app(UploadSet("files", TEXT)).test_client()
    response = await post(client, form(file(name, b"x")))
    assert response.status_code == 415
    assert not files(folder.parent)


@pytest.mark.checks("UP-13")
async def test_content(make_app: MakeApp, folder: Path) -> None:
    """The content must match the extension, unless the set turns the check off."""
    body = form(file("a.png", b"PK\3\4" + bytes(100_000)))
    response = await post(make_app(UploadSet("files", IMAGES)).test_client(), body)
    assert response.status_code == 415
    assert "does not match the extension .png" in await response.get_data(as_text=True)
    assert not files(folder.parent)
    unchecked = UploadSet("files", IMAGES, matches=None)
    assert (await post(make_app(unchecked).test_client(), body)).status_code == 200


@pytest.mark.checks("UP-10")
async def test_spooled_files(app_class: type[Quart], folder: Path) -> None:
    """A file of ``await request.files`` can be saved as well."""
    app, uploads = app_class(__name__), UploadSet("files", TEXT)
    app.config["UPLOADED_FILES_DEST"] = str(folder)
    configure_uploads(app, uploads)

    @app.post("/")
    async def save() -> str:
        return await uploads.save((await request.files)["file"])

    response = await post(app.test_client(), form(file("a.txt", b"x" * 600_000)))
    assert await response.get_data(as_text=True) == "a.txt"
    assert files(folder) == {"a.txt": b"x" * 600_000}


@pytest.mark.checks("UP-10")
async def test_extensions(make_app: MakeApp, spooled: Spooled) -> None:
    """Groups, ``ALL``, ``AllExcept``, and extensions that the configuration adds and removes."""
    config = {"UPLOADED_FILES_ALLOW": ("svg",), "UPLOADED_FILES_DENY": ("gif",)}
    images, harmless = (
        UploadSet("files", IMAGES),
        UploadSet("files", AllExcept(SCRIPTS + EXECUTABLES)),
    )
    app = make_app(images, **config)
    async with app.app_context():
        assert [ext for ext in ("png", "svg", "gif", "txt") if images.extension_allowed(ext)] == [
            "png",
            "svg",
        ]
        assert images.file_allowed(spooled(b"", ""), "a.PNG")
        assert harmless.extension_allowed("txt") and not harmless.extension_allowed("py")
        assert UploadSet("files", ALL).extension_allowed("exe")


@pytest.mark.checks("UP-10")
async def test_subclass(make_app: MakeApp, folder: Path) -> None:
    """A subclass decides which files are allowed, and what happens if a name is in use."""

    class Strict(UploadSet):
        def file_allowed(self, storage: Any, basename: str) -> bool:
            return "secret" not in basename and super().file_allowed(storage, basename)

        async def resolve_conflict(self, folder: str, basename: str) -> str:
            raise UploadNotAllowed(f"There is {basename} already.")

    client = make_app(Strict("files", TEXT)).test_client()
    statuses = [
        (await post(client, form(file(name)))).status_code
        for name in ("a.txt", "secret.txt", "a.txt")
    ]
    assert statuses == [200, 415, 415]

    class SameName(UploadSet):
        async def resolve_conflict(self, folder: str, basename: str) -> str:
            return basename

    response = await post(make_app(SameName("files", TEXT)).test_client(), form(file("a.txt")))
    assert "A file named" in await response.get_data(as_text=True)
    assert files(folder) == {"a.txt": b""}


@pytest.mark.checks("UP-10")
async def test_path_and_url(app_class: type[Quart], tmp_path: Path) -> None:
    app = app_class(__name__)
    app.config.update(
        UPLOADED_PHOTOS_DEST=str(tmp_path),
        UPLOADED_PHOTOS_URL="https://cdn.example/photos",
        UPLOADS_DEFAULT_DEST=str(tmp_path / "all"),
        UPLOADS_DEFAULT_URL="https://cdn.example",
        UPLOADED_OBJECTS_DEST="memory:///",
    )
    photos, rest, objects = (UploadSet(name) for name in ("photos", "rest", "objects"))
    configure_uploads(app, photos, rest, objects)
    async with app.app_context():
        assert photos.path("a.png") == str(tmp_path / "a.png")
        assert photos.path("a.png", "ada") == str(tmp_path / "ada" / "a.png")
        assert photos.url("a.png") == "https://cdn.example/photos/a.png"
        assert rest.path("a.png") == str(tmp_path / "all" / "rest" / "a.png")
        assert rest.url("a.png") == "https://cdn.example/rest/a.png"
        for name in ("../a", "/a", ".a", "a/.b", "a/../../b"):
            with pytest.raises(ValueError, match="is not a valid name"):
                photos.path(name)
        with pytest.raises(RuntimeError, match="object store"):
            objects.path("a.png")
        with pytest.raises(RuntimeError, match="UPLOADS_AUTOSERVE"):
            objects.url("a.png")


@pytest.mark.checks("UP-10")
async def test_autoserve(app_class: type[Quart], folder: Path) -> None:
    """``UPLOADS_AUTOSERVE`` serves the files of sets without a URL, and no others."""
    app = app_class(__name__)
    app.config.update(
        UPLOADED_FILES_DEST=str(folder),
        UPLOADED_ELSEWHERE_DEST=str(folder),
        UPLOADED_ELSEWHERE_URL="https://cdn.example/",
        UPLOADS_AUTOSERVE=True,
    )
    uploads, elsewhere = UploadSet("files"), UploadSet("elsewhere")
    configure_uploads(app, uploads, elsewhere)
    write(folder / "a.txt")
    async with app.test_request_context("/"):
        assert uploads.url("a.txt") == "http://localhost/_uploads/files/a.txt"
        template = "{{ upload_url('files', 'a.txt') }} {{ upload_url('elsewhere', 'a.txt') }}"
        urls = "http://localhost/_uploads/files/a.txt https://cdn.example/a.txt"
        assert await render_template_string(template) == urls
        with pytest.raises(LookupError, match="no upload set 'file', only elsewhere, files"):
            await render_template_string("{{ upload_url('file', 'a.txt') }}")
    client = app.test_client()
    for path, status in (("files", 200), ("elsewhere", 404), ("unknown", 404)):
        assert (await client.get(f"/_uploads/{path}/a.txt")).status_code == status


@pytest.mark.checks("UP-10")
async def test_configuration(app_class: type[Quart], tmp_path: Path) -> None:
    """Errors of the configuration name the setting; a function may return the destination."""
    app = app_class(__name__)
    with pytest.raises(SettingError, match="UPLOADED_PHOTOS_DEST"):
        configure_uploads(app, UploadSet("photos"))
    with pytest.raises(ValueError, match="letters and digits"):
        UploadSet("my_photos")
    photos = UploadSet("photos", default_dest=lambda app: "relative")
    async with app.app_context():
        with pytest.raises(RuntimeError, match="configure_uploads"):
            photos.path("a.png")
        configure_uploads(app, photos)
        assert photos.path("a.png") == str(Path(app.root_path, "relative", "a.png"))


@pytest.mark.checks("UP-10")
@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("UPLOADED_PHOTOS_DEST", 5, "must be a path"),
        ("UPLOADED_PHOTOS_URL", 5, "must be a string"),
        ("UPLOADED_PHOTOS_ALLOW", "svg", "must be a list or tuple of strings"),
        ("UPLOADED_PHOTOS_DENY", [1], "must be a list or tuple of strings"),
        ("UPLOADED_PHOTOS_FSYNC", "yes", "must be True or False"),
        ("UPLOADED_PHOTOS_STORE", "key", "must be a mapping"),
        ("UPLOADS_AUTOSERVE", 1, "must be True or False"),
        ("UPLOADS_DEFAULT_DEST", "", "must be a path"),
        ("UPLOADED_PHOTOS_ALOW", ["svg"], "did you mean UPLOADED_PHOTOS_ALLOW"),
        ("UPLOADS_AUTOSERV", True, "did you mean UPLOADS_AUTOSERVE"),
    ],
)
def test_invalid_settings(key: str, value: object, message: str) -> None:
    """The error for an invalid or unknown setting names it."""
    app = Quart(__name__)
    app.config.update({"UPLOADED_PHOTOS_DEST": "photos", key: value})
    if key == "UPLOADS_DEFAULT_DEST":
        del app.config["UPLOADED_PHOTOS_DEST"]
    with pytest.raises(SettingError, match=f"{key} .*{message}") as raised:
        configure_uploads(app, UploadSet("photos"))
    assert raised.value.key == key


def test_saved_name() -> None:
    """``save`` returns a string with a size and a digest."""
    name = SavedName("a/b.txt", 3, "abc")
    assert name == "a/b.txt"
    assert (name.size, name.sha256) == (3, "abc")
