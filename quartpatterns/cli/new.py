"""``quartpatterns new``: create a new application."""

from __future__ import annotations

import json
from pathlib import Path

import click

from quartpatterns.packaging import FEATURES, Project, new_project

__all__ = ["command"]

EPILOG = f"""
\b
  quartpatterns new shop                           pages, static files, error pages, tests
  quartpatterns new shop --with sqlalchemy,tasks   also a database and background tasks
  quartpatterns new shop --in ~/projects           in another folder
\b
Features for --with:
{chr(10).join(f"  {name:12} {description}" for name, description in FEATURES.items())}
\b
The new folder contains:
  shop/pyproject.toml      dependencies, build and tools
  shop/shop/               the package: factory, blueprints, templates, static files
  shop/shop/asgi.py        the application for servers, shop.asgi:app
  shop/hypercorn.toml      the configuration of the server
  shop/tests/              tests, which pass
  shop/README.md           how to test and run the application
\b
The folder is created completely or not at all. Existing files are never overwritten.
Exit code: 0 for success, 2 if the folder cannot be created.
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
    help=f"Features to add: {', '.join(FEATURES)}.",
)
@click.option(
    "--in",
    "parent",
    metavar="FOLDER",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Parent of the new folder.  [default: current folder]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, features: tuple[str, ...], parent: Path, as_json: bool) -> None:
    """Create the folder NAME with an application: a package with tests, ready to run.

    NAME is also the name of the package to import.
    """
    project = new_project(name, parent, features=features)
    click.echo(json.dumps(_as_data(project), indent=2) if as_json else _as_text(project))


def _as_data(project: Project) -> dict[str, object]:
    return {
        "name": project.name,
        "folder": str(project.folder),
        "with": project.features,
        "files": project.files,
        "next": project.commands,
    }


def _as_text(project: Project) -> str:
    features = f" with {', '.join(project.features)}" if project.features else ""
    commands = "\n".join(f"  {command}" for command in project.commands)
    files = f"{len(project.files)} files"
    return f"Created {project.folder}{features}: {files}. Next commands:\n\n{commands}\n"
