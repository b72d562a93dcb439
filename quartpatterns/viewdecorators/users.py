"""Somebody and nobody."""

from __future__ import annotations

from typing import Any

__all__ = ["Anonymous", "UserMixin"]


class UserMixin:
    """What a user class needs beside its ``id``, as in Flask-Login."""

    id: Any
    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """The id that the session keeps, and that the user loader is given."""
        return str(self.id)


class Anonymous:
    """Nobody: what :data:`current_user` stands for when nobody is logged in."""

    is_authenticated = False
    is_active = False
    is_anonymous = True

    def __bool__(self) -> bool:
        return False

    def get_id(self) -> None:
        """Nobody has no id."""
