"""From a wheel to running servers, many at once, without an interruption.

.. code-block:: python

    from pathlib import Path

    from quartpatterns.deployment import Deployment, read_settings

    deployment = Deployment(read_settings(Path()))
    archive = await deployment.pack()
    await deployment.bootstrap()
    await deployment.deploy(archive, batch=2)

``quartpatterns deploy pack`` and its siblings are the same as a command. ``deploy.toml``, or
``[tool.quartpatterns.deploy]`` in ``pyproject.toml``, says what is deployed and where to.
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("asyncssh") is None:
    raise ModuleNotFoundError(
        "quartpatterns.deployment needs asyncssh: pip install 'quartpatterns[deployment]'",
        name="asyncssh",
    )

from quartpatterns.deployment.archives import Archive, newest_archive, pack, read_archive
from quartpatterns.deployment.configuration import ConfigurationMissingError, load_configuration
from quartpatterns.deployment.deployment import Deployment
from quartpatterns.deployment.errors import (
    DeploymentError,
    FailedError,
    LockedError,
    PackError,
    SettingsError,
    StepFailedError,
)
from quartpatterns.deployment.events import Event, Outcome
from quartpatterns.deployment.inspection import Line, Status
from quartpatterns.deployment.reading import parse_settings, read_settings
from quartpatterns.deployment.settings import Health, Host, Settings
from quartpatterns.deployment.units import units

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
    "load_configuration",
    "newest_archive",
    "pack",
    "parse_settings",
    "read_archive",
    "read_settings",
    "units",
]
