"""The cases in which original and port must respond alike, each with its own folder."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from quartpatterns.compare import Arrangement, Case, Difference, File, Step

__all__ = ["CASES", "arrange"]

LIMIT = 100_000
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89"
BOUNDARY = "----boundary"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
ANY_TEXT = re.compile(".*", re.DOTALL)
FORM_PAGE = Step("/", compare="html")
NO_OVERWRITING = "an upload replaces another one only with overwrite=True"
# They depend on the time of the upload.
FILE_HEADERS = ("etag", "last-modified")


@asynccontextmanager
async def arrange(folder: Path) -> AsyncIterator[Arrangement]:
    """Return settings with a folder for each side, and a small limit."""
    settings = {"MAX_CONTENT_LENGTH": LIMIT}
    yield Arrangement(
        original=settings | {"UPLOAD_FOLDER": str(folder / "original")},
        port=settings | {"UPLOAD_FOLDER": str(folder / "port")},
    )


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("evil.txt", "hello")
    return file.getvalue()


def upload(name: str, content: bytes = b"hello", *, field: str = "file") -> Step:
    """A request with a form with one file."""
    file = File(content, name, "text/plain")
    return Step("/", method="POST", files={field: file}, compare="html")


def multipart(*parts: bytes, end: bytes = b"--\r\n") -> bytes:
    """A multipart body that is written by hand."""
    boundary = f"--{BOUNDARY}".encode()
    return b"".join(boundary + b"\r\n" + part + b"\r\n" for part in parts) + boundary + end


def part(disposition: str, content: bytes = b"hello") -> bytes:
    return f"Content-Disposition: form-data; {disposition}\r\n\r\n".encode() + content


def raw(body: bytes) -> Step:
    return Step("/", method="POST", headers=FORM, body=body, compare="html")


def chunked(size: int) -> Step:
    """A form without a declared length."""
    body = multipart(part('name="file"; filename="chunked.txt"', b"x" * size))
    pieces = tuple(body[begin : begin + 1000] for begin in range(0, len(body), 1000))
    return Step("/", method="POST", headers=FORM, body=pieces, compare="html")


def no_boundary() -> Step:
    headers = {"Content-Type": "multipart/form-data"}
    return Step(
        "/", method="POST", headers=headers, body=multipart(part('name="file"')), compare="html"
    )


def download(name: str, **headers: str) -> Step:
    return Step(f"/uploads/{name}", headers=headers, ignore_headers=FILE_HEADERS)


def containing(text: str) -> re.Pattern[str]:
    return re.compile(f".*{re.escape(text)}.*", re.DOTALL)


def differs(
    reason: str, aspects: Mapping[str, tuple[object, object]], step: int = 0
) -> list[Difference]:
    """Differences of *step* by aspect. Another body also has another length."""
    found = [
        Difference(name, original, port, reason, step) for name, (original, port) in aspects.items()
    ]
    if "body" in aspects:
        length = re.compile(r"\d+")
        found.append(Difference("header:content-length", length, length, reason, step))
    return found


def nosniff(step: int) -> Difference:
    """The response to *step* is a file."""
    reason = "browsers must not guess the type of an uploaded file"
    return Difference("header:x-content-type-options", None, "nosniff", reason, step)


def renamed(original: str, port: str, reason: str, step: int = 0) -> list[Difference]:
    """The sides save the file of *step* under different names."""
    aspects = {
        "header:location": (f"/uploads/{original}", f"/uploads/{port}"),
        "body": (containing(original), containing(port)),
    }
    return differs(reason, aspects, step)


def too_large(text: str) -> list[Difference]:
    """Both respond with 413, the port with *text*."""
    return differs("the port names the limit", {"body": (containing("exceeds"), containing(text))})


def refused(status: int, text: str) -> list[Difference]:
    """The original treats a malformed form as an empty one; the port responds with *text*."""
    return differs(
        "a malformed form is an error of the client, and not an empty form",
        {
            "status": (302, status),
            "header:location": (re.compile("http://.*"), None),
            "header:set-cookie": (re.compile("session=.*No file part.*"), None),
            "header:vary": ("Cookie", None),
            "body": (ANY_TEXT, containing(text)),
        },
    )


def hashed(name: str, size: int) -> list[Difference]:
    """The response of the port also has the digest."""
    data = {"name": name, "size": size, "url": f"/uploads/{name}"}
    content = b"hello" if size == 5 else b"x" * size
    digest = {"sha256": hashlib.sha256(content).hexdigest()}
    return differs("the port computes it during the upload", {"body": (data, data | digest)})


CASES: tuple[Case, ...] = (
    Case("the form", Step("/", compare="html"), checks=("UP-2",)),
    Case("only the form's method", Step("/", method="DELETE"), checks=("UP-2",)),
    Case("HEAD", Step("/", method="HEAD"), checks=("UP-2",)),
    Case(
        "a file, and the file again",
        upload("hello.txt"),
        download("hello.txt"),
        checks=("UP-1", "UP-3", "UP-4"),
        differs=[nosniff(1)],
    ),
    Case(
        "a picture",
        upload("dot.png", PNG),
        download("dot.png"),
        checks=("UP-1", "UP-3", "UP-4"),
        differs=[nosniff(1)],
    ),
    Case(
        "an empty file",
        upload("empty.txt", b""),
        download("empty.txt"),
        checks=("UP-3",),
        differs=[nosniff(1)],
    ),
    Case(
        "no part of that name",
        upload("a.txt", field="other"),
        FORM_PAGE,
        FORM_PAGE,
        checks=("UP-3",),
    ),
    Case(
        "a field instead of a file",
        raw(multipart(part('name="file"'))),
        FORM_PAGE,
        checks=("UP-3",),
    ),
    Case(
        "no multipart form",
        Step("/", method="POST", form={"file": "hello"}, compare="html"),
        FORM_PAGE,
        checks=("UP-3",),
    ),
    Case("no body", Step("/", method="POST", compare="html"), FORM_PAGE, checks=("UP-3",)),
    Case("no file chosen", upload("", b""), FORM_PAGE, checks=("UP-3",)),
    Case("another extension", upload("a.exe"), FORM_PAGE, checks=("UP-1", "UP-3")),
    Case("no extension", upload("README"), checks=("UP-1",)),
    Case("nothing but dots", upload(".."), checks=("UP-1", "UP-6")),
    Case(
        "an extension in upper case",
        upload("A.PNG", PNG),
        checks=("UP-1",),
        differs=renamed("A.PNG", "A.png", "servers look up types by the extension in lower case"),
    ),
    Case(
        "the same name twice",
        upload("twice.txt", b"one"),
        upload("twice.txt", b"two"),
        download("twice.txt"),
        checks=("UP-3",),
        differs=[
            *renamed("twice.txt", "twice_1.txt", NO_OVERWRITING, 1),
            nosniff(2),
            Difference("body", "two", "one", NO_OVERWRITING, 2),
        ],
    ),
    Case("a path for a name", upload("../../up.txt"), checks=("UP-6",)),
    Case("a path of Windows", upload("..\\..\\over.txt"), checks=("UP-6",)),
    Case("a hidden file", upload("../../../../home/username/.bashrc"), checks=("UP-6",)),
    Case("NUL in the name", upload("a\0.txt"), checks=("UP-6",)),
    Case("a character that changes the direction", upload("photo\u202egnp.exe"), checks=("UP-6",)),
    Case(
        "a name in another script",
        upload("\u6587\u4ef6.txt"),
        checks=("UP-6",),
        differs=renamed("txt", "file.txt", "the original saves it with the extension as the name"),
    ),
    Case(
        "a device of Windows",
        upload("con.txt"),
        checks=("UP-6",),
        differs=renamed("con.txt", "_con.txt", "Windows can't open such a file"),
    ),
    Case(
        "a name of 300 characters",
        upload("a" * 300 + ".txt"),
        checks=("UP-6",),
        differs=differs(
            "file systems don't have names this long; the port cuts it before its extension",
            {
                "status": (500, 302),
                "header:location": (None, f"/uploads/{'a' * 196}.txt"),
                "body": (ANY_TEXT, ANY_TEXT),
            },
        ),
    ),
    Case(
        "a ZIP archive named as an image",
        upload("fake.png", zipped()),
        checks=("UP-1",),
        differs=differs(
            "the content must match the extension",
            {
                "status": (302, 200),
                "header:location": ("/uploads/fake.png", None),
                "header:vary": (None, "Cookie"),
                "body": (ANY_TEXT, containing("Upload new File")),
            },
        ),
    ),
    Case(
        "too large",
        upload("large.txt", b"x" * LIMIT),
        checks=("UP-8",),
        differs=too_large("At most 100 kB in the body are allowed (max_content_length)."),
    ),
    Case(
        "too large, in pieces",
        chunked(LIMIT),
        checks=("UP-8",),
        differs=too_large("At most 100 kB in the body are allowed (max_content_length)."),
    ),
    Case(
        "too many parts",
        raw(multipart(*(part('name="a"', b"") for _ in range(1001)))),
        checks=("UP-8",),
        differs=too_large("At most 1000 parts are allowed (max_parts)."),
    ),
    Case(
        "a very long header",
        raw(multipart(b"X" * 20_000)),
        checks=("UP-8",),
        differs=refused(413, "each of 4096 bytes (max_header_size)"),
    ),
    Case(
        "cut off",
        raw(multipart(part('name="file"; filename="cut.txt"'), end=b"")),
        checks=("UP-3",),
        differs=refused(400, "Unexpected end of multipart stream"),
    ),
    Case("no boundary", no_boundary(), checks=("UP-3",), differs=refused(400, "boundary")),
    Case("random bytes", raw(b"\0" * 100), checks=("UP-3",), differs=refused(400, "malformed")),
    Case("a form without parts", raw(multipart()), FORM_PAGE, checks=("UP-3",)),
    Case("a missing file", download("missing.txt"), checks=("UP-4",)),
    Case("a file outside of the folder", download("..%2f..%2fetc%2fpasswd"), checks=("UP-4",)),
    Case("the parent folder", download("%2e%2e"), checks=("UP-4",)),
    Case(
        "ranges",
        upload("range.txt", b"0123456789"),
        download("range.txt", Range="bytes=2-4"),
        download("range.txt", Range="bytes=-3"),
        download("range.txt", Range="bytes=10-"),
        download("range.txt", Range="nonsense"),
        Step("/uploads/range.txt", method="HEAD", ignore_headers=FILE_HEADERS),
        checks=("UP-4",),
        differs=[nosniff(step) for step in (1, 2, 5)],
    ),
    Case(
        "a rule that only builds URLs",
        upload("served.txt"),
        Step("/files/served.txt"),
        checks=("UP-5",),
    ),
    Case("the form with a progress bar", Step("/progress", compare="html"), checks=("UP-9",)),
    Case(
        "an upload with a progress bar",
        Step("/progress", method="POST", files={"file": File(b"hello", "bar.txt")}, compare="json"),
        checks=("UP-9",),
        differs=hashed("bar.txt", 5),
    ),
    Case(
        "an upload with a progress bar, above the limit of the page",
        Step(
            "/progress",
            method="POST",
            files={"file": File(b"x" * (LIMIT + 1), "bar2.txt")},
            compare="json",
        ),
        checks=("UP-8", "UP-9"),
        differs=hashed("bar2.txt", LIMIT + 1),
    ),
    Case(
        "a progress bar without a file",
        Step("/progress", method="POST", files={"other": File(b"", "a.txt")}),
        checks=("UP-9",),
    ),
)
