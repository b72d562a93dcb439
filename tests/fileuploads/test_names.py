"""Names under which files may be kept."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.utils import secure_filename

from quartpatterns.fileuploads import UploadNotAllowed, secure_name

DEVICES = {"con", "prn", "aux", "nul", "com1", "lpt9", "conin", "conout", "clock"}


@pytest.mark.checks("UP-6")
@pytest.mark.parametrize(
    ("sent", "kept"),
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
def test_secure_name(sent: str, kept: str) -> None:
    assert secure_name(sent) == kept


@pytest.mark.checks("UP-6")
@pytest.mark.parametrize("sent", ["", ".", "..", "/", "\0", "\u202e", "文件", "../.."])
def test_nothing_left(sent: str) -> None:
    """What leaves no name is refused, and not saved as a folder."""
    with pytest.raises(UploadNotAllowed, match="no usable name"):
        secure_name(sent)


@pytest.mark.checks("UP-6")
@given(st.text(max_size=400))
def test_any_name(sent: str) -> None:
    """Whatever a client calls a file, the name is short, plain, no device, no hidden file."""
    try:
        kept = secure_name(sent)
    except UploadNotAllowed:
        return
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}", kept)
    assert kept.partition(".")[0].lower() not in DEVICES
    assert secure_name(kept) in {kept, kept.lstrip("_")} or kept.startswith("_")


@given(st.from_regex(r"[a-z]{5,20}\.[a-z]{1,5}", fullmatch=True))
def test_plain_names_stay(sent: str) -> None:
    assert secure_name(sent) == secure_filename(sent) == sent
