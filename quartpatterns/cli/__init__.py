"""The command ``quartpatterns``: one module for each subcommand."""

from __future__ import annotations

import importlib

import click

from quartpatterns import __version__
from quartpatterns.cli.errors import report_user_errors
from quartpatterns.cli.groups import SuggestingGroup

__all__ = ["main"]

COMMANDS = {
    "new": "Create a new application.",
    "port": "Move a Flask project and its tests to Quart.",
    "deploy": "Deploy an application to its hosts.",
    "serve": "Run the gallery.",
    "worker": "Run the background tasks of an application.",
    "tasks": "Look at background jobs; retry, revoke or delete them.",
    "parity": "Compare the responses of a Quart port and its Flask original.",
    "bench": "Compare the speed of a Quart port and its Flask original.",
}
ARGUMENTS = f"{__name__}.arguments"  # the key of the arguments in the context
EXAMPLES = """
\b
  quartpatterns new shop --with sqlalchemy  create an application
  quartpatterns port shop --diff            move a Flask project to Quart
  quartpatterns serve                       run the gallery on http://127.0.0.1:5000
  quartpatterns parity streaming --wire     compare a port with its Flask original
  quartpatterns parity --flask old:app --quart new:app
                                            compare two applications of your own
  quartpatterns bench streaming             measure a port and its original
"""


class _Commands(SuggestingGroup):
    """A group that imports the module of a subcommand only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        with report_user_errors(*ctx.meta.get(ARGUMENTS, ())):
            module = importlib.import_module(f"quartpatterns.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        with report_user_errors(*ctx.meta.get(ARGUMENTS, ())):
            return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)


@click.group(
    cls=_Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="quartpatterns")
def main() -> None:
    """Flask's patterns, async-first on Quart: run, compare and measure them."""
