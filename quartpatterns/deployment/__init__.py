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

from quartpatterns.deployment.archives import Archive
from quartpatterns.deployment.archives import newest_archive
from quartpatterns.deployment.archives import pack
from quartpatterns.deployment.archives import read_archive
from quartpatterns.deployment.configuration import ConfigurationMissingError
from quartpatterns.deployment.configuration import load_configuration
from quartpatterns.deployment.deployment import Deployment
from quartpatterns.deployment.errors import DeploymentError
from quartpatterns.deployment.errors import FailedError
from quartpatterns.deployment.errors import LockedError
from quartpatterns.deployment.errors import PackError
from quartpatterns.deployment.errors import SettingsError
from quartpatterns.deployment.errors import StepFailedError
from quartpatterns.deployment.events import Event
from quartpatterns.deployment.events import Outcome
from quartpatterns.deployment.inspection import Line
from quartpatterns.deployment.inspection import Status
from quartpatterns.deployment.reading import parse_settings
from quartpatterns.deployment.reading import read_settings
from quartpatterns.deployment.settings import Health
from quartpatterns.deployment.settings import Host
from quartpatterns.deployment.settings import Settings
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
