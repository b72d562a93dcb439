# mypy: ignore-errors
# pyright: basic
"""The fabfile of Flask's page, for the current version of Fabric.

It has the same steps as the page: it changes one environment in place, and touches a file so that
the server reloads.

    fab -H newserver.example.com bootstrap
    fab pack deploy
"""

import os
from pathlib import Path

from fabric import task
from invoke import run as local

ROOT = Path(os.environ.get("FAB_ROOT", "."))
FOLDER = os.environ.get("FAB_FOLDER", "/var/www/yourapplication")
WSGI = f"{FOLDER}.wsgi"
PYTHON = os.environ.get("FAB_PYTHON", "python3")
# the user to use for the remote commands, and the servers where the commands are executed
HOSTS = os.environ.get(
    "FAB_HOSTS", "appuser@server1.example.com,appuser@server2.example.com"
).split(",")


@task
def pack(c):
    # build the package
    local(f"cd {ROOT} && python -m build --sdist --no-isolation .")


@task(hosts=HOSTS)
def deploy(c):
    # figure out the package name and version
    dist = max((ROOT / "dist").glob("*.tar.gz"), key=os.path.getmtime)

    # upload the package to the temporary folder on the server
    target = f"/tmp/{dist.name}"
    c.put(str(dist), target)

    # install the package in the application's virtualenv with pip
    c.run(f"{FOLDER}/env/bin/pip install --quiet --disable-pip-version-check {target}")

    # remove the uploaded package
    c.run(f"rm -r {target}")

    # touch the .wsgi file to trigger a reload in mod_wsgi
    c.run(f"touch {WSGI}")


@task(hosts=HOSTS)
def bootstrap(c):
    # create the directory structure
    c.run(f"mkdir -p {FOLDER}")
    c.run(f"{PYTHON} -m venv {FOLDER}/env")

    # upload the .wsgi file, and the configuration file of this server
    c.put(str(ROOT / "yourapplication.wsgi"), WSGI)
    c.put(str(ROOT / "application.cfg"), f"{FOLDER}/application.cfg")
