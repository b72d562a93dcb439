"""Files of environment variables: systemd, shells and the program on the hosts read the same."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quartpatterns.deployment.onhost.environment import parse_environment
from tests.examples import examples

SYSTEMD = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")
SHELLS = [shell for shell in ("sh", "bash", "dash", "ksh", "zsh") if shutil.which(shell)]
# The values are compared as Python's literals, because they may contain line breaks.
DUMP = f'{shlex.quote(sys.executable)} -c "import os; print(repr(dict(os.environb)))"'

SAME = r"""
PLAIN=plain
URL=postgresql://u:p=w@h/db?x=1#y
EMPTY=
EMPTY_TOO=""
SPACES="  two  spaces  "
SINGLE='as it is: \ \n $HOME `id` "x" #'
DOUBLE="quotes \" backslash \\ dollar \$HOME backtick \`id\` other \n \x"
BACKSLASHES=C:\\temp\\new
ESCAPED=a\ b\"c\'d\#e\$f\;g\
h
JOINED="one \
line"
TWO_LINES="first
second"
PEM='-----BEGIN KEY-----
MIIB+/=
-----END KEY-----
'
ADJACENT="a"'b'"c"
HASH=a#b
UNICODE="ä€😀 "
"""


def by_shell(shell: str, file: Path) -> dict[str, str]:
    """The environment after ``set -a; . FILE`` in a real shell."""
    command = f"set -a; . {shlex.quote(str(file))}; {DUMP}"
    done = subprocess.run(
        [shell, "-c", command], env={"LC_ALL": "C.UTF-8"}, capture_output=True, check=True
    )
    found: dict[bytes, bytes] = eval(done.stdout)
    return {name.decode(): value.decode() for name, value in found.items()}


def by_systemd(file: Path, folder: Path) -> dict[str, str]:
    """The variables that systemd reads; its generator prints them with escapes."""
    (folder / "environment.d").mkdir(parents=True, exist_ok=True)
    (folder / "environment.d" / "1.conf").write_bytes(file.read_bytes())
    environment = {"XDG_CONFIG_HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run([SYSTEMD], env=environment, capture_output=True, check=True)
    lines = (line.partition("=") for line in done.stdout.decode().splitlines())
    return {name: _unescape(value.removeprefix('"').removesuffix('"')) for name, _, value in lines}


def _unescape(printed: str) -> str:
    return re.sub(
        r"\\(.)", lambda escape: {"n": "\n", "t": "\t"}.get(escape[1], escape[1]), printed
    )


def needs_systemd() -> None:
    if not SYSTEMD.exists():
        pytest.skip("systemd is not installed")


def quote(value: str) -> str:
    """Write a value as the README says."""
    return '"' + re.sub(r'(["\\`$])', r"\\\1", value) + '"'


@pytest.mark.checks("FA-10")
@pytest.mark.parametrize("shell", SHELLS)
def test_shells(shell: str, tmp_path: Path) -> None:
    """A real shell sets the same variables."""
    file = tmp_path / "env"
    file.write_text(SAME)
    found = parse_environment(SAME)
    assert list(found) == re.findall("^([A-Z_]+)=", SAME, re.MULTILINE)
    environment = by_shell(shell, file)
    assert {name: environment[name] for name in found} == found


@pytest.mark.checks("FA-10")
def test_systemd(tmp_path: Path) -> None:
    """systemd's own parser returns the same values. Its generator also replaces ``$NAME``."""
    needs_systemd()
    text = SAME + 'OTHER=a\\b"c d"  # e  \n; comment\n\n  # comment\nI = 5\r\nJ=\\ x \\ \n'
    file = tmp_path / "env"
    file.write_text(text.replace("$HOME", "").replace(r"\$f", "f"), newline="")
    expected = parse_environment(file.read_bytes().decode())
    assert expected["OTHER"] == 'ab"c d"  # e'
    assert (expected["I"], expected["J"]) == ("5", " x  ")
    found = by_systemd(file, tmp_path)
    # The generator prints no empty variables.
    assert {name: found.get(name, "") for name in expected} == expected


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
NASTY = st.text("ab\\\"'`$# \t\n\r;=!{}*?~\u2028\x85\x0b")


@pytest.mark.checks("FA-10")
@settings(max_examples=examples(300))
@given(VALUES | NASTY, VALUES | NASTY)
def test_round_trip(first: str, second: str) -> None:
    """Any value that is written as the README says is read unchanged."""
    text = f"A={quote(first)}\nexport B={quote(second)}\n"
    assert parse_environment(text) == {"A": first, "B": second}
    if "'" not in first:
        assert parse_environment(f"A='{first}'") == {"A": first}


@pytest.mark.checks("FA-10")
@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES | NASTY, min_size=20, max_size=20))
def test_round_trip_in_a_shell(tmp_path: Path, values: list[str]) -> None:
    """A real shell reads the same from what the README says."""
    variables = {f"V{number}": value for number, value in enumerate(values)}
    file = tmp_path / "env"
    text = "".join(f"{name}={quote(value)}\n" for name, value in variables.items())
    file.write_bytes(text.encode())
    environment = by_shell("sh", file)
    assert {name: environment[name] for name in variables} == parse_environment(text) == variables


@pytest.mark.checks("FA-10")
@pytest.mark.parametrize("reader", [*SHELLS, "systemd"])
def test_every_character(reader: str, tmp_path: Path) -> None:
    """Each ASCII character that can be printed is read unchanged, also beside a line break."""
    characters = [chr(code) for code in range(32, 127)]
    if reader == "systemd":
        needs_systemd()
        characters.remove("$")  # its generator replaces names
    variables = {
        f"V{ord(character)}_{number}": value
        for character in characters
        for number, value in enumerate(
            (
                character,
                f"a{character}b",
                character * 2,
                f"\\{character}",
                f"{character}\n{character}",
            )
        )
    }
    text = "".join(f"{name}={quote(value)}\n" for name, value in variables.items())
    file = tmp_path / "env"
    file.write_bytes(text.encode())
    found = by_systemd(file, tmp_path) if reader == "systemd" else by_shell(reader, file)
    assert {name: found[name] for name in variables} == parse_environment(text) == variables


@pytest.mark.checks("FA-10")
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("hunter2", 1),
        ("1A=hunter2", 1),
        ("A B=hunter2", 1),
        ("A=1\n\nB='hunter2\n\n", 3),
        ('A="hunter2\\"', 1),
        ("A='hunter2' # comment", 1),
        ('A="hunter2" hunter2', 1),
        ("A=1\n=hunter2", 2),
        ("A='x\ny'\nB=hunter2\0", 3),
        ("A-B=hunter2", 1),
    ],
    ids=repr,
)
def test_invalid_lines(text: str, line: int) -> None:
    """The error names the line and hides the value."""
    with pytest.raises(ValueError, match=f"^line {line} ") as caught:
        parse_environment(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.checks("FA-10")
def test_line_breaks() -> None:
    """Only CR and LF end a value; an editor's byte order mark is no part of a name."""
    assert parse_environment("\ufeffA=a\u2028b\x85c\x0bd\r\nB=2\rC=3") == {
        "A": "a\u2028b\x85c\x0bd",
        "B": "2",
        "C": "3",
    }
