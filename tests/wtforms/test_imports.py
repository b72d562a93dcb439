"""A missing WTForms is an error that names the extra; no Flask extension is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.checks("WT-6")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_extra() -> None:
    code = """
import sys
sys.modules["wtforms"] = None
try:
    import quartpatterns.wtforms
except ImportError as error:
    print(error, error.name)
"""
    expected = "quartpatterns.wtforms needs wtforms: pip install 'quartpatterns[wtforms]' wtforms"
    assert run(code) == expected


def test_nothing_of_flask_wtf() -> None:
    code = "import sys, quartpatterns.wtforms; print([m for m in sys.modules if 'flask_wtf' in m])"
    assert run(code) == "[]"
