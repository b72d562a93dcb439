"""The completion of real shells: each types a line, presses Tab, and prints the line."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quartpatterns.cli import COMMANDS, COMPLETION, main
from quartpatterns.cli.bench import complete_case  # noqa: F401  imports before the time is taken

BIN = Path(sys.executable).parent
START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
SET_UP = {
    "bash": 'bind "set bell-style none"; eval "$(quartpatterns completion bash)"',
    "zsh": 'autoload -U compinit; compinit -u; eval "$(quartpatterns completion zsh)"',
    "fish": "quartpatterns completion fish | source",
}
TIMEOUT = 100


class Terminal:
    """A shell in a terminal."""

    def __init__(self, shell: str, folder: Path) -> None:
        env = {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "TERM": "xterm",
        }
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(START[shell][0], START[shell], env)
        self.output = ""

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def until(self, pattern: str) -> re.Match[str]:
        """Read until *pattern* is in the output, and remove it from there."""
        deadline = time.monotonic() + TIMEOUT
        while not (found := re.search(pattern, self.output)):
            assert time.monotonic() < deadline, self.output
            if select.select([self.fd], [], [], 0.1)[0]:
                text = os.read(self.fd, 65536).decode(errors="replace")
                # Without what moves the cursor and colours the text.
                self.output += re.sub(r"\x1b(\[[\d;?<>=]*[a-zA-Z]|[=>()][0B]?)|[\r\x07]", "", text)
        self.output = self.output[found.end() :]
        return found

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


@contextlib.contextmanager
def terminal(shell: str, folder: Path) -> Iterator[Terminal]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    if not (BIN / "quartpatterns").exists():
        pytest.skip("the command is not installed")
    one = Terminal(shell, folder)
    try:
        one.type(f"{SET_UP[shell]}; echo set'-'up\n")
        one.until("set-up")
        yield one
    finally:
        one.close()


LINES = {
    "quartpatterns sho": "quartpatterns show",
    "quartpatterns show metho": "quartpatterns show methodoverrides",
    "quartpatterns parity --wire --server uvi": "quartpatterns parity --wire --server uvicorn",
    "quartpatterns parity --mut": "quartpatterns parity --mutate",
    "quartpatterns tasks ret": "quartpatterns tasks retry",
    "quartpatterns list --group oper": "quartpatterns list --group operations",
}


@pytest.mark.slow
@pytest.mark.parametrize("shell", [*START])
def test_real_shells(shell: str, tmp_path: Path) -> None:
    """Each shell completes commands, options, patterns, servers, cases and groups."""
    with terminal(shell, tmp_path) as shown:
        lines = LINES | {
            r"quartpatterns bench streaming --case large.csv\ with\ m": (
                r"quartpatterns bench streaming --case large.csv\ with\ many\ rows"
            ),
        }
        for line, expected in lines.items():
            # The argument of printf is what the shell makes of the completed line.
            shown.type(f"{line}\t")
            # Completion has happened when the rest of the expected line is shown.
            shown.until(re.escape(expected[-4:]))
            shown.type("\x01printf '<%s>' \x05\n")
            words = re.split(r"(?<!\\) ", expected)
            printed = "".join(f"<{word.replace(chr(92), '')}>" for word in words)
            shown.until(re.escape(printed))


def completions(
    words: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> list[str]:
    """Return what the command answers to Bash for the last one of *words*."""
    monkeypatch.setenv(COMPLETION, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ") - words.count("\\ ")))
    with pytest.raises(SystemExit):
        main(prog_name="quartpatterns")
    return [
        line.removeprefix("plain,").replace("\\\\", "\\")
        for line in capfd.readouterr().out.splitlines()
    ]


def test_names(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Names of patterns, servers, states and shells are completed; those of cases are quoted."""
    assert completions("quartpatterns show app", monkeypatch, capfd) == [
        "appfactories",
        "appdispatch",
    ]
    assert completions("quartpatterns parity fav", monkeypatch, capfd) == ["favicon"]
    assert completions("quartpatterns serve --server g", monkeypatch, capfd) == ["granian"]
    assert completions("quartpatterns tasks list --state f", monkeypatch, capfd) == ["failed"]
    assert completions("quartpatterns completion ", monkeypatch, capfd) == ["bash", "zsh", "fish"]
    assert completions("quartpatterns bench --port-server uv", monkeypatch, capfd) == ["uvicorn"]
    cases = completions("quartpatterns bench streaming --case large", monkeypatch, capfd)
    assert r"large.csv\ with\ many\ rows" in cases
    cases = completions(
        r"quartpatterns bench streaming --case large.csv\ with\ ma", monkeypatch, capfd
    )
    assert cases == [r"large.csv\ with\ many\ rows"]


def test_missing_libraries(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """All commands are completed, and no module of theirs is imported, which may need more."""
    module = "quartpatterns.cli.deploy"
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)  # as if it were not installed
    assert completions("quartpatterns ", monkeypatch, capfd) == [*COMMANDS]
    assert module not in sys.modules
    assert completions("quartpatterns dep", monkeypatch, capfd) == ["deploy"]
    assert completions("quartpatterns deploy ", monkeypatch, capfd) == [""]  # an empty line
