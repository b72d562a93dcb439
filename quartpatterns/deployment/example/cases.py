"""What original and port must answer alike."""

from __future__ import annotations

import re

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

START_REASON = "the port raises one kind of error, which says what to set the variable to"
PLAN_REASON = "the page changes one environment in place; the port installs a new release"


def failing_start(kind: str, original: dict[str, object], text: str) -> Case:
    """Return the case of a start that fails: *original* is its answer, *text* the port's error."""
    port = {"started": False, "error": "ConfigurationMissingError", "text": text}
    lengths = (re.compile(r"\d+"), re.compile(r"\d+"))
    return Case(
        f"start with the configuration {kind}",
        Step(f"/start/{kind}", compare="json"),
        checks=("FA-3",),
        differs=(
            Difference("body", {"started": False, **original}, port, START_REASON),
            Difference("header:content-length", *lengths, START_REASON),
        ),
    )


UNSET = (
    "The environment variable 'YOURAPPLICATION_UNSET' is not set and as such configuration could"
    " not be loaded. Set this variable and make it point to a configuration file"
)
MISSING = (
    "[Errno 2] Unable to load configuration file (No such file or directory):"
    " '/nowhere/application.cfg'"
)
BROKEN = "unterminated string literal (detected at line 1) (broken.cfg, line 1)"

CASES: tuple[Case, ...] = (
    Case("index page", Step("/", compare="html"), checks=("FA-3", "FA-4")),
    Case(
        "the host's file overrides the defaults",
        Step("/settings", compare="json"),
        checks=("FA-3",),
    ),
    Case("start with a configuration", Step("/start/given", compare="json"), checks=("FA-3",)),
    failing_start(
        "unset",
        {"error": "RuntimeError", "text": UNSET},
        "the environment variable 'YOURAPPLICATION_UNSET' is not set. Set it to the path of this"
        " host's configuration file before the application is imported",
    ),
    failing_start(
        "missing",
        {"error": "FileNotFoundError", "text": MISSING},
        "YOURAPPLICATION_MISSING is /nowhere/application.cfg, which cannot be read (No such file"
        " or directory). Write the configuration of this host into that file",
    ),
    failing_start(
        "broken",
        {"error": "SyntaxError", "text": BROKEN},
        "YOURAPPLICATION_BROKEN is ./broken.cfg, and line 1 of it is not valid Python. Correct it",
    ),
    Case("start of an unknown kind", Step("/start/other", compare="html")),
    Case(
        "commands of a deployment",
        Step("/plan", compare="text", ignore_headers=("content-length",)),
        checks=("FA-1", "FA-2"),
        differs=(
            Difference(
                "body",
                re.compile(r".*sdist.*env/bin/pip install.*touch /var/www/.*", re.DOTALL),
                re.compile(
                    r".*sftp put dist/.*--require-hashes.*trial.*switch.*verify.*", re.DOTALL
                ),
                PLAN_REASON,
            ),
        ),
    ),
    Case("health check", Step("/health")),
)
