"""Processes for synchronous tasks: a worker can kill them, and outlives their crashes.

The worker starts the processes, each with one end of a socket. A message is its length, in four
bytes, and JSON. A process tells that it is ready, and then answers each call.

In the process, the function of a task runs in the main thread, where a signal can interrupt it. A
second thread has the event loop of the application, and a third one waits for messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue as queues
import signal
import socket
import struct
import subprocess
import threading
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Sequence
from contextvars import copy_context
from typing import Any

from quart import Quart

from quartpatterns._shared.cleanup import finish
from quartpatterns._shared.threads import to_thread
from quartpatterns.tasks.arq_format import (
    ArqRetry,
    ErrorText,
    NotJSONError,
    dumps,
    error_text,
    loads,
)
from quartpatterns.tasks.execution import Runner
from quartpatterns.tasks.jobs import RunningJob
from quartpatterns.tasks.queue import queue_with_tasks
from quartpatterns.tasks.task import Task, not_json_result

__all__ = ["ProcessLostError", "ProcessPool", "TaskProcess", "exit_text", "serve_process"]

logger = logging.getLogger("quartpatterns.tasks")

KILL_GRACE = 0.5
"""Seconds from SIGTERM, which lets ``finally`` blocks run, to SIGKILL."""

SHUTDOWN_TIMEOUT = 2.0
"""Seconds that the application in an idle process has to shut down."""

TERMINATED = 128 + signal.SIGTERM
_LENGTH = struct.Struct("!I")


class ProcessLostError(Exception):
    """The process that ran a task with ``process=True`` ended before the task.

    .. versionadded:: 0.1
    """


class RemoteError(ErrorText):
    """The text of an error that a task has raised in its process; the cause has its traceback."""


class RemoteTraceback(Exception):  # noqa: N818 - as in concurrent.futures
    """A traceback of another process."""

    def __str__(self) -> str:
        """Return the traceback."""
        return f"\n{self.args[0]}"


class TaskProcess:
    """A process that runs one job at a time.

    The system gives the number of a process to another one as soon as the first has been waited
    for. So nobody waits for this process before its group has been killed: a signal never reaches
    processes of others. That it has ended is known because its socket is closed then.

    Arguments:
        command: The command that starts it, to which the number of its socket is added.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._end: asyncio.Task[int] | None = None

    @property
    def alive(self) -> bool:
        """Whether it can run a job."""
        return self._process is not None and self._end is None and not self._reader.at_eof()

    @property
    def ending(self) -> bool:
        """Whether it is being ended, and has not ended yet."""
        return self._end is not None and not self._end.done()

    async def start(self) -> None:
        """Start the process, and wait until its application has started.

        Raises:
            ProcessLostError: The process has ended before.
        """
        ours, theirs = socket.socketpair()
        self._reader, self._writer = await asyncio.open_connection(sock=ours)
        try:
            with theirs:
                await finish(lambda: to_thread(self._execute, theirs.fileno()))
            await self._receive()
        except BaseException:
            await self.kill()
            raise

    def _execute(self, descriptor: int) -> None:
        self._process = subprocess.Popen(
            [*self._command, str(descriptor)],
            stdin=subprocess.DEVNULL,
            pass_fds=[descriptor],
            process_group=0,
        )

    async def call(
        self, task: Task[..., Any], job: RunningJob, args: Sequence[Any], kwargs: Any
    ) -> Any:
        """Run a task and return what it returned. If the caller is cancelled, kill the process.

        Raises:
            ArqRetry: The task is to be started again.
            RemoteError: The task failed.
            ProcessLostError: The process has ended.
        """
        message = {"task": task.name, "args": list(args), "kwargs": kwargs}
        message["job"] = [job.id, job.tries, job.deliveries]
        try:
            self._writer.write(_pack(dumps(message)))
            answer = await self._receive()
        except BaseException:
            # Nobody waits for the job after this, so it must not go on.
            await self.kill()
            raise
        if "retry" in answer:
            retry = ArqRetry()
            retry.defer_score = answer["retry"]
            raise retry
        if "error" in answer:
            raise RemoteError(answer["error"]) from RemoteTraceback(answer["traceback"])
        return answer["value"]

    async def kill(self) -> int:
        """End the process and those that it has started; return its exit code.

        They get SIGTERM, and SIGKILL when the process has ended or has not. If the caller is
        cancelled, this goes on.
        """
        return await self._ended(KILL_GRACE, signal.SIGTERM)

    async def close(self) -> None:
        """Let the idle process end, and kill it if it does not, or if it has left others."""
        await self._ended(SHUTDOWN_TIMEOUT + KILL_GRACE)

    async def _ended(self, seconds: float, number: signal.Signals | None = None) -> int:
        if self._end is None:
            self._end = asyncio.create_task(self._stop(seconds, number))
        return await asyncio.shield(self._end)

    async def _stop(self, seconds: float, number: signal.Signals | None) -> int:
        if (process := self._process) is None:
            self._writer.close()
            return 0
        with contextlib.suppress(OSError):
            # A process for which this is not the end of its socket ignores SIGTERM.
            self._writer.write_eof()
        if number is not None:
            self._send(process, number)
        # A TimeoutError is an OSError.
        with contextlib.suppress(OSError):
            async with asyncio.timeout(seconds):
                while await self._reader.read(65536):
                    pass
        self._send(process, signal.SIGKILL)
        self._writer.close()
        return await to_thread(process.wait)

    def _send(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)

    async def _receive(self) -> Any:
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            return loads(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ProcessLostError(_end_text(await self.kill())) from error


class ProcessPool:
    """The processes of a worker. It starts them when they are needed, and uses them again.

    Arguments:
        command: The command that starts one.
        size: The maximum number of processes.
    """

    def __init__(self, command: Sequence[str], size: int) -> None:
        self._command = command
        self._slots = asyncio.Semaphore(size)
        self._idle: list[TaskProcess] = []
        self._ending: set[TaskProcess] = set()

    async def start(self) -> None:
        """Start the first process: if the application cannot start there, the worker must not.

        Raises:
            ProcessLostError: It cannot.
        """
        async with self.process():
            pass

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncGenerator[TaskProcess]:
        """Return a process that is free; wait for one if all are in use.

        Raises:
            ProcessLostError: A new one has ended before its application had started.
        """
        async with self._slots:
            process = await self._free()
            try:
                if process is None:
                    process = TaskProcess(self._command)
                    await process.start()
                yield process
            finally:
                if process is not None and process.alive:
                    self._idle.append(process)
                elif process is not None and process.ending:
                    self._ending.add(process)

    async def _free(self) -> TaskProcess | None:
        """Return an idle process that can run a job."""
        self._ending = {process for process in self._ending if process.ending}
        while self._idle:
            process = self._idle.pop()
            if process.alive:
                return process
            await process.kill()
        return None

    async def close(self) -> None:
        """End all processes, which are idle or are being killed."""
        await asyncio.gather(*(process.close() for process in {*self._idle, *self._ending}))


def serve_process(app: Quart, descriptor: int) -> None:
    """Run jobs of *app* for a worker, until it closes its end of the socket.

    Arguments:
        app: The application.
        descriptor: The number of the socket.
    """
    _Server(app, socket.socket(fileno=descriptor)).serve()


class _Server:
    """The process of a worker."""

    def __init__(self, app: Quart, connection: socket.socket) -> None:
        self._app = app
        self._connection = connection
        self._loop = asyncio.new_event_loop()
        self._calls: queues.SimpleQueue[Callable[[], None]] = queues.SimpleQueue()
        self._queue = queue_with_tasks(app)
        self._runner = Runner(app, self._queue, call_sync=self._in_main_thread)
        self._busy = False
        self._ending = False
        self._process_id = os.getpid()
        # Processes that a task starts must not hold the socket: its end is the end of this one.
        connection.set_inheritable(False)
        os.register_at_fork(after_in_child=self._leave)

    def serve(self) -> None:
        """Run jobs; this never returns."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._terminate)
        for target in (self._run_loop, self._read):
            threading.Thread(target=target, daemon=True).start()
        try:
            while True:
                self._calls.get()()
        except SystemExit:
            _exit_with_group(TERMINATED)

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._app.startup())
        except BaseException:
            logger.exception("the application cannot start in a process for tasks")
            _exit(1)
        self._send({"ready": True})
        self._loop.run_forever()

    def _read(self) -> None:
        file = self._connection.makefile("rb")
        while True:
            try:
                head = file.read(_LENGTH.size)
                message = loads(file.read(_LENGTH.unpack(head)[0]))
            except (OSError, ValueError, struct.error):  # The worker has closed it, or has died.
                break
            self._busy = True
            asyncio.run_coroutine_threadsafe(self._run(message), self._loop)
        self._ending = True
        if self._busy:
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGTERM)
            time.sleep(KILL_GRACE)
        else:
            with contextlib.suppress(Exception):
                shutdown = asyncio.run_coroutine_threadsafe(self._app.shutdown(), self._loop)
                shutdown.result(SHUTDOWN_TIMEOUT)
        _exit_with_group(TERMINATED if self._busy else 0)

    def _terminate(self, *_: object) -> None:
        """End the task if the worker ends the process, or has died.

        A service manager sends SIGTERM to all processes of a service. It is for the worker to
        decide what becomes of its jobs then.
        """
        if self._ending:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            raise _TerminatedError

    def _leave(self) -> None:
        """Have no part in this, in a process that a task has forked."""
        os.close(self._connection.fileno())
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    async def _run(self, message: dict[str, Any]) -> None:
        task = self._queue.task(message["task"])
        try:
            if task is None:
                raise LookupError(f"function {message['task']!r} not found")
            job = self._runner.running_job(task, *message["job"])
            value = await self._runner.call(task, job, message["args"], message["kwargs"])
            try:
                answer = dumps({"value": value})
            except NotJSONError as error:
                raise not_json_result(task, error) from error
        except ArqRetry as retry:
            answer = dumps({"retry": retry.defer_score})
        except BaseException as error:
            lines = traceback.format_exception(error)
            answer = dumps({"error": error_text(error), "traceback": "".join(lines)})
        self._busy = False
        self._connection.sendall(_pack(answer))

    def _send(self, message: dict[str, Any]) -> None:
        self._connection.sendall(_pack(dumps(message)))

    async def _in_main_thread(self, function: Callable[[], Any]) -> Any:
        """Call *function* in the main thread, with the context of the caller."""
        context = copy_context()
        future: asyncio.Future[tuple[Any, BaseException | None]] = self._loop.create_future()

        def call() -> None:
            result: tuple[Any, BaseException | None]
            try:
                result = context.run(function), None
            except _TerminatedError:
                raise SystemExit from None
            except BaseException as error:
                result = None, error
            if os.getpid() != self._process_id:
                _exit(int(result[1] is not None))
            self._loop.call_soon_threadsafe(future.set_result, result)

        self._calls.put(call)
        value, error = await future
        if isinstance(error, StopIteration):
            raise RuntimeError("a synchronous function raised StopIteration") from error
        if error is not None:
            raise error
        return value


class _TerminatedError(SystemExit):
    """The worker ends the process."""


def _exit(code: int) -> None:
    logging.shutdown()
    os._exit(code)


def _exit_with_group(code: int) -> None:
    """End this process and those that its tasks have started: the worker may have died."""
    logging.shutdown()
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(code)


def _pack(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data


def exit_text(code: int) -> str:
    """Return how a process has ended, as ``exit code 1`` or ``SIGKILL``."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def _end_text(code: int) -> str:
    """Return how a process has ended."""
    if code >= 0:
        return f"the process of the task ended with {exit_text(code)}"
    hint = ": perhaps it needed too much memory" if code == -signal.SIGKILL else ""
    return f"the process of the task was ended by {exit_text(code)}{hint}"
