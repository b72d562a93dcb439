"""The archive of a release: the wheel of the project and the wheels that it needs."""

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

from quartpatterns._shared.cleanup import finish
from quartpatterns._shared.installed_from import installed_from
from quartpatterns._shared.threads import to_thread
from quartpatterns.deployment.errors import PackError
from quartpatterns.deployment.markers import (
    applied_markers,
    marker_environments,
    missing_requirements,
    required_names,
)
from quartpatterns.deployment.settings import VERSION, Settings

__all__ = ["Archive", "newest_archive", "pack", "read_archive", "write_archive"]

_EXCLUDED = {"__pycache__", ".git", ".venv", "node_modules"}
_SECRET_NAMES = re.compile(r"\.?env(\.(?!py$).*)?|.*\.env|.*\.pem")
_THIS_PYTHON = ".".join(platform.python_version_tuple()[:2])


@dataclass(frozen=True, slots=True)
class Archive:
    """A release as a file.

    Arguments:
        path: The path of the file.
        name: The name of the application.
        release: The name of the release: its version and a hash of its content.
        python: The version of Python that the wheels are for.
        sha256: The hash of the file.
        size: The size of the file in bytes.

    .. versionadded:: 0.1
    """

    path: Path
    name: str
    release: str
    python: str
    sha256: str
    size: int


async def pack(settings: Settings, folder: Path | None = None) -> Archive:
    """Build the archive of a release.

    The build is reproducible: the same project and the same locked wheels make the same bytes.

    Arguments:
        settings: The settings of the deployment.
        folder: The folder for the archive; by default ``dist`` in the project.

    Raises:
        PackError: The wheel cannot be built, or a requirement cannot be installed.

    .. versionadded:: 0.1
    """
    if importlib.util.find_spec("pip") is None:
        raise PackError("pip is not installed. Run python -m ensurepip, or uv pip install pip")
    version = _python_version(settings)
    await to_thread(_included_files, settings)  # fail before pip takes its time
    scratch = Path(await to_thread(tempfile.mkdtemp, prefix="quartpatterns-pack-"))
    try:
        own = scratch / "own"
        await _pip("wheel", "--no-deps", "--wheel-dir", str(own), str(settings.root))
        own_wheel = await to_thread(lambda: next(own.glob("*.whl")))
        await _collect_wheels(settings, own_wheel, scratch / "wheels", version)
        options = ["--no-deps", "--only-binary", ":all:", "--dest", str(scratch / "tools")]
        await _pip("download", *options, "pip")
        target = folder or settings.root / "dist"
        return await to_thread(write_archive, settings, scratch, own_wheel.name, version, target)
    finally:
        await finish(lambda: to_thread(shutil.rmtree, scratch, ignore_errors=True))


def newest_archive(settings: Settings) -> Archive:
    """Return the archive in ``dist`` that was packed last.

    Raises:
        PackError: There is no archive.

    .. versionadded:: 0.1
    """
    dist = settings.root / "dist"
    archives = sorted(
        dist.glob(f"{settings.name}-*.release.tar"), key=lambda path: path.stat().st_mtime_ns
    )
    if not archives:
        raise PackError(f"{dist} contains no archive. Run quartpatterns deploy pack")
    return read_archive(archives[-1])


def read_archive(path: Path) -> Archive:
    """Return the archive in the file *path*.

    Raises:
        PackError: The file is not the archive of a release.

    .. versionadded:: 0.1
    """
    try:
        with tarfile.open(path, "r:") as tar:
            member = tar.extractfile("manifest.json")
            manifest: Any = json.loads(member.read()) if member else {}
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name, release, python = (manifest[key] for key in ("name", "release", "python"))
        return Archive(path, name, release, python, digest, path.stat().st_size)
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        raise PackError(
            f"{path} is not the archive of a release ({error}). Run quartpatterns deploy pack"
        ) from error


def _python_version(settings: Settings) -> str:
    versions = {host.python for host in settings.hosts if VERSION.fullmatch(host.python)}
    if len(versions) > 1:
        raise PackError(
            f"the hosts have Python {' and '.join(sorted(versions))}, and an archive is for one"
            " version. Write a deploy.toml for each version"
        )
    return versions.pop() if versions else _THIS_PYTHON


