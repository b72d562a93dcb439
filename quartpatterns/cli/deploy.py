"""``quartpatterns deploy``: from a folder to running servers."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from quartpatterns.cli.errors import UsageProblem
from quartpatterns.deployment import (
    Archive,
    Deployment,
    DeploymentError,
    FailedError,
    Outcome,
    StepFailedError,
    read_archive,
    read_settings,
)
from quartpatterns.deployment.report import Report, failure_text, result_data, status_table

__all__ = ["command"]

F = TypeVar("F", bound=Callable[..., Any])
EPILOG = """
\b
  quartpatterns deploy pack                 wheel, locked wheels, one archive in dist/
  quartpatterns deploy bootstrap web1       prepare a new host
  quartpatterns deploy deploy --batch 2     all hosts, two switch at a time
  quartpatterns deploy rollback             what was served before
  quartpatterns deploy status
  quartpatterns deploy logs web1 --follow
\b
deploy.toml, or [tool.quartpatterns.deploy] in pyproject.toml:
  user = "demo"                             logs in, and runs the application
  folder = "/srv/demo"
  environment = "production.env"            kept apart from the code
  migrate = "alembic upgrade head"          run once, on the first host
  [hosts]
  web1 = "web1.example.org"
\b
A command that failed or was broken off can be run again: it goes on where it was.
Exit code: 0, 1 where a host failed, 2 for a wrong call or wrong settings.
"""
PATH = click.Path(path_type=Path, exists=True)
hosts = click.argument("hosts", nargs=-1, metavar="[HOST|GROUP ...]")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
dry_run = click.option("--dry-run", is_flag=True, help="Print each command, and do nothing.")
parallel = click.option(
    "--parallel",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many hosts are worked on at a time.",
)
batch = click.option("--batch", type=click.IntRange(min=1), help="How many hosts switch at a time.")
config = click.option(
    "-c",
    "--config",
    type=PATH,
    default=".",
    help="The project's folder, or a deploy.toml elsewhere.",
)


@click.group(epilog=EPILOG)
def command() -> None:
    """Bring an application to its hosts, without an interruption of what they serve.

    HOST is a host or a group of the settings; all hosts, where none is named.
    """


@command.command()
@config
@as_json
def pack(config: Path, as_json: bool) -> None:
    """Build the wheel, collect the locked wheels, make one archive of them."""
    deployment = Deployment(read_settings(config))
    with Console(stderr=True).status("packing"):
        archive = asyncio.run(deployment.pack())
    if as_json:
        click.echo(json.dumps({**asdict(archive), "path": str(archive.path)}, indent=2))
    else:
        size = f"{archive.size / 1e6:.1f} MB, for Python {archive.python}"
        click.echo(f"{archive.path}\n{archive.release}: {size}")


@command.command()
@hosts
@config
@parallel
@dry_run
@as_json
def bootstrap(hosts: tuple[str, ...], config: Path, **options: Any) -> None:
    """Prepare hosts: folders, environment, and what keeps the application running."""
    _run("bootstrap", config, hosts, lambda one: one.bootstrap(hosts), **options)


@command.command()
@hosts
@config
@click.option("--archive", "file", type=PATH, help="A release, in place of the last one packed.")
@batch
@parallel
@dry_run
@as_json
def deploy(
    hosts: tuple[str, ...], config: Path, file: Path | None, batch: int | None, **options: Any
) -> None:
    """Have hosts serve the release that was packed last."""
    archive = read_archive(file) if file else None
    _run(
        "deploy",
        config,
        hosts,
        lambda one: one.deploy(archive, hosts, batch=batch),
        archive=archive,
        **options,
    )


@command.command()
@hosts
@config
@click.option("--to", metavar="RELEASE", help="The release, in place of the one before.")
@batch
@parallel
@dry_run
@as_json
def rollback(
    hosts: tuple[str, ...], config: Path, to: str | None, batch: int | None, **options: Any
) -> None:
    """Have hosts serve the release again that they served before."""
    _run("rollback", config, hosts, lambda one: one.rollback(hosts, to=to, batch=batch), **options)


@command.command()
@hosts
@config
@as_json
def status(hosts: tuple[str, ...], config: Path, as_json: bool) -> None:
    """What hosts serve, since when, and who deploys to them at this moment."""
    found = asyncio.run(Deployment(read_settings(config)).status(hosts))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        Console().print(status_table(found))
    sys.exit(1 if any(one.problem for one in found) else 0)


@command.command()
@hosts
@config
@click.option("--service", default="web", show_default=True, help="web, supervisor, or a worker.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=20, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added.")
def logs(hosts: tuple[str, ...], config: Path, service: str, lines: int, follow: bool) -> None:
    """The last lines of a log, without the secrets of the environment."""
    deployment = Deployment(read_settings(config))

    async def show() -> None:
        async for line in deployment.logs(hosts, service=service, lines=lines, follow=follow):
            click.echo(f"{line.host}: {line.text}")

    try:
        asyncio.run(show())
    except StepFailedError as error:
        raise click.ClickException(str(error)) from error


def _run(
    name: str,
    config: Path,
    hosts: tuple[str, ...],
    function: Callable[[Deployment], Awaitable[Outcome]],
    *,
    parallel: int,
    dry_run: bool,
    as_json: bool,
    archive: Archive | None = None,
) -> None:
    settings = read_settings(config)
    if dry_run:
        _print_plan(Deployment(settings).plan(name, hosts, archive), as_json=as_json)
        return
    report = Report([host.name for host in settings.select(hosts)], f"{name} {settings.name}")
    deployment = Deployment(settings, report, parallel)
    outcome, failed = None, None

    async def all_of_it() -> Outcome:
        return await function(deployment)

    try:
        if as_json:
            outcome = asyncio.run(all_of_it())
        else:
            with report.shown(Console()):
                outcome = asyncio.run(all_of_it())
    except FailedError as error:
        failed = error
    except DeploymentError as error:
        raise UsageProblem(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Broken off. What is served goes on; run it again, and it goes on where it was.")
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(result_data(report.events, outcome, failed), indent=2))
    elif failed:
        Console(stderr=True, soft_wrap=True).print(failure_text(failed))
    elif outcome:
        what = f"{outcome.release} on " if outcome.release else ""
        click.echo(f"{what}{len(outcome.hosts)} hosts, {outcome.seconds:.1f} s")
    sys.exit(1 if failed else 0)


def _print_plan(plan: list[tuple[str, str, str]], *, as_json: bool) -> None:
    if as_json:
        keys = ("host", "step", "command")
        click.echo(json.dumps([dict(zip(keys, line, strict=True)) for line in plan], indent=2))
        return
    last = ""
    for host, step, action in plan:
        if host != last:
            click.echo(f"# {host}")
        click.echo(f"{step:11} {action}")
        last = host
