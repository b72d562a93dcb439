"""Files in a folder: no incomplete file is left in it, whatever fails."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from quart import Quart

from quartpatterns.compare.servers import serve
from quartpatterns.fileuploads import Folder, directories
from quartpatterns.fileuploads import folder as folder_module
from quartpatterns.fileuploads.storage import write_chunks
from tests.fileuploads.conftest import MakeApp
from tests.fileuploads.multipart_bodies import connected, file, form, post
from tests.fileuploads.test_uploads import files
from tests.serving import TIMEOUT, eventually, served

MIB = 1024 * 1024


@pytest.fixture(params=[pytest.param(True, id="unnamed"), pytest.param(False, id="temporary")])
def unnamed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the system has files without a name, or only temporary files."""
    if not request.param:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("only Linux has files without a name")
    return bool(request.param)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def opened(folder: Path, pid: int | str = "self") -> list[str]:
    """The files in *folder* that a process has open, by default this one."""
    found: list[str] = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed in the meantime
            found.append(os.readlink(link))
    return [name for name in found if name.startswith(str(folder))]


@pytest.mark.checks("UP-13")
async def test_disconnect(make_app: MakeApp, folder: Path, unnamed: bool) -> None:
    """If the client disconnects in the middle of a file, nothing is left."""
    body = form(file("a.dat", b"x" * 8 * MIB))
    async with served(make_app()) as server:
        async with connected(server.port, length=len(body)) as (_, writer):
            writer.write(body[: 4 * MIB])
            await writer.drain()
            await eventually(lambda: bool(opened(folder)))
            assert names(folder) == [] if unnamed else names(folder)[0].endswith(".part")
        await eventually(lambda: not opened(folder))
        await eventually(lambda: not names(folder))


@pytest.mark.checks("UP-13")
async def test_cut_off(make_app: MakeApp, folder: Path, unnamed: bool) -> None:
    """If a form ends in the middle of a file, or is too large, nothing is left."""
    client = make_app().test_client()
    body = form(file("whole.dat", b"x" * MIB), file("cut.dat", b"x" * 4 * MIB))
    assert (await post(client, body[: 3 * MIB])).status_code == 400
    assert names(folder) == ["whole.dat"]
    limited = make_app(MAX_CONTENT_LENGTH=3 * MIB).test_client()
    assert (await post(limited, form(file("large.dat", b"x" * 4 * MIB)))).status_code == 413
    assert names(folder) == ["whole.dat"]
    assert not opened(folder)


@pytest.mark.checks("UP-13")
@pytest.mark.parametrize("after", [0, 1, 2, 5, 10, 20, 40])
async def test_cancelled(folder: Path, unnamed: bool, after: int) -> None:
    """After two cancellations at any moment, a file is complete or does not exist."""

    async def save() -> None:
        writer = Folder(folder).open("a.dat", None)
        try:
            await write_chunks(chunks(), writer)
            await writer.finish()
        except BaseException:
            await writer.discard()
            raise

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            await asyncio.sleep(0)
            yield b"x" * 300_000

    task = asyncio.create_task(save())
    for _ in range(after):
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await eventually(lambda: not opened(folder))
    await eventually(lambda: files(folder) in ({}, {"a.dat": b"x" * 6_000_000}))


@pytest.mark.checks("UP-13")
async def test_discarded_while_a_thread_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that goes on after the cancellation leaves nothing, either."""

    started, go_on = threading.Event(), threading.Event()

    def slow(directory: Any) -> None:
        started.set()
        go_on.wait(TIMEOUT)

    monkeypatch.setattr(folder_module, "_open_unnamed", slow)
    writer = Folder(folder).open("a.dat", None)
    writing = asyncio.create_task(writer.write(b"x" * MIB))
    await eventually(started.is_set)
    writing.cancel()
    discarding = asyncio.create_task(writer.discard())
    await asyncio.sleep(0)
    go_on.set()
    await discarding
    assert names(folder) == opened(folder) == []


@pytest.mark.checks("UP-13")
async def test_failure_of_the_source(make_app: MakeApp, folder: Path, unnamed: bool) -> None:
    """An error of the source removes the file."""
    writer = Folder(folder).open("a.dat", None)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        await write_chunks(chunks(), writer)
    await writer.discard()
    await writer.write(b"late")
    assert names(folder) == []


@contextlib.contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[None]:
    """Mount a small disk at *folder*, which needs root."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.checks("UP-13")
