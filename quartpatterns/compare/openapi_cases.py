"""The cases of an API that quart-schema documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from quartpatterns.compare.case import Case, Step

__all__ = ["openapi_cases"]


def openapi_cases(folder: Path, *, checks: Sequence[str] = ()) -> tuple[Case, ...]:
    """Return the extras for the OpenAPI document of a port, and for the page that shows it.

    ``python -m tests.openapi_documents`` writes the document to ``openapi.json``.

    Arguments:
        folder: The folder of the example. It contains ``openapi.json`` and ``expected/docs.html``.
        checks: The ids of the checks that these cases prove.

    .. versionadded:: 0.1
    """
    document = json.loads((folder / "openapi.json").read_text())
    page = (folder / "expected" / "docs.html").read_text()
    return (
        Case(
            "the document of the API",
            Step(
                "/openapi.json",
                compare="json",
                expected={
                    "status": 200,
                    "header:content-type": "application/json",
                    "body": document,
                },
            ),
            checks=checks,
        ),
        Case(
            "the documentation of the API",
            Step(
                "/docs",
                expected={
                    "status": 200,
                    "header:content-type": "text/html; charset=utf-8",
                    "body": page,
                },
            ),
            Step(
                "/swagger-ui/swagger-ui.css",
                method="HEAD",
                expected={
                    "status": 200,
                    "header:content-type": "text/css; charset=utf-8",
                    "body": "",
                },
            ),
            checks=checks,
        ),
    )
