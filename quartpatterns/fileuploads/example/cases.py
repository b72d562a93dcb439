"""The cases in which original and port must respond alike, each with its own folder."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from quartpatterns.compare import Arrangement, Case, Difference, File, Step
from quartpatterns.compare.case import Kind
from quartpatterns.compare.error_page import error_page
from quartpatterns.compare.redirect_page import redirect_page

__all__ = ["CASES", "EXTRAS", "arrange"]

LIMIT = 100_000
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1"
BOUNDARY = "----boundary"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
HTML = "text/html; charset=utf-8"
FORM_PAGE = Step("/", compare="html")
# As it is compared, without white space between its elements.
FORM_HTML = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Upload new File</title>
<link rel="stylesheet" href="/static/style.css">
<main>
<h1>Upload new File</h1>
<form method=post enctype=multipart/form-data>
<p><label>A text, a PDF, or a picture: <input type=file name=file></label></p>
<p><input type=submit value=Upload></p>
</form>
<p>The same <a href="/easier">with an upload set</a>.</p>
<p>A web server in front could send the files itself, from <code>/files/NAME</code>.</p>
</main>
</html>
"""
PROGRESS_HTML = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Upload with a bar</title>
<link rel="stylesheet" href="/static/style.css">
<main>
<h1>Upload with a bar</h1>
<form id=upload action="/progress" method=post enctype=multipart/form-data>
<p><label>Any file: <input type=file name=file required></label></p>
<p><button>Upload</button> <button id=cancel type=button disabled>Cancel</button></p>
</form>
<p><label>Sent by this browser <progress id=sent value=0 max=1></progress></label></p>
<p><label>Received by the server <progress id=received value=0 max=1></progress></label></p>
<p id=result role=status></p>
<p><a href="/">Back to the small form</a></p>
<noscript><p>The bars need JavaScript; the upload does not.</p></noscript>
<script src="/static/progress.js"></script>
</main>
</html>
"""
LONG = "file systems don't allow this length; the port shortens the name before its extension"
HEADER = "the header is longer than the port allows; Flask treats the form as an empty one"
HEADER_LIMIT = (
    "At most 8 headers in a part, each of 4096 bytes (max_header_size), are allowed (max_headers)."
)
EASIER = "http://localhost/easier"
MATCH = "the content must match the extension"
SCRIPT = "the original keeps only pdf of the name, which then has no extension"
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


def easier(name: str, content: bytes = b"hello") -> Step:
    """A request with a form with one file for the upload set."""
    return Step("/easier", method="POST", files={"file": File(content, name, "text/plain")})


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


def flashed(message: str) -> str:
    """Return the cookie of a session with a message, as it is compared."""
    return f'session=signed({{"_flashes":[{{" t":["message","{message}"]}}]}}); HttpOnly; Path=/'


def nosniff(step: int) -> Difference:
    """The response to *step* is a file."""
    reason = "browsers must not guess the type of an uploaded file"
    return Difference(
        "header:x-content-type-options", None, "nosniff", reason, step, kind="security"
    )


def renamed(
    original: str, port: str, reason: str, step: int = 0, kind: Kind = "input"
) -> list[Difference]:
    """The sides save the file of *step* under different names."""
    theirs, ours = f"/uploads/{original}", f"/uploads/{port}"
    pages = redirect_page(theirs), redirect_page(ours)
    return [
        Difference("header:location", theirs, ours, reason, step, kind=kind),
        Difference("body", *pages, reason, step, kind=kind),
    ]


def refused(original: str, reason: str, kind: Kind) -> list[Difference]:
    """The original saves the file as *original*, and the port shows the form again."""
    path = f"/uploads/{original}"
    return [
        Difference("status", 302, 200, reason, kind=kind),
        Difference("header:location", path, None, reason, kind=kind),
        Difference("header:vary", None, "Cookie", reason, kind=kind),
        Difference("body", redirect_page(path), FORM_HTML, reason, kind=kind),
    ]


def too_large(text: str) -> list[Difference]:
    """Both respond with 413, the port with *text*."""
    reason = "the port names the limit"
    return [Difference("body", error_page(413), error_page(413, text), reason, kind="text")]


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
        "every extension that is allowed",
        upload("a.jpg", JPEG),
        upload("b.jpeg", JPEG),
        upload("c.gif", b"GIF89a"),
        upload("d.pdf", b"%PDF-1.7"),
        checks=("UP-1",),
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
        differs=renamed(
            "A.PNG", "A.png", "servers look up types by the extension in lower case", kind="text"
        ),
    ),
    Case(
        "the same name twice",
        upload("twice.txt", b"one"),
        upload("twice.txt", b"two"),
        download("twice.txt"),
        checks=("UP-3",),
        differs=[
            *renamed("twice.txt", "twice_1.txt", NO_OVERWRITING, 1, "security"),
            nosniff(2),
            Difference("body", "two", "one", NO_OVERWRITING, 2, kind="security"),
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
        differs=renamed("txt", "file.txt", "the original keeps only the extension, as the name"),
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
        differs=[
            Difference("status", 500, 302, LONG, kind="input"),
            Difference("header:location", None, f"/uploads/{'a' * 196}.txt", LONG, kind="input"),
            Difference(
                "body",
                error_page(500),
                redirect_page(f"/uploads/{'a' * 196}.txt"),
                LONG,
                kind="input",
            ),
        ],
    ),
    Case("spaces around a name", upload("a.TXT "), upload(" b.txt"), checks=("UP-1", "UP-6")),
    Case(
        "nothing but an extension",
        upload(".txt"),
        checks=("UP-1", "UP-6"),
        differs=refused("txt", "the safe form of the name has no extension", "input"),
    ),
    Case(
        "a ZIP archive named as an image",
        upload("fake.png", zipped()),
        checks=("UP-1",),
        differs=refused("fake.png", MATCH, "security"),
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
        differs=[
            Difference("status", 302, 413, HEADER, kind="input"),
            Difference("header:location", "http://localhost/", None, HEADER, kind="input"),
            Difference("header:set-cookie", flashed("No file part"), None, HEADER, kind="input"),
            Difference("header:vary", "Cookie", None, HEADER, kind="input"),
            Difference(
                "body",
                redirect_page("http://localhost/"),
                error_page(413, HEADER_LIMIT),
                HEADER,
                kind="input",
            ),
        ],
    ),
    Case(
        "cut off",
        raw(multipart(part('name="file"; filename="cut.txt"'), end=b"")),
        FORM_PAGE,
        checks=("UP-3",),
    ),
    Case(
        "cut off in the file",
        raw(multipart(part('name="file"; filename="cut.txt"'), end=b"")[:-20]),
        download("cut.txt"),
        checks=("UP-3",),
    ),
    Case("no boundary", no_boundary(), FORM_PAGE, checks=("UP-3",)),
    Case("random bytes", raw(b"\0" * 100), FORM_PAGE, checks=("UP-3",)),
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
    Case("the form of the upload set", Step("/easier"), checks=("UP-10",)),
    Case(
        "a file of the upload set",
        easier("Hello.TXT"),
        Step("/easier", compare="html"),
        download("Hello.txt"),
        easier("Hello.txt", b"another"),
        download("Hello_1.txt"),
        checks=("UP-10",),
        differs=[nosniff(2), nosniff(4)],
    ),
    Case(
        "files that the upload set refuses",
        easier("a.exe"),
        easier(""),
        easier(".."),
        easier(".txt"),
        easier("a.TXT "),
        easier("photo\u202egnp.exe"),
        Step("/easier", compare="html"),
        checks=("UP-10",),
    ),
    Case(
        "no file for the upload set",
        Step("/easier", method="POST"),
        Step("/easier", method="POST", form={"file": "a.txt"}),
        Step("/easier", method="POST", files={"other": File(b"", "a.txt")}),
        Step("/easier", method="PUT"),
        checks=("UP-10",),
    ),
    Case(
        "a ZIP archive for the upload set, named as an image",
        easier("fake.gif", zipped()),
        checks=("UP-10",),
        differs=[
            Difference("header:location", "/uploads/fake.gif", EASIER, MATCH, kind="security"),
            Difference(
                "header:set-cookie",
                flashed("Saved as fake.gif"),
                flashed("This file is not allowed"),
                MATCH,
                kind="security",
            ),
            Difference(
                "body",
                redirect_page("/uploads/fake.gif"),
                redirect_page(EASIER),
                MATCH,
                kind="security",
            ),
        ],
    ),
    Case(
        "a name in another script for the upload set",
        easier("\u6587\u4ef6.pdf", b"%PDF-1.7"),
        checks=("UP-10",),
        differs=[
            Difference("header:location", EASIER, "/uploads/file.pdf", SCRIPT, kind="input"),
            Difference(
                "header:set-cookie",
                flashed("This file is not allowed"),
                flashed("Saved as file.pdf"),
                SCRIPT,
                kind="input",
            ),
            Difference(
                "body",
                redirect_page(EASIER),
                redirect_page("/uploads/file.pdf"),
                SCRIPT,
                kind="input",
            ),
        ],
    ),
)


def progress(name: str, content: bytes, saved: str) -> Step:
    """Return an upload with a progress bar, to the port alone, of a file that is saved so."""
    return Step(
        "/progress",
        method="POST",
        files={"file": File(content, name)},
        compare="json",
        expected={
            "status": 200,
            "body": {
                "name": saved,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "url": f"/uploads/{saved}",
            },
        },
    )


EXTRAS: tuple[Case, ...] = (
    Case(
        "the form with a progress bar",
        Step(
            "/progress",
            compare="html",
            expected={
                "status": 200,
                "body": PROGRESS_HTML,
            },
        ),
        checks=("UP-9",),
    ),
    Case(
        "an upload with a progress bar",
        progress("bar.BIN", b"hello", "bar.bin"),
        progress("bar.bin", b"", "bar_1.bin"),
        Step(
            "/uploads/bar.bin",
            expected={
                "status": 200,
                "body": "hello",
                "header:content-type": "application/octet-stream",
                "header:content-disposition": "attachment; filename=bar.bin",
            },
        ),
        checks=("UP-9",),
    ),
    Case(
        "an upload with a progress bar, above the limit of the page",
        progress("bar2.txt", b"x" * (LIMIT + 1), "bar2.txt"),
        checks=("UP-8", "UP-9"),
    ),
    Case(
        "a progress bar without a file",
        *(
            Step(
                "/progress",
                method="POST",
                files={field: File(b"", name)},
                expected={
                    "status": 400,
                    "body": error_page(400),
                },
            )
            for field, name in (("other", "a.txt"), ("file", ""))
        ),
        checks=("UP-9",),
    ),
    Case(
        "the progress of an upload",
        Step(
            "/progress?upload=0123456789abcdef",
            method="POST",
            files={"file": File(b"x" * 1000, "followed.txt")},
            compare="json",
            expected={
                "status": 200,
                "body": {
                    "name": "followed.txt",
                    "size": 1000,
                    "sha256": hashlib.sha256(b"x" * 1000).hexdigest(),
                    "url": "/uploads/followed.txt",
                },
            },
        ),
        Step(
            "/progress/0123456789abcdef",
            expected={
                "status": 200,
                # The form is the file and the lines around it.
                "body": re.compile(
                    r'data: \{"status": "done", "received": (1[0-9]{3}), "total": \1\}\n\n'
                ),
                "header:content-type": "text/event-stream",
            },
        ),
        checks=("UP-9",),
    ),
    Case(
        "the progress of an upload without a valid id",
        Step(
            "/progress/short",
            expected={
                "status": 400,
                "body": error_page(
                    400, "The id of an upload must have 16 to 64 letters, digits, - and _."
                ),
            },
        ),
        checks=("UP-9",),
    ),
)
