"""The command ``quartpatterns``: one module for each subcommand."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from quartpatterns import __version__
from quartpatterns.cli.ending import EXIT_CODES, closed_pipe_ends, exit_with, use_color
from quartpatterns.cli.errors import UsageProblem, report_user_errors
from quartpatterns.cli.groups import SuggestingGroup

__all__ = ["main"]

COMMANDS = {
    "list": "List the patterns.",
    "show": "Show a pattern: import, README, cases, differences.",
    "new": "Create a new application.",
    "port": "Move a Flask project and its tests to Quart.",
    "deploy": "Deploy an application to its hosts.",
    "serve": "Run the gallery.",
    "worker": "Run the background tasks of an application.",
    "tasks": "Look at background jobs; retry, revoke or delete them.",
    "parity": "Compare the responses of a Quart port and its Flask original.",
    "bench": "Compare the speed of a Quart port and its Flask original.",
    "completion": "Print the completion script for a shell.",
}
COMPLETION = "_QUARTPATTERNS_COMPLETE"
"""The environment variable with which a shell asks for completions; its name comes from click."""
ARGUMENTS = f"{__name__}.arguments"  # the key of the arguments in the context
# A module called list would replace the built-in function in this one.
MODULES = {"list": "list_patterns"}
EXAMPLES = f"""
\b
  quartpatterns list                        the patterns
  quartpatterns show streaming              one of them
  quartpatterns new shop --with sqlalchemy  create an application
  quartpatterns port shop --diff            move a Flask project to Quart
  quartpatterns serve                       run the gallery on http://127.0.0.1:5000
  quartpatterns parity streaming --wire     compare a port with its Flask original
  quartpatterns parity --flask old:app --quart new:app
                                            compare two applications of your own
  quartpatterns bench streaming             measure a port and its original
{EXIT_CODES}
\b
NO_COLOR=1 switches colours off, and FORCE_COLOR=1 switches them on without a terminal.
"""


class _Commands(SuggestingGroup):
    """A group that imports the module of a subcommand only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        try:
            with report_user_errors(*ctx.meta.get(ARGUMENTS, ())):
                name = MODULES.get(cmd_name, cmd_name)
                module = importlib.import_module(f"quartpatterns.cli.{name}")
        except UsageProblem:
            if ctx.resilient_parsing:  # a shell asks for completions, and gets none
                return click.Command(cmd_name)
            raise
        command: click.Command = module.command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # The method of the group imports the modules of all commands.
        names = [
            CompletionItem(name, help=text)
            for name, text in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        with report_user_errors(*ctx.meta.get(ARGUMENTS, ())), closed_pipe_ends():
            return super().invoke(ctx)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with closed_pipe_ends():  # --help
            return super().make_context(*args, color=use_color(), **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        if COMPLETION in os.environ:  # a shell asks for completions
            importlib.import_module("quartpatterns.cli.completion")
        arguments = list(sys.argv[1:] if args is None else args)
        run = functools.partial(
            super().main, arguments, prog_name, complete_var, standalone_mode=False, **extra
        )
        return exit_with(run, arguments) if standalone_mode else run()


@click.group(
    cls=_Commands, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="quartpatterns")
def main() -> None:
    """Flask's patterns, async-first on Quart: run, compare and measure them."""
