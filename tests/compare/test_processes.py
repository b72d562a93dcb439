"""No started program outlives its parent, even if the parent is killed."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from quartpatterns.compare.processes import Process, StartError, accepts, free_port

# A process with a child. It prints both process ids.
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(60)
"""
IGNORES_SIGTERM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def family(log: Path) -> list[int]:
    assert eventually(lambda: log.exists() and len(log.read_text().split()) == 2)
    return [int(word) for word in log.read_text().split()]


def test_stop(tmp_path: Path) -> None:
    """stop() ends the program and its children; pid is that of the program."""
    log = tmp_path / "log"
    with Process([sys.executable, "-c", FAMILY], log=log) as process:
        pids = family(log)
        assert process.pid == pids[0]
        assert process.returncode is None
    assert not any(map(alive, pids))


def test_parent_is_killed(tmp_path: Path) -> None:
    """SIGKILL of the parent ends the program and its children."""
    log = tmp_path / "log"
    code = f"""
import sys, time
from pathlib import Path
from quartpatterns.compare.processes import Process
Process([sys.executable, "-c", {FAMILY!r}], log=Path({str(log)!r}))
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code])
    pids = family(log)
    parent.kill()
    parent.wait()
    assert eventually(lambda: not any(map(alive, pids)))


def test_watchdog_is_killed(tmp_path: Path) -> None:
    """If the watchdog is killed, stop() ends the program and its children."""
    log = tmp_path / "log"
    process = Process([sys.executable, "-c", FAMILY], log=log)
    pids = family(log)
    assert not process.lost_watchdog
    psutil.Process(watchdog(process)).kill()
    assert eventually(lambda: process.returncode == 137)
    assert process.lost_watchdog
    process.stop()
    # The child would end by itself after 60 s.
    assert eventually(lambda: not any(map(alive, pids)), 30)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent-death signal")
def test_parent_and_watchdog_are_killed(tmp_path: Path) -> None:
    """On Linux the program ends even if its watchdog and then nobody calls stop()."""
    process = Process([sys.executable, "-c", FAMILY], log=tmp_path / "log")
    pids = family(tmp_path / "log")
    psutil.Process(watchdog(process)).kill()
    try:
        assert eventually(lambda: not alive(pids[0]))
    finally:
        process.stop()


def test_held_descriptor(tmp_path: Path) -> None:
    """A lock is held until the program has ended, and the program does not inherit it."""
    file = tmp_path / "lock"
    fd = os.open(file, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    process = Process([sys.executable, "-c", FAMILY], log=tmp_path / "log", held_fds=[fd])
    os.close(fd)
    pids = family(tmp_path / "log")
    with file.open() as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for pid in pids:
            assert str(file) not in {opened.path for opened in psutil.Process(pid).open_files()}
        process.stop()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def watchdog(process: Process) -> int:
    parent = psutil.Process(process.pid).parent()
    assert parent
    return parent.pid


def test_ctrl_c_is_ignored(tmp_path: Path) -> None:
    """Ctrl-C in a terminal does not end the program; its parent decides when it ends."""
    log = tmp_path / "log"
    with Process([sys.executable, "-c", FAMILY], log=log) as process:
        pids = family(log)
        os.kill(psutil.Process(process.pid).ppid(), signal.SIGINT)
        time.sleep(0.2)
        assert all(map(alive, pids))


@pytest.mark.slow
def test_program_that_ignores_sigterm(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = Process([sys.executable, "-c", IGNORES_SIGTERM], log=log)
    process.wait_until(lambda: bool(process.output()))
    started = time.monotonic()
    process.stop()
    assert not alive(process.pid)
    assert time.monotonic() - started < 15


def test_exit_code() -> None:
    process = Process([sys.executable, "-c", "raise SystemExit(3)"])
    assert eventually(lambda: process.returncode is not None)
    assert process.returncode == 3
    process.stop()


def test_no_program(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="nothing-of-that-name cannot be executed"):
        Process(["nothing-of-that-name"], log=tmp_path / "log")


def test_exits_before_it_is_ready(tmp_path: Path) -> None:
    """The message contains the last lines of the log."""
    code = "print(*range(9), sep='\\n', flush=True); raise SystemExit('bad setting')"
    process = Process([sys.executable, "-c", code], log=tmp_path / "l")
    with pytest.raises(StartError, match=r"exited with code 1\n  5\n  6\n  7\n  8\n  bad setting"):
        process.wait_until(lambda: False)


def test_never_ready(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", FAMILY], log=tmp_path / "log")
    with pytest.raises(StartError, match=r"not ready after 0\.2 s"):
        process.wait_until(lambda: False, timeout=0.2)
    assert not alive(process.pid)


def test_ports() -> None:
    port = free_port()
    assert not accepts(port)