async def test_full_disk(make_app: MakeApp, folder: Path, unnamed: bool) -> None:
    """On a full disk an upload is a 507, and its space is free again."""
    client = make_app().test_client()
    with small_disk(folder, 3):
        response = await post(client, form(file("large.dat", b"x" * 8 * MIB)))
        assert response.status_code == 507
        assert "There is no space left" in await response.get_data(as_text=True)
        assert names(folder) == []
        small = await post(client, form(file("small.dat", b"x" * 2 * MIB)))
        assert small.status_code == 200
        assert names(folder) == ["small.dat"]


LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from quartpatterns.fileuploads import Folder, StorageFullError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

async def main():
    writer = Folder(Path(sys.argv[1])).open("a.dat", None)
    try:
        for _ in range(4):
            await writer.write(b"x" * 400_000)
        await writer.finish()
    except StorageFullError as error:
        print(error.code)
    await writer.discard()

asyncio.run(main())
"""


@pytest.mark.checks("UP-13")
def test_limited_files(folder: Path) -> None:
    """The limit of the system for the size of files counts as a full disk."""
    command = [sys.executable, "-c", LIMITED, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("507\n", "")
    assert names(folder) == []


@pytest.mark.wire
@pytest.mark.checks("UP-13")
def test_killed(tmp_path: Path) -> None:
    """On Linux, a worker that is killed in the middle of an upload leaves nothing."""
    folder = tmp_path / "uploads"
    config = {"UPLOAD_FOLDER": str(folder)}
    port = "quartpatterns.fileuploads.example.port:create_app"
    with serve(port, "hypercorn", config=config) as server:
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        body = form(file("a.txt", b"x" * 8 * MIB))
        with socket.create_connection(address) as client:
            head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\nContent-Type: "
            client.sendall(head.encode() + b"multipart/form-data; boundary=----boundary\r\n\r\n")
            client.sendall(body[: 4 * MIB])
            leader = psutil.Process(server.pid)
            workers = [leader, *leader.children(recursive=True)]
            deadline = time.monotonic() + TIMEOUT
            while not any(opened(folder, worker.pid) for worker in workers):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.killpg(server.pid, signal.SIGKILL)
            psutil.wait_procs(workers, TIMEOUT)
    assert folder.exists()
    assert names(folder) == []


@pytest.mark.checks("UP-13")
@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("fsync", [True, False])
async def test_fsync(
    make_app: MakeApp,
    folder: Path,
    unnamed: bool,
    overwrite: bool,
    fsync: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With ``UPLOADED_X_FSYNC`` the file and its folder are synced to the disk."""
    synced: list[bool] = []
    real_fsync = os.fsync

    def record(descriptor: int) -> None:
        real_fsync(descriptor)
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))

    monkeypatch.setattr(os, "fsync", record)
    app = make_app(options={"overwrite": overwrite}, UPLOADED_FILES_FSYNC=fsync)
    assert (await post(app.test_client(), form(file("a.txt", b"x")))).status_code == 200
    assert files(folder) == {"a.txt": b"x"}
    assert synced == ([False, True] if fsync else [])


@pytest.mark.checks("UP-13")
async def test_no_hard_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without hard links, no file replaces another one, either."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)

    def no_link(*args: Any, **options: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)

    async def resolve(name: str) -> str:
        return "other.txt"

    for content in (b"one", b"two"):
        writer = Folder(folder).open("a.txt", resolve)
        await writer.write(content)
        await writer.finish()
    assert files(folder) == {"a.txt": b"one", "other.txt": b"two"}


@pytest.mark.checks("UP-13")
async def test_modes(make_app: MakeApp, folder: Path, unnamed: bool) -> None:
    """The umask decides who may read a file, for example a web server in front."""
    before = os.umask(0o027)
    try:
        await post(make_app().test_client(), form(file("a.txt", b"x")))
    finally:
        os.umask(before)
    assert mode(folder / "a.txt") == 0o640


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.checks("UP-13")
async def test_folder_that_is_a_file(make_app: MakeApp, folder: Path) -> None:
    """Any other error of the disk is a 500."""
    await asyncio.to_thread(folder.touch)
    app: Quart = make_app()
    app.testing = False
    response = await post(app.test_client(), form(file("a.txt", b"x")))
    assert response.status_code == 500


