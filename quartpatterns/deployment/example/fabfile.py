# mypy: ignore-errors
# pyright: basic
"""The fabfile of Flask's page, for the current version of Fabric.

It has the same steps as the page: it changes one environment in place, and touches a file so that
the server reloads.

    fab pack
    fab -H server1.example.com,server2.example.com bootstrap
    fab -H server1.example.com,server2.example.com deploy
"""

import os
from pathlib import Path

from fabric import task

ROOT = Path(os.environ.get("FAB_ROOT", "."))
FOLDER = os.environ.get("FAB_FOLDER", "/var/www/yourapplication")
WSGI = os.environ.get("FAB_WSGI", f"{FOLDER}.wsgi")
PYTHON = os.environ.get("FAB_PYTHON", "python3")


@task
def pack(c):
    # build a new source distribution as a tarball
    c.local(f"cd {ROOT} && python -m build --sdist --no-isolation .")


@task
def bootstrap(c):
    c.run(f"mkdir -p {FOLDER}")
    c.run(f"{PYTHON} -m venv {FOLDER}/env")
    for name in ("yourapplication.wsgi", "application.cfg"):
        if (ROOT / name).exists():
            c.put(str(ROOT / name), f"{os.path.dirname(WSGI)}/{name}")


@task
def deploy(c):
    # figure out the release name and version
    dist = max((ROOT / "dist").glob("*.tar.gz"), key=os.path.getmtime)
    # upload the source tarball to the temporary folder on the server
    target = f"/tmp/{dist.name}"
    c.put(str(dist), target)
    # now install the package in the application's environment
    c.run(f"{FOLDER}/env/bin/pip install --quiet --disable-pip-version-check {target}")
    c.run(f"rm {target}")
    # and finally touch the .wsgi file so that mod_wsgi triggers a reload of the application
    c.run(f"touch {WSGI}")
