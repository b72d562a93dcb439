"""Deploy an application from a wheel to running servers, on many hosts, without interruption.

.. code-block:: python

    from pathlib import Path

    from quartpatterns.deployment import Deployment, read_settings

    deployment = Deployment(read_settings(Path()))
    archive = await deployment.pack()
    await deployment.bootstrap()
    await deployment.deploy(archive, batch=2)

The command ``quartpatterns deploy`` does the same. The settings are in ``deploy.toml``, or in
``[tool.quartpatterns.deploy]`` of ``pyproject.toml``.
"""

from __future__ import annotations

from quartpatterns._shared.extras import requires_extra

with requires_extra("deployment"):
    from quartpatterns.deployment.archives import Archive, newest_archive, pack, read_archive
    from quartpatterns.deployment.bootstrap import units
    from quartpatterns.deployment.configuration import ConfigurationMissingError, load_configuration
    from quartpatterns.deployment.deployment import Deployment, Outcome
    from quartpatterns.deployment.errors import (
        DeploymentError,
        FailedError,
        LockedError,
        PackError,
        SettingsError,
        StepFailedError,
    )
    from quartpatterns.deployment.host_group import Event
    from quartpatterns.deployment.settings import (
        Health,
        Host,
        Settings,
        parse_settings,
        read_settings,
    )
    from quartpatterns.deployment.status import Line, Status, SupervisorStatus

__all__ = [
    "Archive",
    "ConfigurationMissingError",
    "Deployment",
    "DeploymentError",
    "Event",
    "FailedError",
    "Health",
    "Host",
    "Line",
    "LockedError",
    "Outcome",
    "PackError",
    "Settings",
    "SettingsError",
    "Status",
    "StepFailedError",
    "SupervisorStatus",
    "load_configuration",
    "newest_archive",
    "pack",
    "parse_settings",
    "read_archive",
    "read_settings",
    "units",
]
