"""What original and port must answer alike, each with a folder of its own."""

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
BOUNDARY = "----frontier"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
ANY = re.compile(".*", re.DOTALL)
SHOWN = Step("/", compare="html")
KEPT = "no upload replaces another one without being asked to"
# A file that was just written has the time of just now.
OWN = ("etag", "last-modified")


@asynccontextmanager
async def arrange(folder: Path) -> AsyncIterator[Arrangement]:
    """A folder for each side, and a limit that a test can exceed."""
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
    """A form with one file."""
    file = File(content, name, "text/plain")
    return Step("/", method="POST", files={field: file}, compare="html")


def sent(*parts: bytes, end: bytes = b"--\r\n") -> bytes:
    """A multipart body, byte by byte as it is written."""
    frontier = f"--{BOUNDARY}".encode()
    return b"".join(frontier + b"\r\n" + part + b"\r\n" for part in parts) + frontier + end


def part(disposition: str, content: bytes = b"hello") -> bytes:
    return f"Content-Disposition: form-data; {disposition}\r\n\r\n".encode() + content


def raw(body: bytes) -> Step:
    return Step("/", method="POST", headers=FORM, body=body, compare="html")


def chunked(size: int) -> Step:
    """A form whose length nobody declares."""
    body = sent(part('name="file"; filename="chunked.txt"', b"x" * size))
    pieces = tuple(body[begin : begin + 1000] for begin in range(0, len(body), 1000))
    return Step("/", method="POST", headers=FORM, body=pieces, compare="html")


def no_boundary() -> Step:
    headers = {"Content-Type": "multipart/form-data"}
    return Step("/", method="POST", headers=headers, body=sent(part('name="file"')), compare="html")


def download(name: str, **headers: str) -> Step:
    return Step(f"/uploads/{name}", headers=headers, ignore_headers=OWN)


def containing(text: str) -> re.Pattern[str]:
    return re.compile(f".*{re.escape(text)}.*", re.DOTALL)


def differs(
    reason: str, aspects: Mapping[str, tuple[object, object]], step: int = 0
) -> list[Difference]:
    """Differences of *step* by aspect; a body of another text has another length, too."""
    found = [
        Difference(name, original, port, reason, step) for name, (original, port) in aspects.items()
    ]
    if "body" in aspects:
        length = re.compile(r"\d+")
        found.append(Difference("header:content-length", length, length, reason, step))
    return found


def not_guessed(step: int) -> Difference:
    """The answer of *step* is a file."""
    reason = "a browser is told not to guess the type of what a stranger has uploaded"
    return Difference("header:x-content-type-options", None, "nosniff", reason, step)


def renamed(original: str, port: str, reason: str, step: int = 0) -> list[Difference]:
    """The two sides save the file of *step* by other names."""
    aspects = {
        "header:location": (f"/uploads/{original}", f"/uploads/{port}"),
        "body": (containing(original), containing(port)),
    }
    return differs(reason, aspects, step)


def too_large(text: str) -> list[Difference]:
    """Both answer 413, the port with *text*."""
    return differs("the port names the limit", {"body": (containing("exceeds"), containing(text))})


def refused(status: int, text: str) -> list[Difference]:
    """The original takes a form that can't be read for an empty one; the port says *text*."""
    return differs(
        "a form that can't be read is an error of whoever sent it, and no empty form",
        {
            "status": (302, status),
            "header:location": (re.compile("http://.*"), None),
            "header:set-cookie": (re.compile("session=.*No file part.*"), None),
            "header:vary": ("Cookie", None),
            "body": (ANY, containing(text)),
        },
    )


def hashed(name: str, size: int) -> list[Difference]:
    """The port's answer has the digest, too."""
    told = {"name": name, "size": size, "url": f"/uploads/{name}"}
    content = b"hello" if size == 5 else b"x" * size
    digest = {"sha256": hashlib.sha256(content).hexdigest()}
    return differs("the port computes it while it streams", {"body": (told, told | digest)})


