"""A group of commands, and arguments, whose errors say which name was meant."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from quartpatterns import catalog
from quartpatterns._shared.suggestions import did_you_mean
from quartpatterns.cli.errors import UsageProblem

__all__ = ["PatternName", "SuggestingChoice", "SuggestingGroup"]


class SuggestingGroup(click.Group):
    """A group of commands. The error for an unknown command names those that come closest."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            hint = did_you_mean(name, known, otherwise=f"the commands are {', '.join(known)}")
            raise UsageProblem(f"unknown command {name!r}; {hint}")
        return super().resolve_command(ctx, args)


class SuggestingChoice(click.Choice[str]):
    """One of several names. The error for another one names those that come closest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            hint = did_you_mean(str(value), self.choices, before="; ", otherwise=".")
            raise click.BadParameter(
                error.message.rstrip(".") + hint, error.ctx, error.param, error.param_hint
            ) from None


class PatternName(click.ParamType[str]):
    """The name of a pattern, which shells complete."""

    name = "pattern"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return catalog.get(value).name
        except LookupError as error:
            raise UsageProblem(error.args[0]) from error

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [
            CompletionItem(pattern.name, help=pattern.title)
            for pattern in catalog.PATTERNS
            if pattern.name.startswith(incomplete)
        ]
