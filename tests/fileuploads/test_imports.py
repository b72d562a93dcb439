"""What an import of the helper needs, and what it does not need."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(script: str) -> str:
    """Run *script* and return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    ).stdout.strip()


@pytest.mark.parametrize("library", ["filetype", "multipart"])
def test_missing_library(library: str) -> None:
    """Without a required library, the error says what to install."""
    said = run(
        f"import sys; sys.modules[{library!r}] = None\n"
        "try:\n import quartpatterns.fileuploads\nexcept ImportError as error:\n print(error)"
    )
    assert said == (
        f"quartpatterns.fileuploads needs {library}: pip install 'quartpatterns[fileuploads]'"
    )


@pytest.mark.parametrize(
    ("library", "config", "extra"),
    [
        pytest.param("obstore", "UPLOADED_FILES_DEST='s3://a'", "fileuploads", id="obstore"),
        pytest.param("redis", "REDIS_URL='redis://a'", "redis", id="redis"),
    ],
)
def test_missing_optional_library(library: str, config: str, extra: str) -> None:
    """An object store and Redis need their libraries only if they are configured."""
    said = run(
        f"import sys; sys.modules[{library!r}] = None\n"
        "from quart import Quart\n"
        "from quartpatterns.fileuploads import *\n"
        "app = Quart('a')\n"
        f"app.config.update({config})\n"
        "app.config.setdefault('UPLOADED_FILES_DEST', '/tmp')\n"
        "try:\n UploadProgress(app); configure_uploads(app, UploadSet())\n"
        "except ImportError as error:\n print(error)"
    )
    assert said.endswith(f"pip install 'quartpatterns[{extra}]'")


def test_nothing_else_is_imported() -> None:
    """The helper imports no Flask extension, and no library for features that are not used."""
    script = "import sys, quartpatterns.fileuploads; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in run(script).split()}
    assert not loaded & {"boto3", "flask_uploads", "obstore", "pytest", "redis"}
