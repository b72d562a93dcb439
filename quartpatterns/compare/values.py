"""Read the values for the arguments of URL rules and for the fields of forms."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from quartpatterns.compare.files import CaseFileError, convert, parse_toml, read_text
from quartpatterns.compare.rules import URLRule

_One = str | int | float | bool
_Given = _One | list[_One]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    arguments: dict[str, _Given] = {}
    rules: dict[str, dict[str, _Given]] = {}
    fields: dict[str, _One] = {}


@dataclass(frozen=True)
class RuleValues:
    """The values as texts, as they are in a URL or in a form.

    Arguments:
        arguments: By the name of the argument, for every rule that has it.
        rules: By the rule and the name of the argument, for this rule.
        fields: By the name of the field, for every form that has it.
    """

    arguments: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    rules: Mapping[str, Mapping[str, Sequence[str]]] = field(
        default_factory=dict[str, Mapping[str, Sequence[str]]]
    )
    fields: Mapping[str, str] = field(default_factory=dict[str, str])

    def of(self, rule: URLRule) -> Iterator[dict[str, str]]:
        """Yield the values of all arguments of *rule*, for one request after the other.

        There are as many requests as the longest list has values; shorter lists are repeated.
        """
        own = {**rule.choices, **self.arguments, **self.rules.get(rule.path, {})}
        lists = {name: own.get(name, ()) for name in rule.arguments}
        if not lists or not all(lists.values()):
            return
        for index in range(max(map(len, lists.values()))):
            yield {name: each[index % len(each)] for name, each in lists.items()}

    def missing(self, rule: URLRule) -> list[str]:
        """Return the arguments of *rule* that have no value."""
        own = {**rule.choices, **self.arguments, **self.rules.get(rule.path, {})}
        return [name for name in rule.arguments if not own.get(name)]


def read_values(path: Path, rules: Iterable[URLRule]) -> RuleValues:
    """Return the values of a TOML file.

    ``[arguments]`` has a value, or a list of several, for each name of an argument. ``[rules.X]``
    has those of the rule X alone, and ``[fields]`` one for each name of a form's field::

        [arguments]
        id = [1, 99]
        [rules."/users/<name>"]
        name = "ada"
        [fields]
        email = "ada@example.com"

    Arguments:
        path: The file.
        rules: The rules of the applications.

    Raises:
        CaseFileError: The file is missing or malformed, or names no rule or argument.
    """
    read = convert(path, parse_toml(path, read_text(path)), _File)
    paths = {rule.path: set(rule.arguments) for rule in rules}
    arguments = {name for names in paths.values() for name in names}
    for name in read.arguments:
        _check(path, "argument", name, arguments)
    for rule, given in read.rules.items():
        _check(path, "rule", rule, paths)
        for name in given:
            _check(path, f"argument of {rule}", name, paths[rule])
    return RuleValues(
        _texts(read.arguments),
        {rule: _texts(given) for rule, given in read.rules.items()},
        {name: _text(value) for name, value in read.fields.items()},
    )


def _check(path: Path, what: str, name: str, known: Iterable[str]) -> None:
    known = sorted(known)
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=3)
    if close:
        hint = f"; did you mean {' or '.join(close)}?"
    else:
        hint = f"; there is {', '.join(known)}" if known else "; there is none"
    raise CaseFileError(f"{path}: no {what} is called {name!r}{hint}")


def _texts(given: Mapping[str, _Given]) -> dict[str, list[str]]:
    return {
        name: [_text(value) for value in (values if isinstance(values, list) else [values])]
        for name, values in given.items()
    }


def _text(value: _One) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
