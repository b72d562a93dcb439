"""What runs on the hosts, by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quartpatterns.deployment.onhost import releases
from quartpatterns.deployment.onhost.environment import parse, process_environment
from quartpatterns.deployment.onhost.probing import WellnessError, until_well
from quartpatterns.deployment.program import program
from quartpatterns.deployment.redaction import redactor


@pytest.mark.checks("FA-10")
def test_environment() -> None:
    """Lines as systemd and shells read them; a wrong one is told without its value."""
    text = (
        "# comment\n\nA=1\nexport B = 'x y'\nC=\"q\"\nURL=postgresql://u:p=w@h/db?x=1#y\nEMPTY=\n"
    )
    assert parse(text) == {
        "A": "1",
        "B": "x y",
        "C": "q",
        "URL": "postgresql://u:p=w@h/db?x=1#y",
        "EMPTY": "",
    }
    for wrong in ("hunter2", "1A=hunter2", "A='hunter2"):
        with pytest.raises(ValueError, match="line 1 ") as caught:
            parse(wrong)
        assert "hunter2" not in str(caught.value)


@pytest.mark.checks("FA-10")
def test_readable_by_others(tmp_path: Path) -> None:
    """An environment that others may read is not used."""
    (tmp_path / "shared").mkdir()
    file = tmp_path / "shared" / "env"
    file.write_text("A=1")
    file.chmod(0o644)
    with pytest.raises(ValueError, match="can be read by others: chmod 600"):
        process_environment(tmp_path, tmp_path / "releases" / "1")
    file.chmod(0o600)
    environment = process_environment(tmp_path, tmp_path / "releases" / "1")
    assert environment["A"] == "1"
    assert environment["PATH"].startswith(f"{tmp_path}/releases/1/venv/bin:")


@pytest.mark.checks("FA-10")
def test_redaction() -> None:
    """Values and passwords in them are taken out; what is short is no secret."""
    redact = redactor(["correct-horse", "1", "postgresql://app:s3cr%40t!@db/x", "two\nlines"])
    assert (
        redact("a correct-horse of 1 with s3cr@t! and s3cr%40t!") == "a *** of 1 with *** and ***"
    )
    assert redact("postgresql://app:s3cr%40t!@db/x") == "***"


@pytest.mark.checks("FA-5")
def test_releases(tmp_path: Path) -> None:
    """What was served last is gone back to; what failed or was withdrawn is not."""
    for index, name in enumerate(("1", "2", "3", "failed")):
        folder = tmp_path / "releases" / name
        folder.mkdir(parents=True)
        (folder / "installed").touch()
        if name != "failed":
            (folder / "activated").touch()
            os.utime(folder / "activated", (index, index))
    (tmp_path / "run").mkdir()
    (tmp_path / "incoming").mkdir()
    (tmp_path / "current").symlink_to("releases/3")
    assert releases.previous(tmp_path, "failed") == "3"
    assert releases.choose(tmp_path, "") == "2"
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("releases/2")
    assert releases.choose(tmp_path, "") == "2"
    releases.activate(tmp_path, "failed")
    assert releases.previous(tmp_path, "failed") == "2"
    with pytest.raises(ValueError, match="there is no release to go back to: 1 is the first"):
        releases.previous(tmp_path, "1")
    assert sorted(releases.prune(tmp_path, 2)) == ["1", "3"]
    assert releases.describe(tmp_path)["releases"] == ["failed", "2"]


async def test_probe() -> None:
    """An application is well when it answers 200 to 299; else it is told what it answers."""
    answers = [b"", b"garbage\r\n\r\n", b"HTTP/1.1 503 x\r\n\r\n", b"HTTP/1.1 204 x\r\n\r\n"]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0) if len(answers) > 1 else answers[0])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await until_well(address, "/", "x", limit=5)
    for wrong, said in ((b"HTTP/1.1 404 x\r\n\r\n", "answers 404"), (b"x\r\n\r\n", "not HTTP")):
        answers[:] = [wrong]
        with pytest.raises(WellnessError, match=said):
            await until_well(address, "/", "x", limit=0.2)
    server.close()
    with pytest.raises(WellnessError, match="doesn't answer .* after 0.2 s"):
        await until_well(address, "/", "x", limit=0.2)


@pytest.mark.checks("FA-9")
def test_program(tmp_path: Path) -> None:
    """One file, the same to the byte, that needs the standard library alone."""
    path = tmp_path / "host.pyz"
    path.write_bytes(program())
    command: list[str | Path] = [sys.executable, "-S", "-E", path]
    done = subprocess.run([*command, "status", tmp_path], capture_output=True, text=True)
    assert "No such file" in done.stderr and "Traceback" not in done.stderr
    done = subprocess.run([*command, "trial", tmp_path, "1"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (1, f"no supervisor runs for {tmp_path}")
    program.cache_clear()
    assert program() == path.read_bytes()
