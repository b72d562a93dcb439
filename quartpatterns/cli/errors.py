"""What a person is told when something is wrong: one line that names the remedy, exit code 2."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import click

__all__ = ["EXTRAS", "UsageProblem", "explained"]

# The extra that brings a module which a command misses.
EXTRAS = {
    "alembic": "sqlalchemy",
    "arq": "tasks",
    "asyncssh": "deployment",
    "asgi_lifespan": "compare",
    "celery": "originals",
    "flask_sqlalchemy": "originals",
    "httpx": "compare",
    "markdown_it": "gallery",
    "matplotlib": "bench",
    "msgspec": "compare",
    "psutil": "compare",
    "pygments": "gallery",
    "redis": "tasks",
    "rich": "compare",
    "sqlalchemy": "sqlalchemy",
}


class UsageProblem(click.ClickException):
    """Something that the person who called can put right; exit code 2."""

    exit_code = 2


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn the errors that people can put right into :class:`UsageProblem`."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        extra = EXTRAS[package]
        raise UsageProblem(
            f"{package} is not installed: pip install 'quartpatterns[{extra}]'"
        ) from error
    except Exception as error:  # ours are told by their module, the rest goes on as it is
        if type(error).__module__.startswith("quartpatterns.") and not isinstance(
            error, click.ClickException
        ):
            raise UsageProblem(str(error)) from error
        raise
