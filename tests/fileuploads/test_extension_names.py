"""The names of Flask-Reuploaded: each works as the table says, and none is missing from it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from quart.datastructures import FileStorage

from quartpatterns import fileuploads
from quartpatterns._shared.settings import SettingError
from quartpatterns.compare.extension_names import markdown
from quartpatterns.fileuploads import (
    ALL,
    IMAGES,
    TEXT,
    AllExcept,
    InvalidNameError,
    MissingDestinationError,
    TestingFileStorage,
    UploadConfiguration,
    UploadNotAllowed,
    UploadSet,
    addslash,
    config_for_set,
    configure_uploads,
    extension,
    lowercase_ext,
    patch_request_class,
)
from quartpatterns.fileuploads.example.extension_names import EXTENSION

NAMES = {name.name: name for name in EXTENSION.names}
README = Path(fileuploads.__file__).with_name("README.md")


@pytest.fixture
async def app(app_class: type[Quart], folder: Path) -> AsyncIterator[Quart]:
    """An application in whose context the test runs."""
    app = app_class(__name__)
    app.config["UPLOADS_DEFAULT_DEST"] = str(folder)
    async with app.app_context():
        yield app


def by_server(content: bytes, name: str) -> FileStorage:
    return FileStorage(io.BytesIO(content), name)


def test_table() -> None:
    """The README has the table, and each name that is not refused exists."""
    assert markdown(EXTENSION) in README.read_text(encoding="utf-8")
    assert len(NAMES) == len(EXTENSION.names)
    photos = UploadSet("photos")
    photos._config = UploadConfiguration("/x")
    owners: dict[str, Any] = {
        "UploadSet": photos,
        "UploadConfiguration": UploadConfiguration("/x"),
        "TestingFileStorage": TestingFileStorage(),
    }
    for name, row in NAMES.items():
        owner, _, attribute = name.partition("(")[0].rpartition(".")
        if name.startswith("UPLOAD") or owner == "app":
            continue  # the settings and the attribute of the application, which have own tests
        assert hasattr(owners.get(owner, fileuploads), attribute), name
        assert row.remark or row.state == "supported"


def test_no_name_is_missing() -> None:
    """The table has every public name of the extension, where it is installed."""
    theirs = pytest.importorskip("flask_uploads")
    found = set(theirs.__all__)
    for one in (theirs.UploadSet("x"), theirs.UploadConfiguration("/x")):
        found |= {f"{type(one).__name__}.{name}" for name in dir(one) if not name.startswith("_")}
    assert found <= set(NAMES)


def test_refused() -> None:
    """What is refused names what to write instead."""
    app = Quart(__name__)
    with pytest.raises(RuntimeError, match=r"app.config\['MAX_CONTENT_LENGTH'\] = 67108864"):
        patch_request_class(app)
    with pytest.raises(RuntimeError, match=r"app.config\['MAX_CONTENT_LENGTH'\] = 1000"):
        patch_request_class(app, 1000)
    for name in ("UPLOADS_URL", "UPLOADS_DEFAULT_URLS"):
        app = Quart(__name__)
        app.config.update({"UPLOADED_FILES_DEST": "x", name: "/x"})
        with pytest.raises(SettingError, match="set UPLOADS_DEFAULT_URL"):
            configure_uploads(app, UploadSet())


def test_functions() -> None:
    """The functions for names, as in Flask-Reuploaded."""
    assert [extension(name) for name in ("a.txt", "A.TXT", "a", ".bashrc", "a.tar.gz")] == [
        *("txt", "TXT", "", "", "gz")
    ]
    names = ("FOO.TXT", "FOO", "A.TAR.GZ", ".BASHRC", "a.b/C")
    assert [lowercase_ext(name) for name in names] == [
        *("FOO.txt", "FOO", "A.TAR.gz", ".BASHRC", "a.b/C")
    ]
    assert [addslash(url) for url in ("http://a", "http://a/", "")] == ["http://a/"] * 2 + ["/"]
    assert "exe" in ALL and "" in ALL and "exe" not in AllExcept(("exe",))


@pytest.mark.parametrize(
    "configure",
    [
        lambda app, a, b: configure_uploads(app, (a, b)),
        lambda app, a, b: configure_uploads(app, [a, b]),
        lambda app, a, b: configure_uploads(app, {a: 1, b: 2}),
        lambda app, a, b: configure_uploads(app, iter((a, b))),
        lambda app, a, b: configure_uploads(app, upload_sets=(a, b)),
        lambda app, a, b: configure_uploads(app, a, b),
        lambda app, a, b: [configure_uploads(app, one) for one in (a, b)],  # type: ignore[func-returns-value]
    ],
)
async def test_configure_uploads(app: Quart, folder: Path, configure: Callable[..., None]) -> None:
    """One upload set or several; ``app.upload_set_config`` has their configurations."""
    photos, docs = UploadSet("photos", IMAGES), UploadSet("docs")
    app.config.update(
        UPLOADED_PHOTOS_DEST="/p", UPLOADED_PHOTOS_URL="http://a", UPLOADED_PHOTOS_DENY=["gif"]
    )
    configure(app, photos, docs)
    assert app.upload_set_config == {  # type: ignore[attr-defined]
        "photos": UploadConfiguration("/p", "http://a/", (), ("gif",)),
        "docs": UploadConfiguration(f"{folder}/docs"),
    }
    assert photos.config.tuple == ("/p", "http://a/", (), ("gif",))
    for wrong in ("photos", 3, None, [photos, None], app):
        with pytest.raises(TypeError):
            configure_uploads(app, wrong)  # type: ignore[arg-type]


async def test_configuration(app: Quart, folder: Path) -> None:
    """A configuration for a test, and the one that the application's configuration describes."""
    photos = UploadSet("photos", default_dest=lambda app: "/d")
    photos._config = UploadConfiguration("/uploads", "http://a/", ("svg",))
    assert photos.path("a.png") == "/uploads/a.png" and photos.url("a") == "http://a/a"
    assert photos.extension_allowed("svg")
    photos._config = None
    with pytest.raises(RuntimeError, match="configure_uploads"):
        _ = photos.config
    assert UploadConfiguration("/x") == UploadConfiguration("/x") != UploadConfiguration("/y")
    assert UploadConfiguration("/x").__eq__("abc") is NotImplemented
    with pytest.raises(ValueError, match="call configure_uploads"):
        UploadConfiguration("s3://bucket")
    assert config_for_set(photos, app) == UploadConfiguration("/d")
    files = UploadSet("files")
    defaults = {"dest": "/all", "url": "http://a"}
    assert config_for_set(files, app, defaults).tuple[:2] == ("/all/files", "http://a/files/")
    for error in (RuntimeError, SettingError, MissingDestinationError):
        with pytest.raises(error, match="UPLOADED_FILES_DEST"):
            config_for_set(files, app)


