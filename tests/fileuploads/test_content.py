"""What a file pretends to be, held against how it begins."""

from __future__ import annotations

import io
import zipfile

import pytest

from quartpatterns.fileuploads import content_matches


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "hello")
    return file.getvalue()


ZIP = zipped()
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(20)
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(20)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
EXE = b"MZ\x90\0" + bytes(60)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
MP4 = b"\0\0\0\x18ftypmp42" + bytes(20)
HTML = b"<!doctype html><script>alert(1)</script>"


@pytest.mark.checks("UP-13")
@pytest.mark.parametrize(
    ("extension", "head"),
    [
        pytest.param("png", PNG, id="png"),
        pytest.param("jpg", JPEG, id="jpg"),
        pytest.param("jpeg", JPEG, id="jpeg"),
        pytest.param("gif", b"GIF89a" + bytes(20), id="gif"),
        pytest.param("webp", b"RIFF\x24\0\0\0WEBPVP8 ", id="webp"),
        pytest.param("pdf", PDF, id="pdf"),
        pytest.param("zip", ZIP, id="zip"),
        pytest.param("docx", ZIP, id="docx"),
        pytest.param("doc", OLE, id="doc"),
        pytest.param("mp4", MP4, id="mp4"),
        pytest.param("mp3", b"\xff\xfb\x90\x64" + bytes(60), id="mp3 without ID3"),
        pytest.param("ogg", b"OggS" + bytes(20), id="ogg"),
        pytest.param("exe", EXE, id="exe"),
        pytest.param("txt", b"hello\tthere\r\n", id="txt"),
        pytest.param("txt", b"MZ was here, BM too", id="text that begins as a program does"),
        pytest.param("txt", b"", id="empty text"),
        pytest.param("txt", "Grüße".encode(), id="UTF-8"),
        pytest.param("txt", "Grüße".encode("latin1"), id="Latin-1"),
        pytest.param("csv", "Grüße".encode("utf-16"), id="UTF-16"),
        pytest.param("svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="svg"),
        pytest.param("plist", b"bplist00\0\1", id="binary plist"),
        pytest.param("xyz", EXE, id="unknown"),
    ],
)
def test_matches(extension: str, head: bytes) -> None:
    assert content_matches(extension, head)


@pytest.mark.checks("UP-13")
@pytest.mark.parametrize(
    ("extension", "head"),
    [
        pytest.param("png", ZIP, id="a zip called png"),
        pytest.param("png", JPEG, id="a jpg called png"),
        pytest.param("png", b"", id="an empty png"),
        pytest.param("png", HTML, id="a page called png"),
        pytest.param("jpg", b"\xff\xd8", id="a jpg cut off"),
        pytest.param("pdf", EXE, id="a program called pdf"),
        pytest.param("docx", OLE, id="a doc called docx"),
        pytest.param("doc", ZIP, id="a docx called doc"),
        pytest.param("zip", EXE, id="a program called zip"),
        pytest.param("mp4", ZIP, id="a zip called mp4"),
        pytest.param("txt", ZIP, id="a zip called txt"),
        pytest.param("txt", EXE, id="a program called txt"),
        pytest.param("txt", PNG, id="a picture called txt"),
        pytest.param("html", EXE, id="a program called html"),
    ],
)
def test_contradicts(extension: str, head: bytes) -> None:
    assert not content_matches(extension, head)
