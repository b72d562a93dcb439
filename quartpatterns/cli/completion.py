"""``quartpatterns completion``: print the completion script for a shell."""

from __future__ import annotations

import re

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
)

from quartpatterns.cli import COMPLETION
from quartpatterns.cli.groups import SuggestingChoice

__all__ = ["command"]

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "quartpatterns"
EPILOG = """
\b
  eval "$(quartpatterns completion bash)"             in ~/.bashrc
  eval "$(quartpatterns completion zsh)"              in ~/.zshrc, below compinit
  quartpatterns completion fish > ~/.config/fish/completions/quartpatterns.fish
\b
The shell then completes commands, options, and the names of patterns, cases, servers and features.
Bash must be version 4.4 or newer.
Exit code: 0; 2 for a usage error.
"""


class _QuotingBash(BashComplete):
    """Bash inserts a completion as it is, so that spaces in the name of a case need a backslash.

    The script reads it with ``read``, which removes one of two backslashes.
    """

    def format_completion(self, item: CompletionItem) -> str:
        value = re.sub(r"([^\w@%+=:,./-])", r"\\\\\1", str(item.value))
        return f"{item.type},{value}"


add_completion_class(_QuotingBash)


@click.command(epilog=EPILOG)
@click.argument("shell", metavar="SHELL", type=SuggestingChoice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL: bash, zsh or fish."""
    root = ctx.find_root()
    completion_class = get_completion_class(shell)
    assert completion_class is not None
    click.echo(completion_class(root.command, {}, PROGRAM, COMPLETION).source())