async def test_no_base_url(app: Quart) -> None:
    """An empty URL of a set means that nothing serves it here."""
    app.config.update(UPLOADED_FILES_DEST="/x", UPLOADED_FILES_URL="", UPLOADS_AUTOSERVE=True)
    files = UploadSet("files")
    configure_uploads(app, files)
    assert files.url("a.txt") == "a.txt"
    assert (await app.test_client().get("/_uploads/files/a.txt")).status_code == 404


async def test_asynchronous_default_dest(app: Quart) -> None:
    """A coroutine is never used as the name of a folder."""

    async def dest(app: Quart) -> str:
        return "x"

    with pytest.raises(TypeError, match="must not be async"):
        configure_uploads(app, UploadSet("files", default_dest=dest))  # type: ignore[arg-type]


async def test_testing_file_storage(app: Quart, folder: Path) -> None:
    """Nothing is written, and the content is not compared with the extension."""
    photos = UploadSet("photos", IMAGES)
    configure_uploads(app, photos)
    file = TestingFileStorage(filename="me.PNG")
    assert (file.name, file.saved, file.content_type) == (None, None, "application/octet-stream")
    assert await photos.save(file, "ada") == "ada/me.png"
    assert file.saved == f"{folder}/photos/ada/me.png"
    assert not await asyncio.to_thread(folder.exists)
    with pytest.raises(UploadNotAllowed):
        await photos.save(TestingFileStorage(filename="me.exe"))
    with pytest.raises(ValueError, match="No file was chosen"):
        await photos.save(TestingFileStorage())
    (await asyncio.to_thread(_make, folder / "photos"))
    await photos.save(file := TestingFileStorage(io.BytesIO(b"x"), "me.png"))
    assert file.saved == f"{folder}/photos/me_1.png"
    await photos.save(file, overwrite=True)
    assert file.saved == f"{folder}/photos/me.png"
    with pytest.raises(RuntimeError, match="must be a path"):
        await file.save(io.BytesIO())  # type: ignore[arg-type]


