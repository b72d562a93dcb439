"""Send functions that wait, and that nothing can await, to threads."""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.analysis import Analysis
from quartpatterns.porting.project import PythonFile
from quartpatterns.porting.values import FunctionInfo

__all__ = ["send_to_threads"]

# Decorators with which a function can be called in a thread.
ALLOWED = frozenset({"classmethod", "staticmethod"})


def send_to_threads(analysis: Analysis) -> None:
    """Note which calls are sent to a thread.

    In an asynchronous function, this is the call that waits. A synchronous function with such a
    call stays as it is, and the asynchronous functions that call it send it to a thread.
    """
    running = analysis.on_the_event_loop()
    for node, file in analysis.threadable.items():
        if _send(node, file, analysis, running, set()) and node in analysis.in_threads:
            analysis.blocking.pop(node, None)


def _send(
    node: cst.CSTNode,
    file: PythonFile,
    analysis: Analysis,
    running: set[FunctionInfo],
    seen: set[FunctionInfo],
) -> bool:
    """Send a call to a thread; return whether it does not run on the event loop then."""
    info = analysis.enclosing(node, file)
    if file.is_test or info is None or info not in running:
        return True
    if not isinstance(node, cst.Call) or analysis.place(node, file) is not info.node:
        return False
    if info.asynchronous:
        if node not in analysis.awaited:
            analysis.in_threads.add(node)
            analysis.await_(node, file, f"asyncio.to_thread({file.source(node.func)})")
        return node in analysis.in_threads
    if info.on_loop or info.generator or info.kinds - ALLOWED or info.with_items:
        return False
    if info in seen:
        return True
    seen.add(info)
    return all([_send(call, place, analysis, running, seen) for call, place in info.calls.items()])
