"""The machine of a benchmark, and the versions of what it measures."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from quartpatterns.compare.wrk import wrk_version

PACKAGES = (
    "quartpatterns quart flask werkzeug jinja2 hypercorn h11 uvicorn httptools granian gunicorn"
    " gevent uvloop psutil"
).split()


def start_measurement() -> Callable[[], dict[str, Any]]:
    """Note the time and the load average.

    Call the result at the end: it returns the fields of
    :class:`~quartpatterns.compare.bench_results.Measurement` but the settings. It runs ``wrk -v``,
    and so belongs into a thread.
    """
    started, start, load = datetime.now(UTC), time.monotonic(), os.getloadavg()[0]

    def end() -> dict[str, Any]:
        return {
            "started": started.isoformat(timespec="seconds"),
            "seconds": time.monotonic() - start,
            "load_before": load,
            "machine": machine(),
            "versions": versions(),
        }

    return end


def versions() -> dict[str, str]:
    """Return the versions of Python, of wrk, and of each installed package in :data:`PACKAGES`."""
    found = {"python": f"{platform.python_version()} ({platform.python_implementation()})"}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found | ({"wrk": version} if (version := wrk_version()) else {})


def machine() -> dict[str, Any]:
    """Return the processor, its cores, the memory in bytes, and the kernel."""
    return {
        "cpu": _processor(),
        "cores": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "system": platform.platform(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
    }


def _processor() -> str:
    """Return the name of the processor; on Linux the standard library does not have it."""
    file = Path("/proc/cpuinfo")
    if file.exists() and (match := re.search(r"(?m)^model name\s*:\s*(.+)$", file.read_text())):
        return match[1]
    return platform.processor() or os.uname().machine
