"""What original and port must answer alike."""

from __future__ import annotations

from pathlib import Path

from quartpatterns.compare import Case, Step
from quartpatterns.compare.case import same_settings
from quartpatterns.compare.error_page import error_page

__all__ = ["CASES", "EXTRAS", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])

CASES: tuple[Case, ...] = (
    Case(
        "a host that is not trusted",
        Step("/settings", headers={"Host": "evil.example"}),
        checks=("FA-3",),
    ),
    Case(
        "the host's file overrides the defaults",
        Step("/settings", compare="json"),
        checks=("FA-3", "FA-4"),
    ),
    Case("start with a configuration", Step("/start/given", compare="json"), checks=("FA-3",)),
    Case("start without the variable", Step("/start/unset", compare="json"), checks=("FA-3",)),
    Case("start without the file", Step("/start/missing", compare="json"), checks=("FA-3",)),
    Case("start with an invalid file", Step("/start/broken", compare="json"), checks=("FA-3",)),
    Case("start of an unknown kind", Step("/start/other"), Step("/start/"), checks=("FA-3",)),
)

EXPECTED = Path(__file__).parent / "expected"
HTML, JSON = "text/html; charset=utf-8", "application/json"


def error(kind: str, text: str | None) -> Case:
    """Return the case of an error that a start with the configuration *kind* raises."""
    expected = {"status": 200, "header:content-type": JSON, "body": {"error": text}}
    step = Step(f"/errors/{kind}", compare="json", expected=expected)
    return Case(f"error of a configuration that is {kind}", step, checks=("FA-3",))


def page(path: str, body: str) -> Step:
    """Return a step that gets a page."""
    expected = {"status": 200, "header:content-type": HTML, "body": body}
    return Step(path, compare="html", expected=expected)


UNSET = (
    "the environment variable 'YOURAPPLICATION_UNSET' is not set. Set it to the path of this"
    " host's configuration file before the application is imported"
)
MISSING = (
    "YOURAPPLICATION_MISSING is /nowhere/application.cfg, which cannot be read (No such file or"
    " directory). Write the configuration of this host into that file"
)
BROKEN = "YOURAPPLICATION_BROKEN is ./broken.cfg, and line 1 of it is not valid Python. Correct it"

EXTRAS: tuple[Case, ...] = (
    Case("index page", page("/", (EXPECTED / "index.html").read_text()), checks=("FA-3", "FA-4")),
    error("given", None),
    error("unset", UNSET),
    error("missing", MISSING),
    error("broken", BROKEN),
    Case(
        "commands of a deployment",
        Step(
            "/plan",
            # The size of the archive of the commands depends on the version of Python.
            capture={"size": r"sftp put (\d+) bytes"},
            expected={
                "status": 200,
                "header:content-type": HTML,
                "body": (EXPECTED / "plan.html").read_text(),
            },
        ),
        checks=("FA-1", "FA-2"),
    ),
    Case(
        "error of an unknown kind",
        Step("/errors/other", expected={"status": 404, "body": error_page(404)}),
        checks=("FA-3",),
    ),
    Case("health check", page("/health", "ok"), checks=("FA-6",)),
)
