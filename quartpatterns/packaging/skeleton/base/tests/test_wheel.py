"""The contents of the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from quartpatterns.packaging import check_resources

ROOT = Path(__file__).parents[1]


def test_wheel(tmp_path: Path) -> None:
    """The wheel contains templates and static files, but not the tests."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    result = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert check_resources(wheel, source=ROOT / "yourapplication") == []
    names = zipfile.ZipFile(wheel).namelist()
# {% if hypercorn %}
    assert "yourapplication/hypercorn.toml" in names
# {% endif %}
# {% if sqlalchemy %}
    assert "yourapplication/migrations/env.py" in names
# {% endif %}
# {% if i18n %}
    assert "yourapplication/translations/de/LC_MESSAGES/messages.po" in names
# {% endif %}
    assert not [name for name in names if name.startswith("tests")]
