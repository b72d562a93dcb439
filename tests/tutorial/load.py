"""Many users of the photo board at once: two workers, PostgreSQL, Valkey and a task worker.

``python -m tests.tutorial.load --users 50 --seconds 60`` prints how many requests were answered,
how long they took, and what failed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import secrets
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import httpx
from PIL import Image

from quartpatterns.compare.processes import Process, accepts, free_port
from quartpatterns.compare.services import postgres, valkey
from tests.tutorial.photoboard import STEPS, assemble, environment, run

__all__ = ["Report", "load", "serve"]

TIMEOUT = 60.0
"""Seconds after which a request, or waiting for a thumbnail, has failed."""


@dataclass
class Report:
    """What the users have seen."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[str] = field(default_factory=Counter)
    events: int = 0

    def text(self) -> str:
        """Return a table."""
        lines = [f"{'what':<20} {'count':>6} {'median ms':>10} {'p95 ms':>8} {'slowest ms':>10}"]
        for what, times in self.seconds.items():
            times = sorted(times)
            values = (times[len(times) // 2], times[int(len(times) * 0.95)], times[-1])
            median, p95, slowest = (round(value * 1000) for value in values)
            lines.append(f"{what:<20} {len(times):>6} {median:>10} {p95:>8} {slowest:>10}")
        total = sum(map(len, self.seconds.values()))
        lines.append(f"{total} in total, {self.events} events of the feed")
        lines += [f"FAILED {count} x {what}" for what, count in self.failures.items()]
        lines.append(f"{self.failures.total()} failures")
        return "\n".join(lines)


@contextlib.contextmanager
def serve(folder: Path, *, workers: int = 2) -> Iterator[str]:
    """Serve the finished photo board from the new *folder*, and yield its URL."""
    assemble(len(STEPS), folder)
    port = free_port()
    with valkey() as redis, postgres() as database, contextlib.ExitStack() as stack:
        env = environment(
            folder,
            QUART_SECRET_KEY=secrets.token_hex(),
            QUART_REDIS_URL=redis,
            QUART_SQLALCHEMY_DATABASE_URI=database,
        )

        def start(name: str, *command: str) -> Process:
            log = folder / f"{name}.log"
            process = Process([sys.executable, "-m", *command], log=log, cwd=folder, env=env)
            return stack.enter_context(process)

        run(folder, "alembic.config", "upgrade", "head", env=env)
        options = f"--config hypercorn.toml --workers {workers} --bind 127.0.0.1:{port}".split()
        web = start("web", "hypercorn", *options, "photoboard:create_app()")
        start("tasks", "quartpatterns", "worker", "photoboard:create_app()")
        web.wait_until(lambda: accepts(port))
        yield f"http://127.0.0.1:{port}"


class User:
    """A person with a browser."""

    def __init__(self, url: str, name: str, report: Report) -> None:
        self.name = name
        self.report = report
        self.client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False)
        self.album = ""
        self.language = random.choice(["en", "de"])

    async def request(
        self, what: str, method: str, path: str, expected: int = 200, **options: object
    ) -> httpx.Response | None:
        """Send a request. If the status is not the expected one, it is a failure."""
        start = time.perf_counter()
        try:
            response = await self.client.request(method, path, **options)  # type: ignore[arg-type]
        except httpx.HTTPError as error:
            self.report.failures[f"{what}: {type(error).__name__} {error}"] += 1
            return None
        self.report.seconds[what].append(time.perf_counter() - start)
        if response.status_code != expected:
            self.report.failures[f"{what}: {response.status_code} {response.text[:300]}"] += 1
            return None
        return response

    async def submit(
        self, what: str, path: str, data: dict[str, str], *, page: str = "", **options: object
    ) -> httpx.Response | None:
        """Open a page with a form, and send the form."""
        shown = await self.request(f"{what}: form", "GET", page or path)
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', shown.text if shown else "")
        if token is None:
            self.report.failures[f"{what}: no token"] += 1
            return None
        form = {"csrf_token": token[1], **data}
        sent = await self.request(what, "POST", path, 303, data=form, **options)
        return sent

    async def read_feed(self) -> None:
        """Read the live feed, like an EventSource that connects again."""
        last = ""
        while True:
            headers = {"Last-Event-ID": last} if last else {}
            path = f"/{self.language}/feed"
            try:
                async with self.client.stream("GET", path, headers=headers) as response:
                    if response.status_code != 200:
                        self.report.failures[f"feed: {response.status_code}"] += 1
                    async for line in response.aiter_lines():
                        if line.startswith("id: "):
                            last = line[4:]
                        self.report.events += line.startswith("data: ")
                self.report.failures["feed: the stream has ended"] += 1
            except httpx.HTTPError as error:
                self.report.failures[f"feed: {type(error).__name__} {error}"] += 1
            await asyncio.sleep(1)

    async def register(self, limit: asyncio.Semaphore) -> None:
        """Register, log out, log in, and create an album."""
        # A hash takes a tenth of a second of all cores, on purpose. Fifty at once would measure
        # only that.
        async with limit:
            await self._register()

    async def _register(self) -> None:
        base = f"/{self.language}"
        account = {"name": self.name, "password": secrets.token_hex(8)}
        await self.submit("register", f"{base}/register", account)
        await self.submit("log out", f"{base}/logout", {}, page=f"{base}/albums/new")
        await self.submit("log in", f"{base}/login", account)
        made = await self.submit("new album", f"{base}/albums/new", {"title": self.name})
        self.album = made.headers["Location"] if made else f"{base}/albums/1"

    async def live(self, until: float) -> None:
        """Use the board, and read its feed."""
        feed = asyncio.create_task(self.read_feed())
        while time.monotonic() < until:
            await self.use(f"/{self.language}", self.album)
        feed.cancel()
        await asyncio.wait([feed])

    async def use(self, base: str, album: str) -> None:
        """List, upload, wait for the thumbnail, comment, read the API, and export."""
        title = secrets.token_hex(4)
        await self.request("list", "GET", f"{base}/")
        await asyncio.sleep(random.uniform(0.5, 1.5))
        files = {"photo": ("photo.jpg", picture(), "image/jpeg")}
        await self.submit("upload", album, {"title": title}, files=files)
        if photo := await self.thumbnail(album, title):
            await asyncio.sleep(random.uniform(0.5, 1.5))
            await self.submit("comment", f"{base}/photos/{photo}", {"text": "Beautiful! ❤"})
        albums = await self.request("api", "GET", "/api/albums")
        if albums and not albums.json()["albums"]:
            self.report.failures["api: no albums"] += 1
        table = await self.request("export", "GET", f"{album}/photos.csv")
        if table and title not in table.text:
            self.report.failures["export: the photo is missing"] += 1
        await asyncio.sleep(random.uniform(0.5, 1.5))

    async def thumbnail(self, album: str, title: str) -> str | None:
        """Reload the album until a photo has its thumbnail, fetch it, and return the id."""
        start = time.perf_counter()
        while time.perf_counter() - start < TIMEOUT:
            page = await self.request("album", "GET", album)
            for card in re.findall(r"<li>.*?</li>", page.text if page else "", re.DOTALL):
                image = re.search(r'src="([^"]+/thumbnails/[^"]+)"', card)
                if title in card and image:
                    self.report.seconds["wait for thumbnail"].append(time.perf_counter() - start)
                    await self.request("thumbnail", "GET", image[1])
                    link = re.search(r"/photos/(\d+)\"", card)
                    return link[1] if link else None
            await asyncio.sleep(0.5)
        self.report.failures["no thumbnail"] += 1
        return None


def picture() -> bytes:
    """A photo of a random colour."""
    file = BytesIO()
    colour = random.randrange(256), random.randrange(256), random.randrange(256)
    Image.new("RGB", (1024, 768), colour).save(file, "JPEG")
    return file.getvalue()


async def load(url: str, *, users: int, seconds: float) -> Report:
    """Let users use the photo board at *url*, and return what they have seen.

    The seconds begin when all have registered.
    """
    report = Report()
    people = [User(url, f"user{number} {secrets.token_hex(3)}", report) for number in range(users)]
    async with contextlib.AsyncExitStack() as stack:
        for person in people:
            await stack.enter_async_context(person.client)
        limit = asyncio.Semaphore(10)
        await asyncio.gather(*(person.register(limit) for person in people))
        until = time.monotonic() + seconds
        await asyncio.gather(*(person.live(until) for person in people))
    return report


def main() -> int:
    """Serve, use, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photoboard"
        with serve(folder, workers=options.workers) as url:
            report = asyncio.run(load(url, users=options.users, seconds=options.seconds))
        logs = {log.stem: log.read_text() for log in folder.glob("*.log")}
    errors = [line for text in logs.values() for line in text.splitlines() if "ERROR" in line]
    sys.stdout.write(report.text() + f"\n{len(errors)} errors in the logs\n")
    sys.stdout.write("\n".join(errors[:20]) + "\n" if errors else "")
    return 1 if report.failures or errors else 0


if __name__ == "__main__":
    sys.exit(main())