async def _collect_wheels(settings: Settings, own_wheel: Path, folder: Path, version: str) -> None:
    """Write all wheels that the project needs into *folder*."""
    if version != _THIS_PYTHON or settings.platform is not None:
        # pip can't build for another Python or platform, it can only download.
        command = ["download", "--only-binary", ":all:", "--dest", str(folder)]
        command += ["--implementation", "cp", "--python-version", version]
        command += ["--platform", settings.platform] if settings.platform else []
    else:
        command = ["wheel", "--wheel-dir", str(folder)]
    environments = marker_environments(version, settings.platform)
    if settings.lock:
        lock = folder.parent / "lock.txt"
        text = await to_thread(settings.lock.read_text, encoding="utf-8")
        await to_thread(lock.write_text, applied_markers(text, environments), encoding="utf-8")
        await _pip(*command, "--no-deps", "--require-hashes", "--requirement", str(lock))
        return
    await _pip(*command, str(own_wheel), *await _wheels_of_this_package(own_wheel, folder.parent))
    while missing := await to_thread(missing_requirements, folder, environments):
        await _pip(*command, *missing)


async def _wheels_of_this_package(own_wheel: Path, scratch: Path) -> list[str]:
    """Build the wheel of quartpatterns if the project needs it, and it is not from an index."""
    source = await to_thread(installed_from)
    if source is None or "quartpatterns" not in await to_thread(required_names, own_wheel):
        return []
    folder = scratch / "quartpatterns"
    await _pip("wheel", "--no-deps", "--wheel-dir", str(folder), source)
    return await to_thread(lambda: [str(wheel) for wheel in folder.iterdir()])


async def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await finish(process.wait)
        raise
    if process.returncode:
        last_lines = "\n  ".join(output.decode(errors="replace").strip().splitlines()[-15:])
        raise PackError(f"pip {arguments[0]} failed. Correct this and pack again:\n  {last_lines}")


def write_archive(
    settings: Settings, scratch: Path, own_wheel: str, version: str, folder: Path
) -> Archive:
    """Write an archive for the Python *version* into *folder*.

    The folder *scratch* contains ``wheels``, ``tools`` with the wheel of pip, and the project's
    wheel *own_wheel* in ``own`` or ``wheels``.
    """
    if (built := scratch / "own" / own_wheel).exists():
        built.replace(scratch / "wheels" / own_wheel)
    files = dict(_files(settings, scratch))
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    release = f"{own_wheel.split('-')[1]}-{digest.hexdigest()[:8]}"
    # The host installs with this pip, so its Python needs no pip. A newer pip is not a new
    # release, so the hash above leaves it out.
    (pip,) = (scratch / "tools").glob("pip-*.whl")
    files["tools/pip.whl"] = pip.read_bytes()
    manifest = {"name": settings.name, "release": release, "python": version}
    files["manifest.json"] = json.dumps(manifest).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{settings.name}-{release}.release.tar"
    partial = path.with_suffix(".partial")
    with tarfile.open(partial, "w:", format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(files.items()):
            # To be reproducible, the entries contain no times and no users of this machine.
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    partial.replace(path)
    return read_archive(path)


def _files(settings: Settings, scratch: Path) -> Iterator[tuple[str, bytes]]:
    requirements: list[str] = []
    for wheel in sorted((scratch / "wheels").glob("*.whl")):
        content = wheel.read_bytes()
        name, version = wheel.name.split("-")[:2]
        requirements.append(
            f"{name}=={version} --hash=sha256:{hashlib.sha256(content).hexdigest()}"
        )
        yield f"wheels/{wheel.name}", content
    yield "requirements.txt", "\n".join([*requirements, ""]).encode()
    for file in _included_files(settings):
        yield f"app/{file.relative_to(settings.root).as_posix()}", file.read_bytes()
    yield "app/.release", b""  # the folder app must exist even if no files are included


def _included_files(settings: Settings) -> list[Path]:
    root = settings.root
    included: list[Path] = []
    for name in settings.include:
        path = root / name
        if not path.resolve().is_relative_to(root.resolve()) or not path.exists():
            raise PackError(f"include contains {name!r}, which is not in {root}. Correct it")
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        included += [file for file in files if file.is_file() and not _EXCLUDED & set(file.parts)]
    for file in included:
        if _SECRET_NAMES.fullmatch(file.name):
            raise PackError(
                f"{file} looks like a secret, and a release must not contain secrets. Name the"
                " file in environment or [files] instead of include"
            )
    return included
