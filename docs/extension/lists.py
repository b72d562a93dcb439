"""Lists that the build writes into pages, so that they are always current.

A page has the comment ``<!-- list: extras -->`` where the list of extras belongs.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import click
from sphinx.errors import ExtensionError

from docs.extension.repository import ROOT
from quartpatterns._shared.declarations import Declarations, Setting, SettingFamily
from quartpatterns._shared.settings_of import all_declarations
from quartpatterns.appfactories.conversion import describe
from quartpatterns.catalog import PATTERNS
from quartpatterns.cli import main
from quartpatterns.gallery.settings import SETTINGS as GALLERY_SETTINGS

__all__ = ["commands", "extras", "gallery_settings", "insert", "settings"]

COMMENT = re.compile(r"^<!-- list: (.*?) -->$", re.M)


def insert(text: str) -> str:
    """Return the text of a page with its lists.

    Raises:
        ExtensionError: There is no such list.
    """

    def replace(match: re.Match[str]) -> str:
        if match[1] not in LISTS:
            raise ExtensionError(f"there is no list {match[1]!r}: there are {', '.join(LISTS)}")
        return LISTS[match[1]]()

    return COMMENT.sub(replace, text)


# The extras of pyproject.toml that are not those of a pattern.
EXTRAS = {
    "all": "everything but the tools of development",
    "bench": "`quartpatterns bench` with all servers and originals",
    "compare": "`quartpatterns parity`, and the fixture `assert_parity`",
    "dev": "tests, linters and this documentation: for work on this project",
    "disk": "the cache in a folder, `FileSystemCache`",
    "gallery": "`quartpatterns serve`, and the comparison of all patterns",
    "granian": "the server Granian",
    "i18n": "texts in several languages, with Babel",
    "json": "faster JSON, with orjson",
    "memcached": "the cache in Memcached",
    "migrations": "migrations of the database, with Alembic",
    "originals": "the Flask originals of all patterns",
    "passwords": "passwords with Argon2",
    "port": "`quartpatterns port`, which moves a Flask project",
    "postgresql": "PostgreSQL for the pattern sqlalchemy",
    "recaptcha": "reCAPTCHA in forms",
    "redis": "the cache, event streams and the progress of uploads over Redis",
    "reload": "workers that restart when the code changes",
    "uvicorn": "the server Uvicorn",
    "zip": "ZIP archives as streams",
}


def extras() -> str:
    """Return the table of the extras in pyproject.toml.

    Raises:
        ExtensionError: An extra has no explanation, or there is one for no extra.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed: Mapping[str, list[str]] = project["optional-dependencies"]
    titles = {one.name: one.title for one in PATTERNS}
    unknown = EXTRAS.keys() - listed.keys()
    missing = listed.keys() - EXTRAS.keys() - titles.keys()
    if unknown or missing:
        raise ExtensionError(
            "EXTRAS in docs/extension/lists.py must name the extras of pyproject.toml:"
            f" missing {sorted(missing)}, too many {sorted(unknown)}"
        )
    lines = ["| extra | for | installs |", "| --- | --- | --- |"]
    for extra in sorted(listed):
        readme = f"../quartpatterns/{extra}/README.md"
        meaning = EXTRAS.get(extra) or f"the pattern [{extra}]({readme}): {titles[extra]}"
        if extra in ("all", "dev"):
            names = "all other extras" if extra == "all" else "see `pyproject.toml`"
        else:
            names = ", ".join(dict.fromkeys(map(_requirement, listed[extra])))
        lines.append(f"| `{extra}` | {meaning} | {names} |")
    return "\n".join(lines)


def _requirement(line: str) -> str:
    """Return the name of a requirement, with its extras, without versions."""
    match = re.match(r"[\w.-]+(\[[\w,.-]+\])?", line)
    assert match, line
    return f"`{match[0]}`"


