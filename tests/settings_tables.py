"""The tables of settings in the READMEs, which are made of the declarations.

``python -m tests.settings_tables`` writes them anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import quartpatterns
from quartpatterns._shared.declarations import Setting
from quartpatterns._shared.settings_of import all_declarations
from quartpatterns.appfactories.conversion import describe

HEAD = "| setting | default | type | meaning |\n| --- | --- | --- | --- |\n"
HELPERS = sorted(all_declarations().keys() - {"quart", "quart_schema"})


def readme(helper: str) -> Path:
    """Return the README of a helper."""
    return Path(quartpatterns.__file__).with_name(helper) / "README.md"


def rows(helper: str) -> list[str]:
    """Return the rows of the settings that *helper* declares."""
    declared = all_declarations()[helper]
    found = [_row(f"`{key}`", setting) for key, setting in declared.items()]
    for family in declared.families:
        if isinstance(family.members, Mapping):
            for end, setting in family.members.items():
                found.append(_row(f"`{family.prefix}X_{end}`", setting))
        else:
            names = ", ".join(f"`{family.prefix}{end}`" for end in list(family.members())[:4])
            found.append(f"| {names}, ... | `None` | | {family.doc} |")
    return found


def table(helper: str) -> str:
    """Return the table of *helper*, as it should be, with the rows of Quart's settings in it."""
    old = current(helper)
    declared = {line.split(" | ")[0] for line in rows(helper)}
    more = [line for line in old.splitlines()[2:] if line.split(" | ")[0] not in declared]
    return HEAD + "".join(f"{line}\n" for line in [*rows(helper), *more])


def current(helper: str) -> str:
    """Return the table of settings in the README of *helper*."""
    found = re.search(r"^\| setting \|.*?\n(?=\n)", readme(helper).read_text(), re.M | re.S)
    assert found, f"{readme(helper)} has no table of settings"
    return found[0]


def _row(key: str, setting: Setting) -> str:
    kind = describe(setting.type)
    if setting.unit:
        kind = kind.replace("number", f"number of {setting.unit}", 1)
    cells = (key, f"`{_value(setting.default)}`", kind, setting.doc)
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _value(default: Any) -> str:
    if isinstance(default, Mapping):
        default = dict(default)
    if isinstance(default, timedelta):
        return f"timedelta(days={default.days})"
    return repr(default).replace("'", '"')


if __name__ == "__main__":
    for name in HELPERS:
        text = readme(name).read_text()
        readme(name).write_text(text.replace(current(name), table(name)))
