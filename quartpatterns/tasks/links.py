"""Links between jobs: what follows when one has ended.

The data of a job contains its links, a list of nodes in JSON. A worker that has run the job turns
them into changes of the queue, which Redis makes together with storing the result. So what follows
is neither lost nor done twice if the worker dies.

A node is one of these:

* ``{"f": task, "a": arguments, "k": keyword arguments, "id": id, "im": immutable, "o": options}``
  is a call. It gets the value of the job before it as its first argument, unless it is immutable.
* ``{"chain": [node, ...]}`` are steps, one after the other.
* ``{"group": [node, ...], "id": id}`` are members that run side by side. The list of their values
  is the value of the group. It waits for them in a join, of which Redis counts the values.
* ``{"join": id, "index": number}`` stands for the rest of a group's links: the value goes to its
  join.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from quartpatterns.tasks.arq_format import JobData, dumps, encode_result, encode_value
from quartpatterns.tasks.changes import (
    Change,
    CreateJoin,
    Enqueue,
    ExpectJob,
    ReportError,
    ReportValue,
    StoreResult,
)

if TYPE_CHECKING:
    from quartpatterns.tasks.queue import Queue

__all__ = ["COLLECT", "Node", "after_error", "after_value", "calls_in", "expect", "start"]

Node = dict[str, Any]

COLLECT = "quartpatterns.collect"
"""The task, known to each worker, that returns the values of a group."""

EXPECTED = 7 * 86_400_000
"""Milliseconds in which a job that depends on others has to be queued, if one waits for it."""


def start(queue: Queue, node: Node, then: Sequence[Node], values: Sequence[Any]) -> list[Change]:
    """Return the changes that start *node*.

    Arguments:
        queue: The queue of the application.
        node: What to start.
        then: What follows.
        values: The value of what came before, if anything did.
    """
    if "chain" in node:
        first, *rest = node["chain"]
        return start(queue, first, [*rest, *then], values)
    if "group" in node:
        return _start_group(queue, node, then, values)
    args = node["a"] if node["im"] else [*values, *node["a"]]
    return [_call(queue, node, args, then)]


def after_value(queue: Queue, then: Sequence[Node], value: Any) -> list[Change]:
    """Return the changes that follow when a job has returned *value*."""
    if not then:
        return []
    first, *rest = then
    if "join" in first:
        data = encode_value(first["join"], first["index"], value, queue.signer)
        return [ReportValue(queue.arq_id(first["join"]), first["index"], data)]
    return start(queue, first, rest, [value])


def after_error(queue: Queue, then: Sequence[Node], error: str) -> list[Change]:
    """Return the changes that follow when a job has failed: what depends on it fails too.

    Arguments:
        queue: The queue of the application.
        then: The links of the job.
        error: The text of its error.
    """
    changes: list[Change] = []
    for node in then:
        if "join" in node:
            changes.append(ReportError(queue.arq_id(node["join"]), dumps(error)))
        else:
            changes += [_failure(queue, call, error) for call in calls_in(node)]
    return changes


def calls_in(node: Node) -> Iterator[Node]:
    """Return the calls in *node*."""
    nodes = node.get("chain") or node.get("group")
    if nodes is None:
        if "f" in node:
            yield node
        return
    for each in nodes:
        yield from calls_in(each)


def expect(queue: Queue, id: str) -> ExpectJob:
    """Return the change that notes that the job *id* will be queued later."""
    return ExpectJob(id, queue.arq_id(id), EXPECTED)


def _start_group(
    queue: Queue, node: Node, then: Sequence[Node], values: Sequence[Any]
) -> list[Change]:
    members: list[Node] = node["group"]
    if not members:
        return after_value(queue, then, [])
    first: Node = then[0]
    rest = list(then[1:])
    if "f" not in first or "countdown" in first["o"] or "eta" in first["o"]:
        # The job of a join starts at once, so a task that only returns the values goes before.
        options = dict(next(calls_in(node))["o"])
        options = {"queue": options["queue"]} if "queue" in options else {}
        first = {"f": COLLECT, "a": [], "k": {}, "id": node["id"], "im": False, "o": options}
        rest = list(then)
    join = None if first["im"] else (node["id"], len(members))
    job = _call(queue, first, first["a"], rest, join)
    changes: list[Change] = [
        CreateJoin(queue.arq_id(node["id"]), len(members), job, with_values=join is not None)
    ]
    for index, member in enumerate(members, 1):
        changes += start(queue, member, [{"join": node["id"], "index": index}], values)
    return changes


def _call(
    queue: Queue,
    node: Node,
    args: Sequence[Any],
    then: Sequence[Node],
    join: tuple[str, int] | None = None,
) -> Enqueue:
    options = dict(node["o"])
    if "eta" in options:
        options["eta"] = datetime.fromisoformat(options["eta"])
    call = queue.call(
        node["f"], args, node["k"], task_id=node["id"], then=then, join=join, **options
    )
    return replace(call, linked=True)


def _failure(queue: Queue, node: Node, error: str) -> StoreResult:
    now, id = round(time.time() * 1000), queue.arq_id(node["id"])
    job = JobData(node["f"], node["a"], node["k"], now)
    data = encode_result(job, id, queue.settings.queue_name, 0, False, error, now, now)
    keep = round(queue.keep_result(queue.task(node["f"])) * 1000)
    return StoreResult(node["id"], id, data, keep, error)
