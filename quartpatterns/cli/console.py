"""The console of rich that commands print their tables with."""

from __future__ import annotations

from rich.console import Console

from quartpatterns.cli.ending import PipeClosed

__all__ = ["OutputConsole"]


class OutputConsole(Console):
    """A console that ends the command as others end if nobody reads its output."""

    def on_broken_pipe(self) -> None:
        raise PipeClosed