def linked(tmp_path: Path, folder: Path) -> Path:
    """Create a link in *folder* to a folder outside of it, which is returned."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "real" / "deep").mkdir(parents=True)
    for link in (folder / "link", folder / "real" / "link"):
        link.symlink_to(outside, target_is_directory=True)
    (folder / "inside").symlink_to(folder / "real", target_is_directory=True)
    (outside / "kept.txt").write_text("kept")
    (folder / "file").touch()
    return outside


@pytest.mark.checks("UP-13")
@pytest.mark.parametrize("options", [{}, {"overwrite": True}], ids=repr)
@pytest.mark.parametrize("target", ["link", "link/new", "real/link", "inside", "file", "file/new"])
async def test_links(
    make_app: MakeApp,
    folder: Path,
    tmp_path: Path,
    unnamed: bool,
    options: dict[str, Any],
    target: str,
) -> None:
    """A folder that is a link, or a file, is a 415, and nothing lands outside."""
    outside = await asyncio.to_thread(linked, tmp_path, folder)
    before = [*names(tmp_path), *os.listdir(outside)]
    client = make_app(options={"folder": target} | options).test_client()
    for name in ("a.txt", "kept.txt"):
        response = await post(client, form(file(name, b"x")))
        assert response.status_code == 415
        assert "is a symbolic link or a file" in await response.get_data(as_text=True)
    storage = Folder(folder)
    with pytest.raises(ValueError, match="is a symbolic link or a file"):
        await storage.delete(f"{target}/kept.txt")
    assert [*names(tmp_path), *os.listdir(outside)] == before
    assert opened(tmp_path) == []


@pytest.mark.checks("UP-13")
async def test_linked_destination(make_app: MakeApp, folder: Path, tmp_path: Path) -> None:
    """The destination itself may be a link. A link in the place of a file is not followed."""
    real = tmp_path / "real"
    await asyncio.to_thread(real.mkdir)
    await asyncio.to_thread(folder.symlink_to, real, target_is_directory=True)
    secret = tmp_path / "secret.txt"
    await asyncio.to_thread(secret.write_text, "secret")
    await asyncio.to_thread((real / "a.txt").symlink_to, secret)
    app = make_app(options={"folder": "sub"})
    assert (await post(app.test_client(), form(file("a.txt", b"x")))).status_code == 200
    for overwrite, name in ((False, "a_1.txt"), (True, "a.txt")):
        client = make_app(options={"overwrite": overwrite}).test_client()
        response = await post(client, form(file("a.txt", b"new")))
        assert (await response.get_json())[0][0] == name
    assert files(real) == {"sub/a.txt": b"x", "a_1.txt": b"new", "a.txt": b"new"}
    assert files(tmp_path)["secret.txt"] == b"secret"
    await Folder(folder).delete("sub/a.txt")
    await Folder(folder).delete("missing/a.txt")
    assert "sub/a.txt" not in files(real)


@pytest.mark.checks("UP-13")
@pytest.mark.parametrize("overwrite", [True, False])
async def test_link_during_an_upload(
    folder: Path, tmp_path: Path, unnamed: bool, overwrite: bool
) -> None:
    """If a folder is replaced by a link while a file is written, nothing lands outside."""
    outside = tmp_path / "outside"

    async def resolve(name: str) -> str:
        raise AssertionError

    def replace_folder() -> None:
        outside.mkdir()
        (folder / "sub").rename(tmp_path / "moved")
        (folder / "sub").symlink_to(outside, target_is_directory=True)

    writer = Folder(folder).open("sub/a.txt", None if overwrite else resolve)
    await writer.write(b"x")
    await asyncio.to_thread(replace_folder)
    if overwrite:
        await writer.finish()
    else:
        with pytest.raises(ValueError, match="symbolic link"):
            await writer.finish()
    await writer.discard()
    assert names(outside) == []
    assert names(tmp_path / "moved") == (["a.txt"] if overwrite else [])


@pytest.mark.checks("UP-13")
async def test_without_descriptors(
    make_app: MakeApp, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a system without descriptors of directories, such as Windows, links are refused, too."""
    monkeypatch.setattr(directories, "HAS_DESCRIPTORS", False)
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    await asyncio.to_thread(linked, tmp_path, folder)
    for target, status in (("link", 415), ("real/link", 415), ("file", 415), ("real/new", 200)):
        client = make_app(options={"folder": target}).test_client()
        for _ in range(2):
            assert (await post(client, form(file("a.txt", b"x")))).status_code == status
    app = make_app(options={"folder": "real/new", "overwrite": True}, UPLOADED_FILES_FSYNC=True)
    assert (await post(app.test_client(), form(file("a.txt", b"y")))).status_code == 200
    assert files(folder / "real" / "new") == {"a.txt": b"y", "a_1.txt": b"x"}
    await Folder(folder).delete("real/new/a.txt")
    assert files(folder / "real" / "new") == {"a_1.txt": b"x"}
    assert names(tmp_path / "outside") == ["kept.txt"]
