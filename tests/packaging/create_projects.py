"""Create projects, import each, and look at all its pages. A program for ``test_features.py``.

Its arguments are a folder and combinations of features, such as ``login,api``. It prints JSON: the
problem of each combination, or an empty text.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from quart import Quart

from quartpatterns.packaging import Project, new_project


def install(project: Project) -> None:
    """Make the project importable, with the metadata of an installed distribution."""
    information = project.folder / f"{project.name}-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project.name}\nVersion: 0.1.0\n"
    )
    sys.path.insert(0, str(project.folder))
    importlib.invalidate_caches()


def check_names(package: ModuleType) -> None:
    """A name in a package that is the name of a module is this module, and nothing else."""
    for found in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{found.name}")
        assert getattr(package, found.name) is module, f"{module.__name__} is also an object"
        assert found.name not in vars(module), f"{module.__name__} contains {found.name}"
        if found.ispkg:
            check_names(module)


async def look(app: Quart, only: str = "") -> None:
    """All pages without variables are complete HTML without text of the skeleton."""
    rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    rules = [rule for rule in rules if only in ("", rule.rule)]
    async with app.test_app():
        if "sqlalchemy" in app.extensions:
            models: Any = importlib.import_module(f"{app.name}.models")
            async with app.app_context():
                await models.db.create_all()
        for rule in rules:
            if rule.arguments - {"lang_code"} or not rule.endpoint:
                continue
            for language in ("en", "de") if "lang_code" in rule.arguments else ("",):
                path = re.sub("<[^>]*lang_code>", language, rule.rule)
                response = await app.test_client().get(path, headers={"Accept": "text/html"})
                body = await response.get_data(as_text=True)
                assert response.status_code in (200, 302), f"{path}: {response.status_code} {body}"
                assert not re.search(r"@\{|# \{%|yourapplication|_\(", body), f"{path}: {body}"
                if response.status_code == 200 and response.mimetype == "text/html":
                    assert '<html lang="' in body, path


def check(project: Project) -> None:
    """Create two applications, and then look at the pages of one, and at the health of both."""
    install(project)
    package: Any = importlib.import_module(project.name)
    check_names(package)
    apps = []
    for number in (1, 2):
        config = {"TESTING": True, "SECRET_KEY": "only for tests", "TASKS_EAGER": True}
        if {"sqlalchemy", "uploads"} & {*project.features}:
            folder = project.folder / f"instance{number}"
            folder.mkdir()
            config["INSTANCE_PATH"] = str(folder)
        apps.append(package.create_app(config))
    asyncio.run(look(apps[0], only="/health"))
    asyncio.run(look(apps[1]))


def main(folder: str, *combinations: str) -> None:
    problems: dict[str, str] = {}
    known: dict[tuple[str, ...], str] = {}
    for number, combination in enumerate(combinations):
        features = [feature for feature in combination.split(",") if feature]
        project = new_project(f"project{number}", Path(folder), features=features)
        # Features that others need are added, so that several combinations are one project.
        if project.features not in known:
            try:
                check(project)
            except Exception:
                known[project.features] = traceback.format_exc()
            else:
                known[project.features] = ""
        problems[combination] = known[project.features]
    json.dump(problems, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
