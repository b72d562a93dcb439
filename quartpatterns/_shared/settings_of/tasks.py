"""The settings of :mod:`quartpatterns.tasks`."""

from __future__ import annotations

from quartpatterns._shared.declarations import Declarations, Seconds, Setting, Strings

__all__ = ["SETTINGS"]

SETTINGS = Declarations(
    {
        "REDIS_URL": Setting(
            str | None, "redis://localhost:6379/0", "`redis://`, `rediss://` or `unix://`"
        ),
        "TASKS_QUEUE_NAME": Setting(
            str | None,
            None,
            "Name of the queue; by default `tasks:` and the application's name. Each application on"
            " the same Redis needs its own name. The web process and its workers need the same"
            " name.",
        ),
        "TASKS_QUEUES": Setting(
            Strings,
            ["default"],
            "Names of the queues, the most important first. `default` must be one of them.",
        ),
        "TASKS_TIMEOUT": Setting(Seconds, 300, "How long a task may run."),
        "TASKS_MAX_TRIES": Setting(
            int,
            5,
            "Maximum number of times that a job is started: the first time, and after each"
            " `Retry`.",
        ),
        "TASKS_MAX_CRASHES": Setting(
            int,
            3,
            "Maximum number of workers that may die while they run a job that alone can be to"
            " blame.",
        ),
        "TASKS_KEEP_RESULT": Setting(Seconds, 3600, "How long a result is stored; 0 stores none."),
        "TASKS_EXPIRES": Setting(
            Seconds,
            86400,
            "How long a job may wait to be started for the first time before it fails as expired.",
        ),
        "TASKS_MAX_JOBS": Setting(
            int, 10, "Maximum number of jobs that a worker runs at the same time."
        ),
        "TASKS_PROCESSES": Setting(
            int | None,
            None,
            "Maximum number of processes that a worker starts for tasks with `process=True`; by"
            " default the number of CPUs.",
        ),
        "TASKS_POLL_DELAY": Setting(
            Seconds,
            1,
            "Time after which an idle worker looks at the queue by itself, for jobs that arq's"
            " client has queued.",
        ),
        "TASKS_LEASE": Setting(
            Seconds,
            10,
            "Time after which another worker restarts the jobs of a worker that died.",
        ),
        "TASKS_SHUTDOWN_TIMEOUT": Setting(
            Seconds,
            5,
            "Time that running jobs have to end after the worker receives a signal to stop. Jobs"
            " that are still running are then queued again.",
        ),
        "TASKS_REDIS_TIMEOUT": Setting(Seconds, 3, "How long to wait for a response of Redis."),
        "TASKS_MAX_CONNECTIONS": Setting(
            int, 20, "Maximum number of connections to Redis of one process."
        ),
        "TASKS_KEEP_FAILED": Setting(
            int,
            1000,
            "Maximum number of failed jobs of a queue that are kept with their tracebacks; 0 keeps"
            " none.",
        ),
        "TASKS_SIGNED": Setting(
            bool,
            False,
            "Whether jobs are signed with `SECRET_KEY`. A job without a valid signature is not"
            " run.",
        ),
        "TASKS_MAX_SIZE": Setting(
            int,
            10 * 1024 * 1024,
            "Maximum size of the arguments of a job, of arguments and result together, and of the"
            " progress, as JSON.",
            unit="bytes",
        ),
        "TASKS_EAGER": Setting(
            bool, False, "Whether the application runs its jobs itself, for tests."
        ),
    },
    prefixes=("TASKS_",),
)
