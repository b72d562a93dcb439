"""The extension: tasks are registered on it, applications are given to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

from arq.cron import cron
from quart import Quart, current_app

from quartpatterns.tasks.functions import worker_settings
from quartpatterns.tasks.queue import Job, Queue, queue_of
from quartpatterns.tasks.result import Result
from quartpatterns.tasks.settings import read_settings
from quartpatterns.tasks.task import Options, Task

__all__ = ["Tasks"]

P = ParamSpec("P")
R = TypeVar("R")


class Tasks:
    """Tasks that a worker runs in the application's context.

    .. code-block:: python

        tasks = Tasks(app)


        @tasks.task
        def add_together(a: int, b: int) -> int:
            return a + b


        @app.post("/add")
        async def start_add():
            form = await request.form
            job = await add_together.delay(form.get("a", type=int), form.get("b", type=int))
            return {"result_id": job.id}

    Arguments:
        app: The application; a factory calls :meth:`init_app` instead.
    """

    def __init__(self, app: Quart | None = None) -> None:
        self._tasks: dict[str, Task[..., Any]] = {}
        self._schedule: list[tuple[Task[..., Any], dict[str, Any]]] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Give *app* a queue. Its configuration is read now, Redis is not asked.

        Raises:
            ValueError: A configuration value can't be used.
            RuntimeError: The application has tasks already.
        """
        if "tasks" in app.extensions:
            raise RuntimeError(f"the application {app.name!r} has tasks already")
        app.extensions["tasks"] = Queue(app, read_settings(app), self._tasks, self._schedule)

    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...

    @overload
    def task(
        self,
        /,
        *,
        name: str | None = None,
        timeout: float | None = None,
        max_tries: int | None = None,
        keep_result: float | None = None,
        autoretry_for: tuple[type[Exception], ...] = (),
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...

    def task(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        timeout: float | None = None,
        max_tries: int | None = None,
        keep_result: float | None = None,
        autoretry_for: tuple[type[Exception], ...] = (),
    ) -> Any:
        """Make a function a task; ``@tasks.task``, or with options ``@tasks.task(timeout=30)``.

        It may be ``async def``, or a plain function, which is run in a thread.

        Arguments:
            name: What the queue calls it; by default module and function, as in Celery. The web
                process and the worker must agree on it.
            timeout: The seconds it may run (``TASKS_TIMEOUT``).
            max_tries: How often it is started at most (``TASKS_MAX_TRIES``).
            keep_result: The seconds its result is kept, 0 for none (``TASKS_KEEP_RESULT``).
            autoretry_for: Errors that mean another try, after a growing pause.

        Raises:
            ValueError: Another task has this name, or an option makes no sense.
        """
        options = Options(timeout, max_tries, keep_result, autoretry_for)

        def register(function: Callable[..., Any]) -> Task[..., Any]:
            return self._register(Task(function, name, options))

        return register if function is None else register(function)

    def _register(self, task: Task[..., Any]) -> Task[..., Any]:
        known = self._tasks.setdefault(task.name, task)
        # A factory that is called twice defines its tasks twice.
        if known.origin != task.origin:
            raise ValueError(
                f"{task.origin} and {known.origin} are both the task {task.name!r}: give one of"
                " them another name="
            )
        self._tasks[task.name] = task
        return task

    def cron(self, task: Task[[], Any], **when: Any) -> None:
        """Have a worker queue *task* at set times; Celery's ``beat``, without a process of its own.

        However many workers there are, it is queued once.

        Arguments:
            task: A task without arguments.
            when: ``month``, ``day``, ``weekday``, ``hour``, ``minute`` and ``second``, each a
                number or a set of them, in the worker's time zone; ``hour=3, minute=30`` is every
                day at half past three. What isn't given matches always, but for ``second=0``.

        Raises:
            TypeError: There is no such time.
        """
        cron(_nothing, **when)
        self._schedule.append((task, when))

    async def result(self, id: str) -> Result:
        """What is known of the job *id* now; needs an application context.

        Raises:
            TasksUnavailableError: Redis can't be reached.
        """
        return await queue_of(current_app).result(id)

    def job(self, id: str) -> Job:
        """A handle on the job *id*, to wait for it or to revoke it."""
        return Job(id)

    def worker_settings(self, app: Quart) -> dict[str, Any]:
        """The settings with which arq's own command runs the tasks of *app*.

        Its argument is then the name of this value: ``arq module.WorkerSettings``. What
        ``quartpatterns worker`` adds to arq is not in them.
        """
        return worker_settings(app)


async def _nothing(ctx: dict[Any, Any]) -> None: ...
