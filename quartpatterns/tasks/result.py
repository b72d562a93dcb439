"""What becomes of a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Result"]


@dataclass(frozen=True, slots=True)
class Result:
    """What is known of a job, at one moment.

    The words are those of Celery's ``AsyncResult``. An id that nobody knows looks like one that is
    pending, as there too.

    Arguments:
        id: The job's id.
        ready: Whether it has ended.
        successful: Whether it has ended well; false while it is pending.
        value: What the task returned, or the text of its error; ``None`` while it is pending.
        progress: What the task last told with ``current_job.update_progress``.
    """

    id: str
    ready: bool = False
    successful: bool = False
    value: Any = None
    progress: Any = None
