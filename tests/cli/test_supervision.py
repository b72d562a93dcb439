"""A program that exits is started again with growing pauses, and given up at last."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from quartpatterns.cli import supervision
from quartpatterns.cli.supervision import SupervisedProgram
from quartpatterns.compare.processes import Process, StartError

FAILS = [sys.executable, "-S", "-c", "raise SystemExit(3)"]
RUNS = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]


def check_until(program: SupervisedProgram, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        program.check()
        time.sleep(0.01)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> tuple[float, ...]:
    found = (0.0, 0.1, 0.2)
    monkeypatch.setattr(supervision, "PAUSES", found)
    return found


def test_pauses() -> None:
    """The pauses grow, and the first one is none."""
    assert supervision.PAUSES[0] == 0
    assert [*supervision.PAUSES] == sorted(set(supervision.PAUSES))


def test_given_up(pauses: tuple[float, ...], capfd: pytest.CaptureFixture[str]) -> None:
    """Each exit is one line. The last one says what no longer works, and how to get it back."""
    starts: list[float] = []

    def start() -> Process:
        starts.append(time.monotonic())
        return Process(FAILS)

    program = SupervisedProgram("The shop", start, lost="Restart it", log=Path("shop.log"))
    program.begin()
    check_until(program, lambda: program.given_up)
    assert len(starts) == 1 + len(pauses)
    for pause, (before, after) in zip(pauses, zip(starts, starts[1:], strict=False), strict=True):
        assert after - before >= pause
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == len(starts)
    assert lines[0].endswith(") exited with code 3 and is restarted.")
    assert lines[1].endswith(") exited with code 3. It is restarted in 0.1 s; see shop.log.")
    assert lines[3].endswith(
        ") exited with code 3. 3 restarts did not help, so it stays down; see shop.log. Restart it."
    )
    program.check()
    assert len(starts) == 1 + len(pauses)


def test_stable(
    pauses: tuple[float, ...], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A program that ran long enough is restarted as if it had never exited before."""
    monkeypatch.setattr(supervision, "STABLE", 0.0)
    starts: list[Process] = []

    def start() -> Process:
        starts.append(Process(FAILS))
        return starts[-1]

    program = SupervisedProgram("The shop", start, lost="Restart it")
    program.begin()
    check_until(program, lambda: len(starts) > len(pauses) + 3)
    program.stop()
    assert "did not help" not in capfd.readouterr().err


def test_regular_exits(pauses: tuple[float, ...], capfd: pytest.CaptureFixture[str]) -> None:
    """A server that exits after its maximum number of requests is replaced each time."""
    starts: list[Process] = []

    def start() -> Process:
        starts.append(Process([sys.executable, "-S", "-c", ""]))
        return starts[-1]

    program = SupervisedProgram("The server", start, lost="", exits=True)
    program.begin()
    check_until(program, lambda: len(starts) > len(pauses) + 3)
    program.stop()
    assert "restarted in" not in capfd.readouterr().err


def test_ready_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It is said when a program is ready again."""
    file = tmp_path / "ready"
    file.touch()
    program = SupervisedProgram("The shop", lambda: Process(RUNS), lost="", ready=file.exists)
    program.start()
    assert program.process
    file.unlink()
    process = program.process
    program.kill()
    check_until(program, lambda: program.process not in (None, process))
    program.check()
    assert "runs again" not in capfd.readouterr().err
    file.touch()
    check_until(program, lambda: "The shop runs again after" in capfd.readouterr().err)
    program.stop()


def test_never_ready(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """A program that runs and is not ready is restarted, too."""
    monkeypatch.setattr(supervision, "START_TIMEOUT", 0.1)
    ready = [True]
    program = SupervisedProgram("The shop", lambda: Process(RUNS), lost="", ready=lambda: ready[0])
    program.start()
    ready[0] = False
    program.kill()
    text = ""

    def reported() -> bool:
        nonlocal text
        text += capfd.readouterr().err
        return "The shop was not ready after 0.1 s" in text

    check_until(program, reported)
    program.stop()


def test_cannot_be_executed(pauses: tuple[float, ...], capfd: pytest.CaptureFixture[str]) -> None:
    """A program that was removed meanwhile is an exit like another."""
    commands = [RUNS]
    program = SupervisedProgram("The shop", lambda: Process(commands[0]), lost="Install it")
    program.begin()
    commands[0] = ["nothing-of-that-name"]
    program.kill()
    check_until(program, lambda: program.given_up)
    assert (
        "The shop cannot be started (nothing-of-that-name cannot be executed). 3 restarts did not"
        " help, so it stays down. Install it."
    ) in capfd.readouterr().err


def test_first_start_fails() -> None:
    """The first start is reported to the caller."""
    program = SupervisedProgram("The shop", lambda: Process(FAILS), lost="", ready=lambda: False)
    with pytest.raises(StartError, match="exited with code 3"):
        program.start()
