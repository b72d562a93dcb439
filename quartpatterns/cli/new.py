"""``quartpatterns new``: a new application, ready to be changed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from quartpatterns.packaging import FEATURES, Project, new_project

__all__ = ["command"]

EPILOG = f"""
\b
  quartpatterns new shop                           pages, static files, error pages, tests
  quartpatterns new shop --with sqlalchemy,tasks   and what these bring
  quartpatterns new shop --in ~/projects           elsewhere
\b
What --with can add:
{chr(10).join(f"  {name:12} {what}" for name, what in FEATURES.items())}
\b
What is made is one folder:
  shop/pyproject.toml      what it needs, how it is built, its tools
  shop/shop/               the package: a factory, blueprints, templates, static files
  shop/shop/asgi.py        what a server serves: shop.asgi:app
  shop/hypercorn.toml      how it is served
  shop/tests/              its tests, which pass
  shop/README.md           its two commands
\b
The folder is made as a whole or not at all, and nothing that exists is overwritten.
Exit code: 0 when it is made, 2 where it can't be.
"""


def _features(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in value.split(","))))


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option(
    "--with",
    "features",
    metavar="NAME,...",
    default="",
    callback=_features,
    help=f"Add some of {', '.join(FEATURES)}.",
)
@click.option(
    "--in",
    "parent",
    metavar="FOLDER",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Make it in this folder, not in the current one.",
)
@click.option("--json", "as_json", is_flag=True, help="Tell programs what was made.")
def command(name: str, features: tuple[str, ...], parent: Path, as_json: bool) -> None:
    """Make the folder NAME with an application in it: a package with its tests, ready to run.

    NAME is what the package is called in an import.
    """
    made = new_project(name, parent, features=features)
    click.echo(json.dumps(_as_data(made), indent=2) if as_json else _as_text(made))


def _as_data(made: Project) -> dict[str, object]:
    return {
        "name": made.name,
        "folder": str(made.folder),
        "with": made.features,
        "files": made.files,
        "next": made.commands,
    }


def _as_text(made: Project) -> str:
    added = f" with {', '.join(made.features)}" if made.features else ""
    steps = "\n".join(f"  {command}" for command in made.commands)
    return f"Made {made.folder}{added}: {len(made.files)} files. Next:\n\n{steps}\n"
