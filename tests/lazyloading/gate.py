"""Events between a test and the import of a module, which runs in a thread.

The module calls :func:`wait`, and the test waits for :data:`started` and sets :data:`proceed`.
"""

from __future__ import annotations

import threading

started = threading.Event()
proceed = threading.Event()


def wait() -> None:
    """Wait until the test lets the import go on."""
    started.set()
    assert proceed.wait(20)