CASES: tuple[Case, ...] = (
    Case("the form", Step("/", compare="html"), checks=("UP-2",)),
    Case("only the form's method", Step("/", method="DELETE"), checks=("UP-2",)),
    Case("HEAD", Step("/", method="HEAD"), checks=("UP-2",)),
    Case(
        "a file, and the file again",
        upload("hello.txt"),
        download("hello.txt"),
        checks=("UP-1", "UP-3", "UP-4"),
        differs=[not_guessed(1)],
    ),
    Case(
        "a picture",
        upload("dot.png", PNG),
        download("dot.png"),
        checks=("UP-1", "UP-3", "UP-4"),
        differs=[not_guessed(1)],
    ),
    Case(
        "an empty file",
        upload("empty.txt", b""),
        download("empty.txt"),
        checks=("UP-3",),
        differs=[not_guessed(1)],
    ),
    Case("no part of that name", upload("a.txt", field="other"), SHOWN, SHOWN, checks=("UP-3",)),
    Case("a field instead of a file", raw(sent(part('name="file"'))), SHOWN, checks=("UP-3",)),
    Case(
        "no multipart form",
        Step("/", method="POST", form={"file": "hello"}, compare="html"),
        SHOWN,
        checks=("UP-3",),
    ),
    Case("no body", Step("/", method="POST", compare="html"), SHOWN, checks=("UP-3",)),
    Case("nothing chosen", upload("", b""), SHOWN, checks=("UP-3",)),
    Case("another extension", upload("a.exe"), SHOWN, checks=("UP-1", "UP-3")),
    Case("no extension", upload("README"), checks=("UP-1",)),
    Case("nothing but dots", upload(".."), checks=("UP-1", "UP-6")),
    Case(
        "an extension in upper case",
        upload("A.PNG", PNG),
        checks=("UP-1",),
        differs=renamed("A.PNG", "A.png", "servers look types up by the extension in lower case"),
    ),
    Case(
        "the same name twice",
        upload("twice.txt", b"one"),
        upload("twice.txt", b"two"),
        download("twice.txt"),
        checks=("UP-3",),
        differs=[
            *renamed("twice.txt", "twice_1.txt", KEPT, 1),
            not_guessed(2),
            Difference("body", "two", "one", KEPT, 2),
        ],
    ),
    Case("a path for a name", upload("../../up.txt"), checks=("UP-6",)),
    Case("a path of Windows", upload("..\\..\\over.txt"), checks=("UP-6",)),
    Case("a hidden file", upload("../../../../home/username/.bashrc"), checks=("UP-6",)),
    Case("NUL in the name", upload("a\0.txt"), checks=("UP-6",)),
    Case("an extension turned round", upload("photo\u202egnp.exe"), checks=("UP-6",)),
    Case(
        "a name in another script",
        upload("\u6587\u4ef6.txt"),
        checks=("UP-6",),
        differs=renamed("txt", "file.txt", "the original keeps the extension as the whole name"),
    ),
    Case(
        "a device of Windows",
        upload("con.txt"),
        checks=("UP-6",),
        differs=renamed("con.txt", "_con.txt", "nobody on Windows could open the file"),
    ),
    Case(
        "a name of 300 characters",
        upload("a" * 300 + ".txt"),
        checks=("UP-6",),
        differs=differs(
            "file systems have no names so long; the port cuts it before its extension",
            {
                "status": (500, 302),
                "header:location": (None, f"/uploads/{'a' * 196}.txt"),
                "body": (ANY, ANY),
            },
        ),
    ),
    Case(
        "a ZIP that says it is a picture",
        upload("fake.png", zipped()),
        checks=("UP-1",),
        differs=differs(
            "an extension that the content contradicts is not allowed",
            {
                "status": (302, 200),
                "header:location": ("/uploads/fake.png", None),
                "header:vary": (None, "Cookie"),
                "body": (ANY, containing("Upload new File")),
            },
        ),
    ),
    Case(
        "too large",
        upload("large.txt", b"x" * LIMIT),
        checks=("UP-8",),
        differs=too_large("At most 100000 bytes in the body are allowed (max_content_length)."),
    ),
    Case(
        "too large, in pieces",
        chunked(LIMIT),
        checks=("UP-8",),
        differs=too_large("At most 100000 bytes in the body are allowed (max_content_length)."),
    ),
    Case(
        "too many parts",
        raw(sent(*(part('name="a"', b"") for _ in range(1001)))),
        checks=("UP-8",),
        differs=too_large("At most 1000 parts are allowed (max_parts)."),
    ),
    Case(
        "a header without an end",
        raw(sent(b"X" * 20_000)),
        checks=("UP-8",),
        differs=refused(413, "each of 4096 bytes (max_header_size)"),
    ),
    Case(
        "cut off",
        raw(sent(part('name="file"; filename="cut.txt"'), end=b"")),
        checks=("UP-3",),
        differs=refused(400, "Unexpected end of multipart stream"),
    ),
    Case("no boundary", no_boundary(), checks=("UP-3",), differs=refused(400, "boundary")),
    Case("junk", raw(b"\0" * 100), checks=("UP-3",), differs=refused(400, "malformed")),
    Case("a form of nothing", raw(sent()), SHOWN, checks=("UP-3",)),
    Case("a file that is not there", download("missing.txt"), checks=("UP-4",)),
    Case("a file outside", download("..%2f..%2fetc%2fpasswd"), checks=("UP-4",)),
    Case("a file outside, by a segment", download("%2e%2e"), checks=("UP-4",)),
    Case(
        "ranges",
        upload("range.txt", b"0123456789"),
        download("range.txt", Range="bytes=2-4"),
        download("range.txt", Range="bytes=-3"),
        download("range.txt", Range="bytes=10-"),
        download("range.txt", Range="nonsense"),
        Step("/uploads/range.txt", method="HEAD", ignore_headers=OWN),
        checks=("UP-4",),
        differs=[not_guessed(step) for step in (1, 2, 5)],
    ),
    Case(
        "a link that something else serves",
        upload("served.txt"),
        Step("/files/served.txt"),
        checks=("UP-5",),
    ),
    Case("the form with a bar", Step("/progress", compare="html"), checks=("UP-9",)),
    Case(
        "an upload with a bar",
        Step("/progress", method="POST", files={"file": File(b"hello", "bar.txt")}, compare="json"),
        checks=("UP-9",),
        differs=hashed("bar.txt", 5),
    ),
    Case(
        "an upload with a bar, above the page's limit",
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
        "a bar and no file",
        Step("/progress", method="POST", files={"other": File(b"", "a.txt")}),
        checks=("UP-9",),
    ),
)
