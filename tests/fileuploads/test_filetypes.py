"""Safe file names, groups of extensions, and content that contradicts its extension."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.utils import secure_filename

from quartpatterns.fileuploads import UploadNotAllowed, content_matches, secure_name
from quartpatterns.fileuploads.filetypes import is_safe_path

DEVICES = {"con", "prn", "aux", "nul", "com1", "lpt9", "conin", "conout", "clock"}


@pytest.mark.checks("UP-6")
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param("My cool movie.mov", "My_cool_movie.mov", id="blanks"),
        pytest.param("../../../../home/username/.bashrc", "home_username_.bashrc", id="a path"),
        pytest.param("..\\..\\up.txt", "up.txt", id="a path of Windows"),
        pytest.param("C:\\dir\\a.txt", "Cdira.txt", id="a drive"),
        pytest.param("a.txt:stream", "a.txtstream", id="a stream of NTFS"),
        pytest.param("a\0.txt", "a.txt", id="NUL"),
        pytest.param("a\r\nb.txt", "a_b.txt", id="line breaks"),
        pytest.param("photo\u202egnp.exe", "photognp.exe", id="right to left"),
        pytest.param("A.PNG", "A.png", id="upper case"),
        pytest.param("Grüße.txt", "Grue.txt", id="umlauts"),
        pytest.param("文件.txt", "file.txt", id="another script"),
        pytest.param("тест.tar.gz", "tar.gz", id="another script, two extensions"),
        pytest.param(".txt", "txt", id="nothing but an extension"),
        pytest.param("con", "_con", id="a device"),
        pytest.param("NUL.tar.gz", "_NUL.tar.gz", id="a device with extensions"),
        pytest.param("COM¹.txt", "_COM1.txt", id="a device with a superscript"),
        pytest.param("concert.txt", "concert.txt", id="no device"),
        pytest.param("a.txt. . .", "a.txt", id="dots and blanks at the end"),
        pytest.param("-rf.txt", "-rf.txt", id="a dash"),
        pytest.param("a" * 300 + ".txt", "a" * 196 + ".txt", id="300 characters"),
        pytest.param("a." + "b" * 300, "a." + "b" * 19, id="an extension of 300"),
    ],
)
def test_secure_name(sent: str, expected: str) -> None:
    assert secure_name(sent) == expected


@pytest.mark.checks("UP-6")
@pytest.mark.parametrize("sent", ["", ".", "..", "/", "\0", "\u202e", "文件", "../.."])
def test_unusable_names(sent: str) -> None:
    """A name without usable characters is refused."""
    with pytest.raises(UploadNotAllowed, match="no usable name"):
        secure_name(sent)


@pytest.mark.checks("UP-6")
@given(st.text(max_size=400))
def test_any_name(sent: str) -> None:
    """Every safe name is short, in ASCII, not hidden and not a device."""
    try:
        name = secure_name(sent)
    except UploadNotAllowed:
        return
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}", name)
    assert name.partition(".")[0].lower() not in DEVICES
    assert secure_name(name) in {name, name.lstrip("_")} or name.startswith("_")


@pytest.mark.checks("UP-4", "UP-13")
def test_safe_paths() -> None:
    """A path in a storage has no empty, hidden or parent segments, and no NUL."""
    for path in ("a.txt", "a/b.txt", "a/b/c"):
        assert is_safe_path(path), path
    for path in ("", ".", "..", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a/.b", "a\0"):
        assert not is_safe_path(path), path


@given(st.from_regex(r"[a-z]{5,20}\.[a-z]{1,5}", fullmatch=True))
def test_safe_names_are_unchanged(sent: str) -> None:
    assert secure_name(sent) == secure_filename(sent) == sent


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
def test_does_not_match(extension: str, head: bytes) -> None:
    assert not content_matches(extension, head)
