"""A group of commands that says which command was meant."""

from __future__ import annotations

import difflib

import click

from quartpatterns.cli.errors import UsageProblem

__all__ = ["SuggestingGroup"]


class SuggestingGroup(click.Group):
    """A group of commands. The error for an unknown command names those that come closest."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            close = difflib.get_close_matches(name, known, n=2)
            if close:
                raise UsageProblem(f"unknown command {name!r}; did you mean {' or '.join(close)}?")
            raise UsageProblem(f"unknown command {name!r}; the commands are {', '.join(known)}")
        return super().resolve_command(ctx, args)
