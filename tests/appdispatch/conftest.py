"""What blockbuster allows in these tests."""

from __future__ import annotations

import pytest
from blockbuster import BlockBuster


@pytest.fixture(autouse=True)
def allow_blocking_in_quart(no_blocking: BlockBuster) -> None:
    """An asynchronous factory makes a Quart, which looks up its folders, on the event loop."""
    for name in ("os.path.abspath", "os.getcwd", "os.stat"):
        no_blocking.functions[name].can_block_in("quart/app.py", "__init__")