async def test_testing_file_storage_in_a_link(app: Quart, folder: Path) -> None:
    """A test sees the error that a file of a client gets."""

    def link() -> None:
        (folder / "photos").mkdir(parents=True)
        (folder / "photos" / "link").symlink_to(folder)

    photos = UploadSet("photos", IMAGES)
    configure_uploads(app, photos)
    await asyncio.to_thread(link)
    with pytest.raises(ValueError, match="is a symbolic link"):
        await photos.save(file := TestingFileStorage(filename="me.png"), "link")
    assert file.saved is None


def _make(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "me.png").touch()


@pytest.mark.parametrize("config", [{"UPLOADS_CHECK_CONTENT": False}, {}])
async def test_check_content(app: Quart, folder: Path, config: dict[str, Any]) -> None:
    """A setting turns the check of the content off, for all sets or for one."""
    photos, docs = UploadSet("photos", IMAGES), UploadSet("docs", IMAGES)
    app.config.update(config | {"UPLOADED_DOCS_CHECK_CONTENT": True})
    if not config:
        app.config["UPLOADED_PHOTOS_CHECK_CONTENT"] = False
    configure_uploads(app, (photos, docs))
    assert await photos.save(by_server(b"fake", "a.png")) == "a.png"
    with pytest.raises(UploadNotAllowed, match="does not match"):
        await docs.save(by_server(b"fake", "a.png"))


async def test_names(app: Quart, folder: Path) -> None:
    """The name that the application has chosen needs no extension, but the content must match."""
    photos = UploadSet("photos", IMAGES)
    configure_uploads(app, photos)
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89"
    assert await photos.save(by_server(png, "a.png"), name="avatar") == "avatar"
    assert await photos.save(by_server(png, "a.png"), name="b/avatar. ") == "b/avatar.png"
    with pytest.raises(UploadNotAllowed, match=r"content .* does not match the extension .png"):
        await photos.save(by_server(b"#!/bin/sh", "a.png"), name="avatar")
    with pytest.raises(UploadNotAllowed, match=r"avatar.php"):
        await photos.save(by_server(png, "a.png"), name="avatar.PHP")
    for name in ("...", ".", "/etc/passwd.png", "../a.png", "a/../b.png", "a//b.png", "/a.png"):
        with pytest.raises(InvalidNameError) as raised:
            await photos.save(by_server(png, "a.png"), name=name)
        assert raised.value.code == 415
        assert issubclass(InvalidNameError, ValueError)
    for target in ("..", "/etc", "a/..", "a/", "./a", "\u2024\u2024/x"):
        with pytest.raises(InvalidNameError):
            await photos.save(by_server(png, "a.png"), target)
    for wrong in ("text", b"bytes", io.BytesIO(), None):
        with pytest.raises(TypeError, match="takes a part of stream_multipart"):
            await photos.save(wrong)  # type: ignore[arg-type]


async def test_subclass(app: Quart, folder: Path) -> None:
    """Methods of a subclass may be plain, as in the extension, or asynchronous."""
    seen: list[str] = []

    class Plain(UploadSet):
        def resolve_conflict(self, target_folder: str, basename: str) -> str:  # type: ignore[override]
            seen.append(target_folder)
            return f"other_{basename}"

    class Async(UploadSet):
        async def file_allowed(self, storage: Any, basename: str) -> bool:  # type: ignore[override]
            return basename != "no.txt"

        async def get_basename(self, filename: str) -> str:  # type: ignore[override]
            return super().get_basename(filename)

    async def matches(ext: str, head: bytes) -> bool:
        return head != b"virus"

    plain, asynchronous = Plain("plain", TEXT), Async("async", TEXT, matches=matches)
    configure_uploads(app, (plain, asynchronous))
    names = [await plain.save(by_server(b"x", "a.txt"), "sub") for _ in range(2)]
    assert names == ["sub/a.txt", "sub/other_a.txt"]
    assert seen == [f"{folder}/plain/sub"]
    assert await asynchronous.save(by_server(b"x", "a.txt")) == "a.txt"
    for content, name in ((b"x", "no.txt"), (b"virus", "a.txt")):
        with pytest.raises(UploadNotAllowed):
            await asynchronous.save(by_server(content, name))
