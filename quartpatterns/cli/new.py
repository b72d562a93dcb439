"""``quartpatterns new``: create a new application."""

from __future__ import annotations

import json
from pathlib import Path

import click

from quartpatterns._shared.installed_from import is_available
from quartpatterns.cli.groups import SuggestingChoice
from quartpatterns.cli.progress import progress
from quartpatterns.packaging import FEATURES, REQUIRED, SERVERS, Project, new_project

__all__ = ["command"]


def _described(feature: str) -> str:
    needed = f"; needs {', '.join(REQUIRED[feature])}" if feature in REQUIRED else ""
    return f"  {feature:12} {FEATURES[feature]}{needed}"


EPILOG = f"""
\b
  quartpatterns new shop                           pages, static files, error pages, tests
  quartpatterns new shop --with sqlalchemy,tasks   also a database and background tasks
  quartpatterns new shop --with login              also users, and what login needs
  quartpatterns new shop --server granian          instead of Hypercorn
  quartpatterns new shop --in ~/projects           in another folder
\b
Features for --with:
{chr(10).join(_described(name) for name in FEATURES)}
Features that another one needs are added, and the output says so.
\b
The new folder contains:
  shop/pyproject.toml      dependencies, build and tools
  shop/shop/               the package: factory, blueprints, templates, static files
  shop/shop/asgi.py        the application for servers, shop.asgi:app
  shop/hypercorn.toml      the configuration of the server; the options of Uvicorn and Granian
                           are in shop/shop/__main__.py
  shop/tests/              tests, which pass
  shop/README.md           how to test and run the application
\b
The folder is created completely or not at all. Existing files are never overwritten.
Exit code: 0 for success, 2 if the folder cannot be created.
"""


def _features(
    ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    names = [name.strip() for value in values for name in value.split(",")]
    return tuple(dict.fromkeys(filter(None, names)))


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option(
    "--with",
    "features",
    metavar="NAME,...",
    multiple=True,
    callback=_features,
    help=f"Features to add: {', '.join(FEATURES)}. Can be repeated.",
)
@click.option(
    "--server",
    type=SuggestingChoice(SERVERS),
    default="hypercorn",
    show_default=True,
    help="The server of the application.",
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
def command(name: str, features: tuple[str, ...], server: str, parent: Path, as_json: bool) -> None:
    """Create the folder NAME with an application: a package with tests, ready to run.

    NAME is also the name of the package to import.
    """
    with progress(f"creating {name}"):
        project = new_project(name, parent, features=features, server=server)
    click.echo(json.dumps(_as_data(project), indent=2) if as_json else _as_text(project))


def _as_data(project: Project) -> dict[str, object]:
    return {
        "name": project.name,
        "folder": str(project.folder),
        "with": project.features,
        "added": project.added,
        "server": project.server,
        "files": project.files,
        "quartpatterns": project.source,
        "next": project.commands,
    }


def _as_text(project: Project) -> str:
    features = f" with {', '.join(project.features)}" if project.features else ""
    created = f"Created {project.folder}{features}: {len(project.files)} files."
    added = [
        f"Added {feature}: {' and '.join(needed_by)} cannot do without it."
        for feature, needed_by in project.added.items()
    ]
    source = [f"quartpatterns is installed from {project.source}."] if project.source else []
    if project.source and not is_available(project.source):
        source = [f"{source[0]} It is not there any more, so the commands use this environment."]
    commands = [f"  {command}" for command in project.commands]
    return "\n".join([created, *added, *source, "Next commands:", "", *commands, ""])
