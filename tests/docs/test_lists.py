"""The lists that the build writes into pages are complete."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner
from sphinx.errors import ExtensionError

from docs.extension import lists
from docs.extension.repository import ROOT
from quartpatterns._shared.settings_of import all_declarations
from quartpatterns.cli import main
from quartpatterns.gallery.settings import SETTINGS as GALLERY_SETTINGS


def commands(command: click.Command, context: click.Context) -> Iterator[list[str]]:
    """Yield the words of each command."""
    yield context.command_path.split()[1:]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found
            yield from commands(found, click.Context(found, parent=context, info_name=name))


def test_commands() -> None:
    """Each command has a section with all words of its --help: options, examples, exit codes."""
    context = click.Context(main, info_name="quartpatterns")
    text = lists.commands()
    sections = dict(re.findall(r"^#+ (quartpatterns.*?)\n(.*?)(?=^#+ quart|\Z)", text, re.M | re.S))
    found = list(commands(main, context))
    assert [" ".join(["quartpatterns", *words]) for words in found] == list(sections)
    for words in found:
        arguments = [*words, "--help"]
        done = CliRunner().invoke(main, arguments, prog_name="quartpatterns", terminal_width=10_000)
        # A group lists its commands, which have sections of their own; a name has no help.
        shown = re.sub(r"^Commands:\n.*?(?=^\S|\Z)", "", done.output, flags=re.M | re.S)
        section = sections[" ".join(["quartpatterns", *words])].replace("\\", "")
        missing = {word for word in shown.split() if word not in section}
        assert missing == {"Usage:", "Options:"}, words


def test_settings() -> None:
    """Each declared setting is described once."""
    described = re.findall(r"^:::\{confval\} (\w+)\n(?!.*\n.*\n:no-index:)", lists.settings(), re.M)
    declared = {key for one in all_declarations().values() for key in one}
    assert declared <= set(described)
    assert len(described) == len(set(described))


def test_gallery_settings() -> None:
    """Each setting of the gallery is described, with its default."""
    text = lists.gallery_settings()
    assert re.findall(r"^:::\{confval\} (\w+)$", text, re.M) == list(GALLERY_SETTINGS)
    assert ":type: a whole number of bytes or None\n:default: `2147483648`" in text


def test_refused_settings() -> None:
    """A setting that is refused has its remedy."""
    text = lists.settings()
    for one in all_declarations().values():
        for key in one.instead:
            assert f"`{key}`" in text


def test_links_of_settings() -> None:
    """A link to a heading of a README leads to that README."""
    assert "](#" not in lists.settings()
    assert "](../quartpatterns/subclassing/README.md#threads)" in lists.settings()


def test_extras() -> None:
    """The table has each extra of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", lists.extras(), re.M)
    assert [row[0] for row in rows] == sorted(project["optional-dependencies"])


def test_unexplained_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new extra needs an explanation, and an old one must go."""
    monkeypatch.delitem(lists.EXTRAS, "json")
    monkeypatch.setitem(lists.EXTRAS, "yaml", "faster YAML")
    with pytest.raises(ExtensionError, match=r"missing \['json'\], too many \['yaml'\]"):
        lists.extras()


def test_insert() -> None:
    """A comment is replaced by its list; an unknown name is an error."""
    text = lists.insert("# Title\n\n<!-- list: extras -->\n\nText <!-- list: x -->\n")
    assert text.startswith("# Title\n\n| extra | for | installs |\n")
    assert text.endswith("|\n\nText <!-- list: x -->\n")
    with pytest.raises(ExtensionError, match="there is no list 'extra'"):
        lists.insert("<!-- list: extra -->\n")
