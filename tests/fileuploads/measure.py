"""Measure a large upload: seconds, memory of the worker, and latency of other requests.

``python -m tests.fileuploads.measure --mib 1024`` prints the numbers of original and port.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from quartpatterns.compare.servers import Server, serve

__all__ = ["Measured", "measure", "send"]

MIB = 1024 * 1024
BOUNDARY = b"----boundary0123456789"
HEAD = (
    b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
)
TAIL = b"\r\n--" + BOUNDARY + b"--\r\n"
PAUSE = 0.005  # seconds between two small requests
SIDES: dict[str, tuple[str, Server]] = {
    "original": ("quartpatterns.fileuploads.example.original:create_app", "gunicorn-gthread"),
    "port": ("quartpatterns.fileuploads.example.port:create_app", "hypercorn"),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """The cost of one upload.

    Arguments:
        mib: The size in MiB.
        seconds: From the first byte to the response.
        cpu: CPU seconds of the worker.
        growth: The peak memory of the worker minus its memory before, in bytes.
        p99: The 99th percentile of the latency of small requests meanwhile, in seconds.
        worst: The highest of these latencies.
    """

    mib: int
    seconds: float
    cpu: float
    growth: int
    p99: float
    worst: float

    @property
    def rate(self) -> float:
        """MiB per second."""
        return self.mib / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.mib} MiB in {self.seconds:.2f} s: {self.rate:.0f} MiB/s, CPU {self.cpu:.2f} s,"
            f" memory +{self.growth / MIB:.1f} MiB,"
            f" other requests: p99 {self.p99 * 1000:.1f} ms, worst {self.worst * 1000:.1f} ms"
        )


def measure(side: str, mib: int, folder: Path) -> Measured:
    """Upload *mib* MiB to the original or the port, served by one worker into *folder*."""
    spec, server = SIDES[side]
    config: dict[str, Any] = {"UPLOAD_FOLDER": str(folder), "PROGRESS_MAX_CONTENT_LENGTH": 2**40}
    with serve(spec, server, config=config, threads=4) as running:
        port = int(running.url.rpartition(":")[2])
        send(port, 32)  # warm up
        request_page(port)
        worker = psutil.Process(running.pid)
        worker = max(
            [worker, *worker.children(recursive=True)], key=lambda one: one.memory_info().rss
        )
        # Reset the recorded peak (proc(5)).
        Path(f"/proc/{worker.pid}/clear_refs").write_text("5")
        before, cpu = worker.memory_info().rss, sum(worker.cpu_times()[:2])
        with sending(port, mib) as client:
            waits = []
            while client.poll() is None:
                waits.append(request_page(port))
                time.sleep(PAUSE)
            assert client.stdout is not None and client.returncode == 0
            seconds = float(client.stdout.read())
        waits.sort()
        cpu = sum(worker.cpu_times()[:2]) - cpu
        return Measured(
            mib, seconds, cpu, peak(worker.pid) - before, waits[len(waits) * 99 // 100], waits[-1]
        )


def peak(pid: int) -> int:
    """Return the peak memory of the process in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def request_page(port: int) -> float:
    """Request a small page; return the seconds until the response."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        connection.getresponse().read()
    return time.perf_counter() - started


def sending(port: int, mib: int) -> subprocess.Popen[str]:
    """Start a process that sends a form and prints the seconds."""
    command = [
        sys.executable,
        "-m",
        "tests.fileuploads.measure",
        "--send",
        str(port),
        "--mib",
        str(mib),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def send(port: int, mib: int) -> float:
    """Send a form with one file; return the seconds until the response."""
    block = os.urandom(MIB)
    length = len(HEAD) + mib * MIB + len(TAIL)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        started = time.perf_counter()
        connection.sendall(
            b"POST /progress HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Type: multipart/form-data; boundary=%s\r\nContent-Length: %d\r\n\r\n%s"
            % (BOUNDARY, length, HEAD)
        )
        for _ in range(mib):
            connection.sendall(block)
        connection.sendall(TAIL)
        response = connection.recv(65536)
        seconds = time.perf_counter() - started
    assert response.startswith(b"HTTP/1.1 200"), response
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--send", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        sys.stdout.write(f"{send(options.send, options.mib)}\n")
        return
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(options.runs):
        for side in SIDES:
            with tempfile.TemporaryDirectory() as folder:
                found = measure(side, options.mib, Path(folder))
            rates[side].append(found.rate)
            sys.stdout.write(f"{side:9} {found}\n")
    ratio = sorted(rates["port"])[options.runs // 2] / sorted(rates["original"])[options.runs // 2]
    sys.stdout.write(f"port / original: {ratio:.2f} (medians of {options.runs})\n")


if __name__ == "__main__":
    main()
