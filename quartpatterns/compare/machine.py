"""What numbers depend on: versions and the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

import psutil

from quartpatterns.compare.load import wrk_version

__all__ = ["machine", "versions"]

PACKAGES = (
    "quartpatterns",
    "quart",
    "flask",
    "werkzeug",
    "jinja2",
    "hypercorn",
    "h11",
    "uvicorn",
    "httptools",
    "granian",
    "gunicorn",
    "gevent",
    "uvloop",
    "psutil",
)


def versions() -> dict[str, str]:
    """The version of Python, of wrk, and of each package that is installed."""
    found = {"python": f"{platform.python_version()} ({platform.python_implementation()})"}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found | ({"wrk": version} if (version := wrk_version()) else {})


def machine() -> dict[str, Any]:
    """The processor, its cores, the memory in bytes, and the kernel."""
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "system": platform.platform(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
    }


def _cpu() -> str:
    """The name of the processor; the standard library gives it on few systems."""
    file = Path("/proc/cpuinfo")
    if file.exists() and (match := re.search(r"(?m)^model name\s*:\s*(.+)$", file.read_text())):
        return match[1]
    return platform.processor() or os.uname().machine