def settings() -> str:
    """Return the settings of all helpers, with a section for each helper."""
    declared = all_declarations()
    described: set[str] = set()
    text = ""
    for pattern in sorted(PATTERNS, key=lambda one: one.name):
        if pattern.name in declared:
            readme = f"../quartpatterns/{pattern.name}/README.md"
            found = "".join(_settings(declared[pattern.name], described))
            text += f"\n## {pattern.name}\n\n[{pattern.title}]({readme})\n\n"
            text += found.replace("](#", f"]({readme}#")
    text += "\n## Quart and Quart-Schema\n\nTheir own documentation explains these settings.\n\n"
    for library in ("quart", "quart_schema"):
        text += "".join(_settings(declared[library], described))
    return text


def gallery_settings() -> str:
    """Return the settings of the gallery."""
    return "".join(_settings(GALLERY_SETTINGS, set()))


def _settings(declared: Declarations, described: set[str]) -> Iterator[str]:
    for key, setting in declared.items():
        yield _setting(key, setting, again=key in described)
    described.update(declared)
    for family in declared.families:
        yield from _family(family)
    if declared.instead:
        yield "These settings of Flask and its extensions are refused."
        yield " The error says what to use:\n\n"
        for remedy in dict.fromkeys(declared.instead.values()):
            keys = [key for key, found in declared.instead.items() if found == remedy]
            yield f"{', '.join(f'`{key}`' for key in keys)}\n: {_sentence(remedy)}\n\n"


def _family(family: SettingFamily) -> Iterator[str]:
    name = "X_" if family.named else ""
    if isinstance(family.members, Mapping):
        for end, setting in family.members.items():
            yield _setting(f"{family.prefix}{name}{end}", setting)
        return
    keys = ", ".join(f"`{family.prefix}{end}`" for end in family.members())
    yield f"{_sentence(family.doc)}\nThe settings are {keys}.\n\n"


def _setting(key: str, setting: Setting, *, again: bool = False) -> str:
    kind = re.sub(r"'([^']*)'", r'`"\1"`', describe(setting.type))
    if setting.unit:
        kind = kind.replace("number", f"number of {setting.unit}", 1)
    default = "required" if setting.required else f"`{value(setting.default)}`"
    options = f":type: {kind}\n:default: {default}\n" + ":no-index:\n" * again
    return f":::{{confval}} {key}\n{options}\n{_sentence(setting.doc)}\n:::\n\n"


def _sentence(text: str) -> str:
    """Return *text* with a capital letter and a full stop, unless code begins or ends it."""
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text.endswith((".", ":")) else ".")


def value(default: Any) -> str:
    """Return a default as code."""
    if isinstance(default, Mapping):
        default = dict(default)
    if isinstance(default, timedelta):
        return f"timedelta(days={default.days})"
    return repr(default).replace("'", '"')


def commands() -> str:
    """Return the commands and their options, as ``--help`` prints them."""
    context = click.Context(main, info_name="quartpatterns", **main.context_settings)
    return "".join(_command(main, context, 2))


def _command(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    name = context.command_path
    yield f"\n{'#' * level} {name}\n\n{_prose(command.help or '')}\n\n"
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield f"```text\n{usage}\n```\n\n"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and record[1]:
            yield f"`{record[0]}`\n: {_inline(record[1])}\n\n"
    yield f"{_prose(command.epilog or '')}\n\n"
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            assert found is not None
            below = click.Context(found, parent=context, info_name=sub)
            yield from _command(found, below, min(level + 1, 4))


def _prose(text: str) -> str:
    """Return a text of click as Markdown: ``\\b`` begins a paragraph that is not wrapped."""
    paragraphs = re.split(r"\n\s*\n", text.strip("\n"))
    return "\n\n".join(map(_paragraph, paragraphs))


def _paragraph(text: str) -> str:
    if text.lstrip().startswith("\b"):
        lines = text.lstrip().removeprefix("\b").strip("\n")
        return f"```text\n{lines}\n```"
    return _inline(" ".join(text.split()))


def _inline(text: str) -> str:
    """Return plain text as Markdown."""
    return re.sub(r"([*_<>\[\]\\`])", r"\\\1", text)


LISTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "extras": extras,
    "gallery settings": gallery_settings,
    "settings": settings,
}
