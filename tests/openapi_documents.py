"""Write ``example/openapi.json`` of each pattern that has one: what its port documents.

The cases compare the port with this file. Run ``python -m tests.openapi_documents`` after a change
of a port's API, and read what has changed.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import quartpatterns

ROOT = Path(quartpatterns.__file__).parent


def document(pattern: str) -> Any:
    """Return the OpenAPI document of the port of *pattern*."""
    port = importlib.import_module(f"quartpatterns.{pattern}.example.port")
    app = port.create_app()
    found = app.extensions["QUART_SCHEMA"].openapi_provider.schema()
    return json.loads(app.json.dumps(found))


def lines(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield *value* as JSON, with each operation and each schema on a line of its own."""
    if depth == 3 or not isinstance(value, dict) or not value:
        yield json.dumps(value, ensure_ascii=False, sort_keys=True)
        return
    yield "{"
    for number, (key, one) in enumerate(sorted(value.items())):
        first, *others = lines(one, depth + 1)
        rows = [f"{json.dumps(key)}: {first}", *others]
        rows[-1] += "," * (number < len(value) - 1)
        yield from (f" {row}" for row in rows)
    yield "}"


def main() -> None:
    for file in sorted(ROOT.glob("*/example/openapi.json")):
        file.write_text("\n".join(lines(document(file.parts[-3]))) + "\n")


if __name__ == "__main__":
    main()
