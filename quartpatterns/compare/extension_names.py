"""What happens to the public names of a Flask extension in the helper that replaces it.

A pattern that replaces an extension has a module ``example/extension_names.py`` with a
:class:`Extension`. ``quartpatterns parity <pattern> --extension`` prints it, the README has the
same table, and a test of the pattern tries each name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Extension", "ExtensionName", "markdown", "summary"]

State = Literal["supported", "awaited", "changed", "refused"]
STATES: tuple[State, ...] = ("supported", "awaited", "changed", "refused")


@dataclass(frozen=True, slots=True)
class ExtensionName:
    """A public name, option, attribute or configuration key of an extension.

    Attributes:
        name: The name, such as ``LoginManager.login_view`` or ``LOGIN_DISABLED``.
        state: *supported*: it has the same effect. *awaited*: the same, and the call is awaited.
            *changed*: it has another effect, which the remark describes. *refused*: using it is an
            error that names what to write instead.
        remark: What to write instead, or what is different.
    """

    name: str
    state: State = "supported"
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Extension:
    """The public names of one version of an extension.

    Attributes:
        title: The name of the extension and its version.
        names: Its public names.
    """

    title: str
    names: Sequence[ExtensionName]


def summary(extension: Extension) -> dict[str, int]:
    """Return how many names there are in total and in each state."""
    counts = Counter(name.state for name in extension.names)
    return {"total": len(extension.names)} | {state: counts[state] for state in STATES}


def markdown(extension: Extension) -> str:
    """Return the table of the README: one row for each state and remark."""
    rows: dict[tuple[State, str], list[str]] = {}
    for name in extension.names:
        rows.setdefault((name.state, name.remark), []).append(f"`{name.name}`")
    lines = [f"| {extension.title} | state | what to write, or what differs |", "|---|---|---|"]
    for (state, remark), names in sorted(rows.items(), key=lambda row: STATES.index(row[0][0])):
        lines.append(f"| {', '.join(names)} | {state} | {remark} |")
    return "\n".join(lines)
