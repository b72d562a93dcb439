"""What users of the deployment get. This file is only type-checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import assert_type

from quart import Quart

from quartpatterns.deployment import (
    Archive,
    Deployment,
    Event,
    FailedError,
    Host,
    Line,
    Outcome,
    Settings,
    Status,
    StepFailedError,
    SupervisorStatus,
    load_configuration,
    newest_archive,
    pack,
    parse_settings,
    read_archive,
    read_settings,
    units,
)


def settings() -> None:
    read = read_settings(Path())
    assert_type(read, Settings)
    assert_type(parse_settings({}, root=Path()), Settings)
    assert_type(read.select(), tuple[Host, ...])
    assert_type(units(read, read.hosts[0], "/usr/bin/python3"), dict[str, str])
    assert_type(newest_archive(read), Archive)
    assert_type(read_archive(Path("x.release.tar")), Archive)


async def commands(project: Settings) -> None:
    def observe(event: Event) -> None:
        assert_type(event.seconds, float)

    deployment = Deployment(project, observe, parallel=2)
    assert_type(await pack(project), Archive)
    assert_type(await deployment.pack(), Archive)
    assert_type(await deployment.bootstrap(["web1"]), Outcome)
    assert_type(await deployment.deploy(batch=1), Outcome)
    assert_type(await deployment.rollback(to="1.0-0123abcd"), Outcome)
    assert_type(deployment.plan("deploy"), list[tuple[str, str, str]])
    assert_type(deployment.logs(), AsyncIterator[Line])
    async for line in deployment.logs(service="supervisor"):
        assert_type(line.text, str)


async def status(deployment: Deployment) -> None:
    (host,) = await deployment.status()
    assert_type(host, Status)
    assert_type(host.running, SupervisorStatus | None)
    if host.running:
        assert_type(host.running["release"], str | None)
        assert_type(host.running["processes"], dict[str, int])


def errors(error: FailedError) -> None:
    assert_type(error.failures, tuple[StepFailedError, ...])
    assert_type(error.failures[0].problem, str)


def configuration(app: Quart) -> None:
    load_configuration(app, "shop.default_config", "SHOP_CONFIG")
