"""The extension: tasks are registered on it, and it gives applications a queue."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Set
from typing import Any, ParamSpec, TypeVar, Unpack, cast, overload

from quart import Blueprint, Quart, current_app

from quartpatterns.tasks.arq_worker import worker_settings
from quartpatterns.tasks.canvas import CanvasStep, enqueue, enqueue_sync
from quartpatterns.tasks.eager import EagerQueue
from quartpatterns.tasks.inspection import Inspector
from quartpatterns.tasks.jobs import Job
from quartpatterns.tasks.page import Access, tasks_blueprint
from quartpatterns.tasks.queue import Queue, Result, queue_of
from quartpatterns.tasks.task import Task, TaskOptions

__all__ = ["Tasks"]

P = ParamSpec("P")
R = TypeVar("R")


class Tasks:
    """The extension: it registers tasks, which are functions that a worker can run.

    A worker runs each task in the context of the application.

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
        app: The application. An application factory calls :meth:`init_app` instead.

    .. versionadded:: 0.1
    """

    def __init__(self, app: Quart | None = None) -> None:
        self._tasks: dict[str, Task[..., Any]] = {}
        self._schedule: list[tuple[Task[..., Any], dict[str, Any]]] = []
        self._apps: list[weakref.ref[Quart]] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Connect *app* to its queue. The settings are read now; Redis is not contacted.

        Raises:
            SettingError: A setting is invalid; a subclass of ``ValueError``.
            RuntimeError: The application already has tasks.
        """
        if "tasks" in app.extensions:
            raise RuntimeError(
                f"the application {app.name!r} already has tasks: call init_app() only once, and"
                " register all tasks on the same Tasks object"
            )
        if cast("dict[str, Any]", app.config).get("TASKS_EAGER"):
            eager = EagerQueue(app, self._tasks, self._schedule)
            eager.connect()
            app.before_serving(eager.warn_outside_of_tests)
            app.extensions["tasks"] = eager
        else:
            app.extensions["tasks"] = Queue(app, self._tasks, self._schedule)
        self._apps.append(weakref.ref(app))

    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...

    @overload
    def task(
        self, /, *, name: str | None = None, **options: Unpack[TaskOptions]
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...

    def task(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        **options: Unpack[TaskOptions],
    ) -> Any:
        """Make a function a task: ``@tasks.task``, or with options ``@tasks.task(timeout=30)``.

        The function may be ``async def``. A worker runs a synchronous one in a thread.

        Arguments:
            name: The name in the queue; by default module and function, as in Celery. It must be
                the same in the web process and in the worker.
            options: ``timeout`` is the maximum seconds that the task may run. ``max_tries`` is the
                maximum number of times that a job is started. ``keep_result`` is the seconds for
                which its result is stored; 0 stores none. ``autoretry_for`` is a tuple of error
                classes after which the job is started again, as after :exc:`Retry`. ``queue`` is
                the name of a queue in ``TASKS_QUEUES``. ``process=True`` runs a synchronous
                function in a process, which a timeout or a revocation kills. ``rate_limit`` is the
                number of starts in a period, for all workers together: ``"10/s"``, ``"100/m"``,
                ``"1000/h"``. ``unique=True`` queues no second job while one with the same arguments
                waits or runs, and returns that one; a number of seconds limits how long; a function
                of the arguments returns what is compared. The defaults of the first three are the
                settings of the application.

        Raises:
            ValueError: Another task has this name, or an option is invalid.
            TypeError: An option is unknown, or an ``async def`` function has ``process=True``.
        """
        if unknown := options.keys() - TaskOptions.__annotations__:
            names = ", ".join(["name", *TaskOptions.__annotations__])
            raise TypeError(
                f"unknown options of a task: {', '.join(sorted(unknown))}; the options are {names}"
            )

        def register(function: Callable[..., Any]) -> Task[..., Any]:
            return self._register(Task(function, name, options, self._apps))

        return register if function is None else register(function)

    def _register(self, task: Task[..., Any]) -> Task[..., Any]:
        # An application factory that is called twice defines its tasks twice.
        registered = self._tasks.get(task.name, task)
        if registered.origin != task.origin:
            raise ValueError(
                f"{task.origin} and {registered.origin} are both named {task.name!r}: pass another"
                " name to one of them, as in @tasks.task(name='...')"
            )
        self._tasks[task.name] = task
        return task

    def cron(
        self,
        task: Task[[], Any],
        *,
        month: int | Set[int] | None = None,
        day: int | Set[int] | None = None,
        weekday: int | str | Set[int] | None = None,
        hour: int | Set[int] | None = None,
        minute: int | Set[int] | None = None,
        second: int | Set[int] | None = 0,
    ) -> None:
        """Queue *task* at fixed times. This replaces Celery's ``beat`` process.

        The workers queue the task. Each time it is queued only once, even if several workers run.
        The times are in the time zone of the worker. ``hour=3, minute=30`` is every day at half
        past three. ``None`` matches every value.

        Arguments:
            task: A task without arguments.
            month: 1 to 12.
            day: The day of the month, 1 to 31.
            weekday: 0 (Monday) to 6, or ``"mon"`` to ``"sun"``.
            hour: 0 to 23.
            minute: 0 to 59.
            second: 0 to 59.
        """
        times = {"month": month, "day": day, "weekday": weekday}
        times |= {"hour": hour, "minute": minute, "second": second}
        self._schedule.append((task, times))

    def include(self, other: Tasks) -> None:
        """Also register the tasks and the schedule of *other*, as they are now.

        A worker can then run the tasks of several packages or applications, which have the same
        ``TASKS_QUEUE_NAME``.

        Arguments:
            other: The object on which the tasks are registered.

        Raises:
            ValueError: Another task has the name of one of them.
        """
        for task in other._tasks.values():
            self._register(task)
        self._schedule += other._schedule

    @property
    def inspect(self) -> Inspector:
        """Lists and numbers of jobs, and functions that retry, revoke and delete them."""
        return Inspector()

    def blueprint(
        self,
        *,
        access: Access | None = None,
        name: str = "tasks",
        url_prefix: str | None = "/tasks",
    ) -> Blueprint:
        """Return a page about the jobs: ``app.register_blueprint(tasks.blueprint(access=...))``.

        It shows queues, progress and failures, and can retry, revoke and delete jobs. It has
        ``stats.json``, ``jobs.json``, ``job.json?id=``, ``events`` (server-sent events, with
        ``?id=`` of one job until it ends) and ``metrics`` for Prometheus. Its forms are protected
        against CSRF, also by the application's own CSRF protection if it has one.

        Arguments:
            access: A function, synchronous or not, that returns True if the client of the current
                request may use all of this, and False for 403. It may also return another response,
                such as a redirect to the login page. Registration fails without it.
            name: The name of the blueprint.
            url_prefix: Where it is mounted.
        """
        return tasks_blueprint(access, name, url_prefix)

    async def result(self, id: str) -> Result:
        """Return the state of the job *id* now. It needs an application context.

        Raises:
            TasksUnavailableError: Redis cannot be reached.
        """
        return await queue_of(current_app).result(id)

    async def enqueue(self, calls: Iterable[CanvasStep[R]]) -> list[Job[R]]:
        """Queue many calls in one round trip. It needs an application context.

        ``await tasks.enqueue(resize.s(id) for id in ids)``. Up to 10,000 jobs are one round trip.

        Arguments:
            calls: Signatures, which :meth:`Task.s` and its ``set`` return, or chains.

        Returns:
            The jobs, in the order of the calls.

        Raises:
            TypeError: The arguments of a call do not fit, or are not JSON. Nothing is queued.
            ValueError: An option of a call is invalid. Nothing is queued.
            TasksUnavailableError: Redis cannot be reached.
        """
        return await enqueue(calls)

    def enqueue_sync(self, calls: Iterable[CanvasStep[R]]) -> list[Job[R]]:
        """Do the same in a synchronous view or task, in a thread, or in a script.

        Raises:
            RuntimeError: The thread runs an event loop, which this would block.
        """
        return enqueue_sync(calls)

    def job(self, id: str) -> Job[Any]:
        """Return a handle for the job *id*, to wait for it or to revoke it.

        The id does not tell which task it belongs to, so the type of the result is ``Any``.
        """
        return Job(id)

    def worker_settings(self, app: Quart, queue: str | None = None) -> dict[str, Any]:
        """Return the settings with which arq's own command runs the tasks of *app*.

        .. code-block:: python

            WorkerSettings = tasks.worker_settings(create_app())

        ``arq module.WorkerSettings`` then runs the tasks. In contrast to ``quartpatterns worker``,
        this worker exits if Redis stops, the jobs of a worker that dies are restarted later, and
        it has one queue.

        Arguments:
            app: The application.
            queue: The name of the queue, by default ``default``.
        """
        return worker_settings(app, queue)
