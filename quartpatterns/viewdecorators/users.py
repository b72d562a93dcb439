"""Base classes of users."""

from __future__ import annotations

from typing import Any

__all__ = ["AnonymousUserMixin", "UserMixin"]


class UserMixin:
    """Base of user classes, as in Flask-Login. A subclass has an ``id``, or ``get_id()``.

    Two users are equal if their ``get_id()`` is.

    .. versionadded:: 0.1
    """

    id: Any

    # Python sets it to None in a class that has __eq__.
    __hash__ = object.__hash__

    @property
    def is_active(self) -> bool:
        """Whether the user may log in."""
        return True

    @property
    def is_authenticated(self) -> bool:
        """Whether the user is logged in: an inactive user is not."""
        return self.is_active

    @property
    def is_anonymous(self) -> bool:
        """Whether this stands for a visitor who is not logged in."""
        return False

    def get_id(self) -> str:
        """Return the string that the session stores and the user loader gets.

        Raises:
            NotImplementedError: There is no attribute ``id``.
        """
        try:
            return str(self.id)
        except AttributeError:
            raise NotImplementedError(
                f"{type(self).__name__} has no attribute id: write a method get_id()"
            ) from None

    def __eq__(self, other: object) -> bool:
        """Return whether *other* is a user with the same id."""
        if isinstance(other, UserMixin):
            return self.get_id() == other.get_id()
        return NotImplemented


class AnonymousUserMixin:
    """What :data:`current_user` is if nobody is logged in. It is false in a condition.

    .. versionadded:: 0.1
    """

    @property
    def is_authenticated(self) -> bool:
        """False."""
        return False

    @property
    def is_active(self) -> bool:
        """False."""
        return False

    @property
    def is_anonymous(self) -> bool:
        """True."""
        return True

    def get_id(self) -> None:
        """Return None."""

    def __bool__(self) -> bool:
        return False
