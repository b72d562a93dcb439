"""Signed jobs: whoever can write to Redis, but lacks the secret key, cannot run a task."""

from __future__ import annotations

import hashlib
from typing import Any

from itsdangerous import Signer
from quart import Quart

from quartpatterns._shared.settings import SettingError

__all__ = ["JobSignatureError", "JobSigner"]

SALT = b"quartpatterns.tasks"
_MARK = b',"sig":"'


class JobSignatureError(Exception):
    """The signature of a job is missing or wrong; the job is not run.

    .. versionadded:: 0.1
    """


class JobSigner:
    """Signs the data of jobs with ``SECRET_KEY``, and also accepts ``SECRET_KEY_FALLBACKS``.

    The signature is the last member of the JSON object, so that arq can read the data.

    Arguments:
        app: The application.

    Raises:
        SettingError: It has no ``SECRET_KEY``.
    """

    def __init__(self, app: Quart) -> None:
        config: dict[str, Any] = dict(app.config)
        key = config.get("SECRET_KEY")
        if not key:
            raise SettingError("TASKS_SIGNED", "TASKS_SIGNED needs a SECRET_KEY: set one.")
        # itsdangerous signs with the last key.
        keys: list[Any] = [*(config.get("SECRET_KEY_FALLBACKS") or []), key]
        self._signer = Signer(keys, salt=SALT, digest_method=hashlib.sha256)

    def sign(self, data: bytes) -> bytes:
        """Return *data*, a JSON object, with its signature."""
        return data[:-1] + _MARK + self._signer.get_signature(data) + b'"}'

    def check(self, data: bytes) -> None:
        """Check the signature of *data*.

        Raises:
            JobSignatureError: It is missing or wrong.
        """
        head, mark, signature = data.rpartition(_MARK)
        if not mark:
            raise JobSignatureError("the job is not signed (TASKS_SIGNED)")
        if not self._signer.verify_signature(head + b"}", signature.removesuffix(b'"}')):
            raise JobSignatureError("the signature of the job is wrong (TASKS_SIGNED)")

    def check_id(self, signed: object, id: object) -> None:
        """Check that the data was signed for *id*.

        Raises:
            JobSignatureError: It was signed for another job.
        """
        if signed != id:
            raise JobSignatureError("the job was signed with another id (TASKS_SIGNED)")
