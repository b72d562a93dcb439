"""A small application that tests pack as releases of several versions."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypercorn

import quartpatterns
from quartpatterns.deployment import Archive, Deployment, Event, Settings, parse_settings
from quartpatterns.deployment.archives import write_archive
from tests.deployment.hosts import Host, Hosts

__all__ = ["SECRET", "Project", "answer", "wait_until"]

SECRET = "correct-horse-battery-staple"
APP = """
import os

{top}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({{"type": message["type"] + ".{startup}", "message": "{startup}"}})
            if message["type"] == "lifespan.shutdown":
                return
    server = scope["server"]  # a Unix socket has no port
    public = bool(server and server[1])
    status, body = 200, "{version}"
    if scope["path"] == "/health":
        status = {health}
    if scope["path"] == "/secret":
        body = str(os.environ.get("SECRET_KEY") == "{secret}")
    if scope["path"] == "/log":
        print("the key is", os.environ["SECRET_KEY"])
    headers = [(b"content-length", str(len(body)).encode())]
    await send({{"type": "http.response.start", "status": status, "headers": headers}})
    await send({{"type": "http.response.body", "body": body.encode()}})
"""


@dataclass
class Project:
    """The project *demo*, and hosts to deploy it to.

    Arguments:
        root: The folder of the project.
        pip_wheel: The wheel of pip.
        hosts: The hosts.
        events: The events that were observed.
    """

    root: Path
    pip_wheel: Path
    hosts: Hosts
    events: list[Event] = field(default_factory=list)

    def data(self, **changes: Any) -> dict[str, Any]:
        """Return the settings, as in ``deploy.toml``."""
        (self.root / "production.env").write_text(f"# comment\nSECRET_KEY={SECRET}\n")
        return {
            "name": "demo",
            "user": "demo",
            "identity": str(self.hosts.identity),
            "known-hosts": str(self.hosts.known_hosts),
            "environment": "production.env",
            "graceful": 1,
            "connect-timeout": 10,
            "health": {"timeout": 10},
            "hosts": {host.name: self.host_data(host) for host in self.hosts.all},
            **changes,
        }

    def host_data(self, host: Host) -> dict[str, Any]:
        return {
            "address": "127.0.0.1",
            "port": host.port,
            "folder": str(host.app),
            "bind": f"127.0.0.1:{host.web}",
        }

    def settings(self, **changes: Any) -> Settings:
        return parse_settings(self.data(**changes), root=self.root)

    def deployment(self, **changes: Any) -> Deployment:
        """Return a deployment that records its events."""
        return Deployment(self.settings(**changes), self.events.append)

    async def release(
        self,
        version: str,
        *,
        wheels: Path | None = None,
        requires: str = "",
        files: Mapping[str, str] | None = None,
        **source: str,
    ) -> Archive:
        """Pack a version of the project.

        Installing Hypercorn takes seconds, so by default the release uses the packages of this
        environment.

        Arguments:
            version: The version.
            wheels: A folder with all wheels that the release needs.
            requires: A requirement of the project.
            files: The files of the project, instead of those of the small application.
            source: The values in the source of the application.
        """
        return await asyncio.to_thread(self._release, version, wheels, requires, files, source)

    def _release(
        self,
        version: str,
        wheels: Path | None,
        requires: str,
        files: Mapping[str, str] | None,
        source: Mapping[str, str],
    ) -> Archive:
        scratch = self.root / "scratch" / version
        if wheels:
            shutil.copytree(wheels, scratch / "wheels")
        (scratch / "wheels").mkdir(parents=True, exist_ok=True)
        (scratch / "tools").mkdir()
        shutil.copy(self.pip_wheel, scratch / "tools")
        values = {"top": "", "health": "200", "startup": "complete", "secret": SECRET}
        values |= {"version": version, **source}
        files = {**(files or {"demo/__init__.py": "", "demo/asgi.py": APP.format(**values)})}
        if not wheels:
            packages = [
                Path(module.__file__ or "").parents[1] for module in (hypercorn, quartpatterns)
            ]
            files["environment.pth"] = "\n".join(map(str, packages))
        name = write_wheel(scratch / "wheels", version, files, requires)
        settings = self.settings()
        return write_archive(settings, scratch, name, settings.hosts[0].python, self.root / "dist")

    def steps(self, host: str = "web0") -> list[str]:
        """Return the steps that succeeded on *host*."""
        states = {"done", "skipped"}
        return [one.step for one in self.events if one.host == host and one.state in states]


def write_wheel(folder: Path, version: str, files: Mapping[str, str], requires: str) -> str:
    """Write a wheel of the application without a build tool, and return its name."""
    info = f"demo-{version}.dist-info"
    requirement = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: demo\nVersion: {version}\n{requirement}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}"
        for name, text in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    name = f"demo-{version}-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(zipfile.ZipInfo(path), text)
    return name


async def wait_until(
    condition: Callable[[], bool], deploying: asyncio.Task[Any] | None = None
) -> None:
    """Wait until *condition* is true. Fail if the deployment ends before.

    Only the timeout of the test limits the time, as a loaded machine can be very slow.
    """
    while not condition():
        if deploying and deploying.done():
            raise AssertionError(f"the deployment ended with {deploying.result()}")
        await asyncio.sleep(0.02)


async def answer(host: Host, path: str = "/") -> str | None:
    """Return the response of the application on *host*, or None if its status is not 200."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", host.web)
    except OSError:
        return None
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    except OSError:
        return None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return body if " 200 " in head.partition("\r\n")[0] else None
