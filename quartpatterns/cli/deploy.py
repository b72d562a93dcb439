"""``quartpatterns deploy``: deploy an application to its hosts."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from quartpatterns.cli.console import OutputConsole
from quartpatterns.cli.ending import Interrupted
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.cli.groups import SuggestingGroup
from quartpatterns.cli.progress import progress
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
from quartpatterns.deployment.report import (
    UNLIMITED,
    Report,
    failure_text,
    print_statuses,
    result_data,
)

__all__ = ["command"]

EPILOG = """
\b
  quartpatterns deploy pack                 build the archive of a release in dist/
  quartpatterns deploy bootstrap web1       prepare a new host
  quartpatterns deploy deploy --batch 2     deploy to all hosts, two switch at a time
  quartpatterns deploy rollback             serve the previous release again
  quartpatterns deploy status
  quartpatterns deploy logs web1 --follow
\b
The settings are in deploy.toml, or in [tool.quartpatterns.deploy] of pyproject.toml:
  user = "demo"                             logs in and runs the application
  folder = "/srv/demo"
  environment = "production.env"            environment variables, not in the release
  migrate = "alembic upgrade head"          runs once for each database
  [hosts]
  web1 = "web1.example.org"
\b
If a command fails or is interrupted, run it again. It continues where it stopped.
Exit code: 0 for success, 1 if a host failed, 2 for invalid arguments or settings, 130 after Ctrl-C.
"""
EXIT_CODES = (
    "Exit code: 0 for success, 1 if a host failed, 2 for invalid arguments, 130 after Ctrl-C."
)


def _examples(*lines: str) -> str:
    """Return the end of a help text with *lines*, and the exit codes."""
    return "\n".join(
        ["\b", *(f"  quartpatterns deploy {line}" for line in lines), "\b", EXIT_CODES]
    )


PATH = click.Path(path_type=Path, exists=True)
hosts = click.argument("hosts", nargs=-1, metavar="[HOST|GROUP ...]")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
dry_run = click.option("--dry-run", is_flag=True, help="Print the commands without running them.")
parallel = click.option(
    "--parallel",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Number of hosts to work on at the same time.",
)
batch = click.option(
    "--batch",
    type=click.IntRange(min=1),
    help="Number of hosts that switch at the same time.  [default: --parallel]",
)
config = click.option(
    "-c",
    "--config",
    type=PATH,
    default=".",
    help="Folder of the project, or path of a deploy.toml.  [default: current folder]",
)


@click.group(cls=SuggestingGroup, epilog=EPILOG)
def command() -> None:
    """Deploy an application to its hosts without interrupting their service.

    HOST is the name of a host or group in the settings. Without names, a command works on all
    hosts.
    """


@command.command(
    epilog=_examples(
        "pack                  in the folder with deploy.toml",
        "pack --json           for programs: path, size, release",
    )
)
@config
@as_json
def pack(config: Path, as_json: bool) -> None:
    """Build an archive: the wheel of the project and all wheels that it needs."""
    deployment = Deployment(read_settings(config))
    with progress("packing"):
        archive = asyncio.run(deployment.pack())
    if as_json:
        click.echo(json.dumps({**asdict(archive), "path": str(archive.path)}, indent=2))
    else:
        size = f"{archive.size / 1e6:.1f} MB, for Python {archive.python}"
        click.echo(f"{archive.path}\n{archive.release}: {size}")


@command.command(
    epilog=_examples(
        "bootstrap web1        prepare one host",
        "bootstrap --dry-run   print the commands only",
    )
)
@hosts
@config
@parallel
@dry_run
@as_json
def bootstrap(hosts: tuple[str, ...], config: Path, **options: Any) -> None:
    """Prepare hosts: folders, environment and supervisor."""
    _run("bootstrap", config, hosts, lambda deployment: deployment.bootstrap(hosts), **options)


@command.command(
    epilog=_examples(
        "deploy                all hosts",
        "deploy web --batch 2  the group web, two hosts switch at a time",
    )
)
@hosts
@config
@click.option("--archive", "file", type=PATH, help="Release to deploy.  [default: the newest]")
@batch
@parallel
@dry_run
@as_json
def deploy(
    hosts: tuple[str, ...], config: Path, file: Path | None, batch: int | None, **options: Any
) -> None:
    """Deploy the release that was packed last."""
    archive = read_archive(file) if file else None

    def run(deployment: Deployment) -> Awaitable[Outcome]:
        return deployment.deploy(archive, hosts, batch=batch)

    _run("deploy", config, hosts, run, archive=archive, **options)


@command.command(
    epilog=_examples(
        "rollback                      the previous release",
        "rollback web1 --to RELEASE    one host, a certain release",
    )
)
@hosts
@config
@click.option("--to", metavar="RELEASE", help="Release to serve.  [default: the previous one]")
@batch
@parallel
@dry_run
@as_json
def rollback(
    hosts: tuple[str, ...], config: Path, to: str | None, batch: int | None, **options: Any
) -> None:
    """Serve the previous release again."""

    def run(deployment: Deployment) -> Awaitable[Outcome]:
        return deployment.rollback(hosts, to=to, batch=batch)

    _run("rollback", config, hosts, run, **options)


@command.command(
    epilog=_examples(
        "status                all hosts",
        "status web --json     for programs",
    )
)
@hosts
@config
@as_json
def status(hosts: tuple[str, ...], config: Path, as_json: bool) -> None:
    """Show which release each host serves, since when, and who deploys to it now."""
    deployment = Deployment(read_settings(config))
    with progress("asking the hosts"):
        statuses = asyncio.run(deployment.status(hosts))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in statuses], indent=2))
    else:
        print_statuses(statuses, _console())
    sys.exit(1 if any(one.problem for one in statuses) else 0)


@command.command(
    epilog=_examples(
        "logs web1 --follow            as lines are written",
        "logs --service worker -n 100  of the worker, from all hosts",
    )
)
@hosts
@config
@click.option(
    "--service",
    default="web",
    show_default=True,
    help="Log to show: web, supervisor, or the name of a worker.",
)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Number of lines from each host.",
)
@click.option("-f", "--follow", is_flag=True, help="Also show new lines as they are written.")
def logs(hosts: tuple[str, ...], config: Path, service: str, lines: int, follow: bool) -> None:
    """Show the last lines of a log, without the secrets in the environment."""
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
    """Run a command of a deployment, print its result, and exit."""
    settings = read_settings(config)
    if dry_run:
        _print_plan(Deployment(settings).plan(name, hosts, archive), as_json=as_json)
        return
    report = Report([host.name for host in settings.select(hosts)], f"{name} {settings.name}")
    deployment = Deployment(settings, report, parallel)
    outcome, failure = None, None

    async def main() -> Outcome:
        return await function(deployment)

    try:
        if as_json:
            with progress(report.title):
                outcome = asyncio.run(main())
        else:
            with report.shown(_console()):
                outcome = asyncio.run(main())
    except FailedError as error:
        failure = error
    except DeploymentError as error:
        raise UsageProblem(str(error)) from error
    except KeyboardInterrupt as error:
        raise Interrupted(
            "interrupted; the hosts still serve. Run the same command again to continue."
        ) from error
    if as_json:
        click.echo(json.dumps(result_data(report.events, outcome, failure), indent=2))
    elif failure:
        Console(stderr=True, soft_wrap=True).print(failure_text(failure))
    elif outcome:
        release = f"{outcome.release} on " if outcome.release else ""
        click.echo(f"{release}{len(outcome.hosts)} hosts, {outcome.seconds:.1f} s")
    sys.exit(1 if failure else 0)


def _console() -> Console:
    console = OutputConsole()
    return console if console.is_terminal else OutputConsole(width=UNLIMITED)


def _print_plan(plan: list[tuple[str, str, str]], *, as_json: bool) -> None:
    if as_json:
        keys = ("host", "step", "command")
        click.echo(json.dumps([dict(zip(keys, line, strict=True)) for line in plan], indent=2))
        return
    previous = ""
    for host, step, action in plan:
        if host != previous:
            click.echo(f"# {host}")
        click.echo(f"{step:11} {action}")
        previous = host
