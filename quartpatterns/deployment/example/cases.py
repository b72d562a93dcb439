"""What original and port must answer alike."""

from __future__ import annotations

import re

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

REMEDY = "the error says which variable to set, and to what, and is of one kind"
SWITCH = "the page changes one environment in place; here a new release is switched to"


def start(kind: str, original: dict[str, object], text: str) -> Case:
    """The case of a start that fails as *original* says, and in the port with *text*."""
    port = {"started": False, "error": "ConfigurationMissingError", "text": text}
    lengths = (re.compile(r"\d+"), re.compile(r"\d+"))
    return Case(
        f"a start whose configuration is {kind}",
        Step(f"/start/{kind}", compare="json"),
        checks=("FA-3",),
        differs=(
            Difference("body", {"started": False, **original}, port, REMEDY),
            Difference("header:content-length", *lengths, REMEDY),
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
    Case("the page", Step("/", compare="html"), checks=("FA-3", "FA-4")),
    Case(
        "the host's file is over the defaults", Step("/settings", compare="json"), checks=("FA-3",)
    ),
    Case("a start with a configuration", Step("/start/given", compare="json"), checks=("FA-3",)),
    start(
        "unset",
        {"error": "RuntimeError", "text": UNSET},
        "the environment variable 'YOURAPPLICATION_UNSET' is not set: set it to the path of this"
        " host's configuration file, before the application is imported",
    ),
    start(
        "missing",
        {"error": "FileNotFoundError", "text": MISSING},
        "YOURAPPLICATION_MISSING names /nowhere/application.cfg, which can't be read (No such file"
        " or directory): put the configuration of this host there",
    ),
    start(
        "broken",
        {"error": "SyntaxError", "text": BROKEN},
        "YOURAPPLICATION_BROKEN names ./broken.cfg, whose line 1 is not Python: correct it",
    ),
    Case("a start that nobody knows", Step("/start/other", compare="html")),
    Case(
        "what a deployment runs",
        Step("/plan", compare="text", ignore_headers=("content-length",)),
        checks=("FA-1", "FA-2"),
        differs=(
            Difference(
                "body",
                re.compile(r".*sdist.*env/bin/pip install.*touch /var/www/.*", re.DOTALL),
                re.compile(
                    r".*sftp put dist/.*--require-hashes.*trial.*switch.*verify.*", re.DOTALL
                ),
                SWITCH,
            ),
        ),
    ),
    Case("is it well?", Step("/health")),
)
