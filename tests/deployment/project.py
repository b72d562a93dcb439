"""A small application, packed as a release, in as many versions as a test needs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quartpatterns.deployment import Archive, Deployment, Event, Settings, archives, parse_settings
from tests.deployment.hosts import Host, Hosts

__all__ = ["SECRET", "Project", "answer"]

SECRET = "correct-horse-battery-staple"
APP = """
import os

{top}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({{"type": message["type"] + ".complete"}})
            if message["type"] == "lifespan.shutdown":
                return
    server = scope["server"]  # of a unix socket: no port, or nothing
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
    """The project *demo* on this machine, with hosts to deploy it to.

    Arguments:
        root: Its folder.
        wheels: A folder with the wheels that it needs, and with pip.
        hosts: The hosts.
        events: What was observed.
    """

    root: Path
    wheels: Path
    hosts: Hosts
    events: list[Event] = field(default_factory=list)

    def data(self, **changes: Any) -> dict[str, Any]:
        """The settings, as TOML has them."""
        (self.root / "production.env").write_text(f"# ours\nSECRET_KEY={SECRET}\n")
        return {
            "name": "demo",
            "user": "demo",
            "identity": str(self.hosts.identity),
            "known-hosts": str(self.hosts.known_hosts),
            "environment": "production.env",
            "graceful": 5,
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
        """A deployment of it that notes its events."""
        return Deployment(self.settings(**changes), self.events.append)

    async def release(self, version: str, **source: str) -> Archive:
        """Its version *version*, packed."""
        return await asyncio.to_thread(self._release, version, source)

    def _release(self, version: str, source: Mapping[str, str]) -> Archive:
        scratch = self.root / "scratch" / version
        shutil.copytree(self.wheels, scratch)
        values = {"top": "", "health": "200", "secret": SECRET, "version": version, **source}
        requires = values.pop("requires", "hypercorn")
        own = write_wheel(scratch / "wheels", version, APP.format(**values), requires)
        settings = self.settings()
        return archives._write(settings, scratch, own, settings.hosts[0].python, self.root / "dist")

    def steps(self, host: str = "web0") -> list[str]:
        """The steps that ended well on *host*."""
        states = {"done", "was done"}
        return [one.step for one in self.events if one.host == host and one.state in states]


def write_wheel(folder: Path, version: str, app: str, requires: str) -> str:
    """A wheel of the application, made by hand: its name."""
    info = f"demo-{version}.dist-info"
    files = {
        "demo/__init__.py": "",
        "demo/asgi.py": app,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: demo\nVersion: {version}\n"
        f"Requires-Dist: {requires}\n",
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


async def answer(host: Host, path: str = "/") -> str | None:
    """What the application on *host* answers, with a status of 200; else ``None``."""
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
