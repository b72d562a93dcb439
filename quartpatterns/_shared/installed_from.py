"""Where this package was installed from."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

__all__ = ["installed_from", "is_available"]


def installed_from() -> str | None:
    """Return the folder, the file or the URL that quartpatterns was installed from.

    Returns:
        An argument for ``pip install``; ``None`` if it was installed from a package index.
    """
    try:
        # pip and uv write it for everything that is not from an index:
        # https://packaging.python.org/specifications/direct-url
        text = metadata.distribution("quartpatterns").read_text("direct_url.json")
    except metadata.PackageNotFoundError:  # It runs from a folder, such as a checkout.
        return str(Path(__file__).parents[2])
    if text is None:
        return None
    source: dict[str, Any] = json.loads(text)
    if "vcs_info" in source:
        return f"{source['vcs_info']['vcs']}+{source['url']}@{source['vcs_info']['commit_id']}"
    url: str = source["url"]
    return url2pathname(urlsplit(url).path) if url.startswith("file:") else url


def is_available(source: str) -> bool:
    """Return whether *source* is a URL, or a file or folder that there is."""
    return "://" in source or Path(source).exists()
