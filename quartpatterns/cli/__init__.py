"""The command ``quartpatterns``: one module a subcommand, imported when it is called."""

from __future__ import annotations

import importlib

import click

from quartpatterns import __version__
from quartpatterns.cli.errors import explained

__all__ = ["main"]

COMMANDS = {
    "new": "Make a new application.",
    "deploy": "Bring an application to its hosts.",
    "serve": "Run the gallery under Hypercorn.",
    "worker": "Run the jobs of an application.",
    "parity": "Compare a Quart port with its Flask original.",
    "bench": "Measure a Quart port against its Flask original.",
}
EXAMPLES = """
\b
  quartpatterns new shop --with sqlalchemy  make an application of your own
  quartpatterns serve                       run the gallery, on http://127.0.0.1:5000
  quartpatterns parity streaming --wire     compare a port with its Flask original
  quartpatterns parity --flask old:app --quart new:app
                                            compare two applications of your own
  quartpatterns bench streaming             measure a port against its original
"""


class _Commands(click.Group):
    """Subcommands whose modules are imported only when they are called, not for ``--help``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        with explained():
            module = importlib.import_module(f"quartpatterns.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        with explained():
            return super().invoke(ctx)


@click.group(
    cls=_Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="quartpatterns")
def main() -> None:
    """Flask's patterns, async-first on Quart: run them, compare them, measure them."""
