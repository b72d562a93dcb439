"""What the guard on the loop allows here."""

from __future__ import annotations

import pytest
from blockbuster import BlockBuster


@pytest.fixture(autouse=True)
def making_applications(no_blocking: BlockBuster) -> None:
    """An asynchronous factory makes its Quart on the loop, which looks up its folders."""
    for name in ("os.path.abspath", "os.getcwd", "os.stat"):
        no_blocking.functions[name].can_block_in("quart/app.py", "__init__")
