"""The archive of a release: the project's wheel, all that it needs, locked by hashes."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import io
import json
import platform
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartpatterns.deployment.errors import PackError
from quartpatterns.deployment.settings import VERSION, Settings

__all__ = ["Archive", "newest_archive", "pack", "read_archive"]

SKIPPED = {"__pycache__", ".git", ".venv", "node_modules"}


@dataclass(frozen=True, slots=True)
class Archive:
    """A release as a file.

    Arguments:
        path: The file.
        name: The application's name.
        release: What the release is called: its version, and a hash of all that is in it.
        python: The version of Python that its wheels are for.
        sha256: The hash of the file.
        size: Its size, in bytes.
    """

    path: Path
    name: str
    release: str
    python: str
    sha256: str
    size: int


async def pack(settings: Settings, folder: Path | None = None) -> Archive:
    """Make an archive of the project.

    The same project and the same locked wheels make the same archive, to the byte.

    Arguments:
        settings: What is packed.
        folder: Where the archive goes; by default ``dist`` in the project.

    Raises:
        PackError: The wheel can't be built, or what it needs can't be had.
    """
    if importlib.util.find_spec("pip") is None:
        raise PackError("pip is not installed here: python -m ensurepip, or uv pip install pip")
    version = _python(settings)
    await asyncio.to_thread(_included, settings)  # what is wrong there is told before pip begins
    scratch = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="quartpatterns-pack-"))
    try:
        own = await _build(settings, scratch / "own")
        await _collect(settings, own, scratch / "wheels", version)
        tools = ["--only-binary", ":all:", "--dest", str(scratch / "tools"), "pip"]
        await _pip("download", "--no-deps", *tools)
        target = folder or settings.root / "dist"
        return await asyncio.to_thread(_write, settings, scratch, own.name, version, target)
    finally:
        await asyncio.to_thread(shutil.rmtree, scratch)


def newest_archive(settings: Settings) -> Archive:
    """The archive that was packed last.

    Raises:
        PackError: There is none.
    """
    found = sorted(
        (settings.root / "dist").glob(f"{settings.name}-*.release.tar"),
        key=lambda path: path.stat().st_mtime_ns,
    )
    if not found:
        raise PackError(f"there is no archive in {settings.root / 'dist'}: deploy pack makes one")
    return read_archive(found[-1])


def read_archive(path: Path) -> Archive:
    """The archive in the file *path*.

    Raises:
        PackError: It is none.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            member = tar.extractfile("manifest.json")
            manifest: Any = json.loads(member.read()) if member else {}
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Archive(
            path,
            manifest["name"],
            manifest["release"],
            manifest["python"],
            digest,
            path.stat().st_size,
        )
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        raise PackError(f"{path} is no archive of a release ({error}): pack it again") from error


def _python(settings: Settings) -> str:
    versions = {host.python for host in settings.hosts if VERSION.fullmatch(host.python)}
    if len(versions) > 1:
        raise PackError(
            f"the hosts have Python {' and '.join(sorted(versions))}, and an archive is for one:"
            " give each kind a deploy.toml of its own"
        )
    return versions.pop() if versions else _this()


def _this() -> str:
    return ".".join(platform.python_version_tuple()[:2])


async def _build(settings: Settings, folder: Path) -> Path:
    await _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(settings.root))
    return await asyncio.to_thread(lambda: next(folder.glob("*.whl")))


async def _collect(settings: Settings, own: Path, folder: Path, version: str) -> None:
    """All wheels that the project needs, into *folder*."""
    foreign = version != _this() or settings.platform is not None
    if foreign:
        command = ["download", "--only-binary", ":all:", "--dest", str(folder)]
        command += ["--implementation", "cp", "--python-version", version]
        command += ["--platform", settings.platform] if settings.platform else []
    else:
        command = ["wheel", "--wheel-dir", str(folder)]
    if settings.lock:
        await _pip(*command, "--no-deps", "--require-hashes", "--requirement", str(settings.lock))
    else:
        await _pip(*command, str(own))


async def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode:
        said = "\n  ".join(output.decode(errors="replace").strip().splitlines()[-15:])
        raise PackError(f"pip {arguments[0]} failed: correct this and pack again\n  {said}")


def _write(settings: Settings, scratch: Path, own: str, version: str, folder: Path) -> Archive:
    if (built := scratch / "own" / own).exists():
        built.replace(scratch / "wheels" / own)
    files = dict(_files(settings, scratch))
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    release = f"{own.split('-')[1]}-{digest.hexdigest()[:8]}"
    # The pip that installs on the host, so that its Python needs none; the release isn't named
    # after it.
    (tool,) = (scratch / "tools").glob("pip-*.whl")
    files["tools/pip.whl"] = tool.read_bytes()
    manifest = {"name": settings.name, "release": release, "python": version}
    files["manifest.json"] = json.dumps(manifest).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{settings.name}-{release}.release.tar"
    partial = path.with_suffix(".partial")
    with tarfile.open(partial, "w:", format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(files.items()):
            # Nothing of this machine: no time, no user.
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    partial.replace(path)
    return read_archive(path)


def _files(settings: Settings, scratch: Path) -> Iterator[tuple[str, bytes]]:
    lines: list[str] = []
    for wheel in sorted((scratch / "wheels").glob("*.whl")):
        content = wheel.read_bytes()
        name, version = wheel.name.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(content).hexdigest()}")
        yield f"wheels/{wheel.name}", content
    yield "requirements.txt", "\n".join([*lines, ""]).encode()
    for file in _included(settings):
        yield f"app/{file.relative_to(settings.root).as_posix()}", file.read_bytes()
    yield "app/.release", b""  # so that there is a folder app, whatever is included


def _included(settings: Settings) -> list[Path]:
    return [file for one in settings.include for file in _below(settings.root, one)]


def _below(root: Path, included: str) -> list[Path]:
    path = root / included
    if not path.resolve().is_relative_to(root.resolve()) or not path.exists():
        raise PackError(f"include names {included!r}, which is not in {root}: correct it")
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    found = [file for file in files if file.is_file() and not SKIPPED & set(file.parts)]
    secret = [file for file in found if re.fullmatch(r"\.?env(\..*)?|.*\.env|.*\.pem", file.name)]
    if secret:
        raise PackError(
            f"{secret[0]} looks like a secret, and a release holds none: name it as environment"
            " or below [files], and don't include it"
        )
    return found
