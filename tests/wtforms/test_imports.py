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


def test_extra_of_recaptcha() -> None:
    """HTTPX is missing only for a form with a reCAPTCHA that is not turned off."""
    code = """
import asyncio
import sys
sys.modules["httpx"] = None
from quart import Quart
from quartpatterns.wtforms import FlaskForm, RecaptchaField

class Form(FlaskForm):
    recaptcha = RecaptchaField()

async def main():
    for enabled in (False, True):
        app = Quart("app")
        app.secret_key = "x"
        app.config["RECAPTCHA_ENABLED"] = enabled
        async with app.test_request_context("/"):
            print((await Form.create()).recaptcha())

try:
    asyncio.run(main())
except ImportError as error:
    print(error, error.name)
"""
    expected = "RecaptchaField needs httpx: pip install 'quartpatterns[recaptcha]' httpx"
    assert run(code) == f"<!-- recaptcha disabled -->\n{expected}"


def test_nothing_of_flask_wtf() -> None:
    code = "import sys, quartpatterns.wtforms; print([m for m in sys.modules if 'flask_wtf' in m])"
    assert run(code) == "[]"
