"""What users of the packaging helpers get. This file is only type-checked, never run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, assert_type

from quart import Quart

from quartpatterns.packaging import (
    FEATURES,
    MissingResource,
    MissingResourcesError,
    Project,
    check_resources,
    dev_version,
    new_project,
    require_resources,
)


def resources(app: Quart) -> None:
    missing = check_resources("dist/shop.whl", source=Path("shop"), ignore=["security/*"])
    assert_type(missing, list[MissingResource])
    assert_type(missing[0].kind, Literal["template", "static", "data"])
    require_resources(app)


def error(raised: MissingResourcesError) -> None:
    assert_type(raised.missing, tuple[MissingResource, ...])


def project() -> None:
    assert_type(FEATURES, dict[str, str])
    created = new_project("shop", features=["tasks"])
    assert_type(created, Project)
    assert_type(created.commands, tuple[str, ...])


def version() -> None:
    assert_type(dev_version("1.0"), str)
