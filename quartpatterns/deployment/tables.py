"""A table of TOML whose keys are taken out one by one, and checked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast, overload

from quartpatterns.deployment.errors import SettingsError

__all__ = ["Table"]


class Table:
    """One table; a key may be asked for more than once.

    Arguments:
        where: What messages call it.
        data: Its keys and values.
    """

    def __init__(self, where: str, data: object) -> None:
        self.where = where
        self._asked: set[str] = set()
        self._subs: dict[str, Table] = {}
        if not isinstance(data, Mapping):
            raise SettingsError(f"{where} is {data!r}: it should be a table")
        self._data = cast(Mapping[str, Any], data)

    def keys(self) -> list[str]:
        """Its keys, in their order; all count as asked for."""
        self._asked |= set(self._data)
        return list(self._data)

    def knows(self, *keys: str) -> None:
        """Count *keys* as asked for."""
        self._asked.update(keys)

    def sub(self, key: str, *, short: str | None = None) -> Table:
        """The table at *key*, empty where there is none.

        Arguments:
            key: Its key.
            short: The key that a text in place of the table stands for.
        """
        self._asked.add(key)
        if key not in self._subs:
            value = self._data.get(key, {})
            if short and isinstance(value, str):
                value = {short: value}
            self._subs[key] = Table(f"{self.where} {key}", value)
        return self._subs[key]

    def text(
        self,
        key: str,
        default: str | None = None,
        *,
        pattern: re.Pattern[str] | None = None,
        choices: Sequence[str] = (),
    ) -> str:
        """The text at *key*, which must be there where there is no *default*."""
        value = self._get(key, default)
        if value is None:
            raise SettingsError(f"{self.where}: {key} is missing: add {key} = ...")
        if not isinstance(value, str) or not value.strip() or "\n" in value or "\0" in value:
            raise self.wrong(key, value, "be a text of one line")
        if choices and value not in choices:
            raise self.wrong(key, value, f"be one of {', '.join(choices)}")
        if pattern and not pattern.fullmatch(value):
            raise self.wrong(key, value, f"match {pattern.pattern}")
        return value

    def optional_text(self, key: str, *, pattern: re.Pattern[str] | None = None) -> str | None:
        """The text at *key*, or ``None``."""
        return self.text(key, pattern=pattern) if key in self._data else self._get(key, None)

    def texts(
        self, key: str, default: Sequence[str], pattern: re.Pattern[str] | None = None
    ) -> tuple[str, ...]:
        """The texts at *key*; a single one may stand without brackets."""
        value = self._get(key, default)
        several = [value] if isinstance(value, str) else value
        if not isinstance(several, list | tuple) or not all(
            isinstance(one, str) and one and (not pattern or pattern.fullmatch(one))
            for one in cast(list[object], several)
        ):
            how = f" that match {pattern.pattern}" if pattern else ""
            raise self.wrong(key, value, f"be a list of texts{how}")
        return tuple(cast(list[str], several))

    def path(self, key: str, root: Path) -> Path | None:
        """The path at *key*, relative to *root*."""
        text = self.optional_text(key)
        return root / Path(text).expanduser() if text else None

    @overload
    def whole(self, key: str, default: int) -> int: ...
    @overload
    def whole(self, key: str, default: None) -> int | None: ...
    def whole(self, key: str, default: int | None) -> int | None:
        """The whole number at *key*, 1 or more."""
        value = self._get(key, default)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.wrong(key, value, "be a whole number, 1 or more")
        return value

    def number(self, key: str, default: float) -> float:
        """The number at *key*, more than 0."""
        value = self._get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e6:
            raise self.wrong(key, value, "be seconds, more than 0")
        return float(value)

    def wrong(self, key: str, value: object, should: str) -> SettingsError:
        """The error that *value* at *key* is not as it *should* be."""
        place = f"{self.where}: {key}" if key else self.where
        return SettingsError(f"{place} is {value!r}: it should {should}")

    def finish(self) -> None:
        """Refuse keys that nobody has asked for.

        Raises:
            SettingsError: There is one; the message names the key that comes closest.
        """
        for key in self._data:
            if key not in self._asked:
                close = difflib.get_close_matches(key, self._asked, n=1)
                hint = f"do you mean {close[0]}?" if close else f"there is {self._known()}"
                raise SettingsError(f"{self.where}: there is no setting {key!r}; {hint}")

    def _known(self) -> str:
        return ", ".join(sorted(self._asked))

    def _get(self, key: str, default: Any) -> Any:
        self._asked.add(key)
        return self._data.get(key, default)
