"""The error of a form that is larger than the application allows."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from quart.wrappers import Request
from werkzeug.exceptions import RequestEntityTooLarge

from quartpatterns._shared.sizes import readable_size

__all__ = ["FormTooLargeError", "naming_limit"]


class FormTooLargeError(RequestEntityTooLarge):
    """413: the submitted form exceeds a limit, which the description names.

    The limits are ``MAX_CONTENT_LENGTH``, ``MAX_FORM_MEMORY_SIZE`` and ``MAX_FORM_PARTS``, or the
    attributes of ``request`` with these names.

    .. versionadded:: 0.1
    """


@contextmanager
def naming_limit(current: Request) -> Generator[None]:
    """Raise :exc:`FormTooLargeError` instead of a 413 that does not say which limit it means."""
    try:
        yield
    except RequestEntityTooLarge as error:
        if type(error) is not RequestEntityTooLarge:
            raise
        raise FormTooLargeError(_description(current)) from error


def _description(current: Request) -> str:
    body, length = current.max_content_length, current.content_length
    if body is not None and length is not None and length > body:
        return f"The form is larger than {readable_size(body)}. Choose smaller files."
    # The error does not say which of these limits it means.
    reasons: list[str] = []
    if body is not None and length is None:
        reasons.append(f"it is larger than {readable_size(body)}")
    if (text := current.max_form_memory_size) is not None:
        reasons.append(f"one of its texts is larger than {readable_size(text)}")
    if (parts := current.max_form_parts) is not None:
        reasons.append(f"it has more than {parts} fields")
    if not reasons:
        return "The form is too large."
    return f"The form is too large: {', or '.join(reasons)}."
