"""The rules: what functions and types of libraries become on asyncio. They are TOML files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

__all__ = ["NameRule", "RuleError", "Rules", "TypeRule", "load_rules"]

NO_NAMES: frozenset[str] = frozenset()


class RuleError(Exception):
    """A file of rules is wrong."""


@dataclass(frozen=True, slots=True)
class NameRule:
    """What the port does with a name that is imported.

    Attributes:
        instance: The type of the object with this name.
        returns: The type of what a call returns, after it is awaited.
        awaited: Whether a call has to be awaited.
        accepts: Whether functions that are passed to it can be asynchronous.
        views: Whether functions that are passed to it handle requests.
        passes: The type of the last argument that these functions get.
        transparent: Whether, as a decorator, it returns a function that is called alike.
        kind: What a decorator makes of a function: ``property``, ``contextmanager`` and so on. A
            ``proxy`` stands for what the function returns, ``middleware`` wraps applications, and
            ``decorator`` makes a decorator, whose first argument is the decorated function.
        replace: The full name to import instead, in the stage ``modernise``.
        port: The full name to import instead, in the stages ``async`` and ``data``.
        method: The method of the new class that does what the old function did.
        unwrap: An attribute of the old object that is the new one.
        keywords: Keyword arguments that have other names now. Those without a name are removed.
        values: Strings that have other values now, in arguments after the first one.
        arguments: What to write after a decorator that is used without parentheses: ``()``.
        on_loop: Whether only calls that run on the event loop are ported. The others keep the rule
            that this one replaces.
        thread: Whether calls that run on the event loop are sent to a thread.
        blocks: Why a call stops the event loop, and what to write instead.
        report: Why it cannot be ported, and what to write instead.
        differs: What is different on Quart, and what to look at.
    """

    instance: str = ""
    returns: str = ""
    awaited: bool = False
    accepts: bool = False
    views: bool = False
    passes: str = ""
    transparent: bool = False
    kind: str = ""
    replace: str = ""
    port: str = ""
    method: str = ""
    unwrap: str = ""
    keywords: dict[str, str] = field(default_factory=dict[str, str])
    values: dict[str, str] = field(default_factory=dict[str, str])
    arguments: str = ""
    on_loop: bool = False
    thread: bool = False
    blocks: str = ""
    report: str = ""
    differs: str = ""


@dataclass(frozen=True, slots=True)
class TypeRule:
    """What the port does with the attributes and methods of a type.

    Attributes:
        bases: Types whose rules apply as well.
        awaited: Methods whose calls have to be awaited.
        properties: Attributes that have to be awaited.
        attributes: The types of attributes. Here, in *returns* and in *blocks*, ``*`` stands for
            all others.
        returns: The types of what methods return.
        accepts: Methods, whose arguments can be asynchronous functions.
        views: Methods, whose arguments are functions that handle requests.
        passes: The types of the last argument that functions get which are passed to methods.
        async_with: Whether ``with`` becomes ``async with``.
        async_for: Whether ``for`` becomes ``async for``.
        create: A coroutine method that creates instances in place of the class.
        overrides: Methods of subclasses that become asynchronous.
        items: The type of its items.
        open: Whether users assign attributes of their own, as to ``flask.g``.
        thread: Methods whose calls on the event loop are sent to a thread.
        escapes: What to write if code outside of the project gets an object of this type.
        blocks: Methods that stop the event loop, and what to write instead. ``__enter__``,
            ``__exit__`` and ``__iter__`` are those of ``with`` and ``for``.
        report: Methods and attributes that cannot be ported, and what to write instead. An item is
            written with brackets: ``[name]``.
    """

    bases: tuple[str, ...] = ()
    awaited: frozenset[str] = NO_NAMES
    properties: frozenset[str] = NO_NAMES
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    returns: dict[str, str] = field(default_factory=dict[str, str])
    accepts: frozenset[str] = NO_NAMES
    views: frozenset[str] = NO_NAMES
    passes: dict[str, str] = field(default_factory=dict[str, str])
    async_with: bool = False
    async_for: bool = False
    create: str = ""
    overrides: frozenset[str] = NO_NAMES
    items: str = ""
    open: bool = False
    thread: frozenset[str] = NO_NAMES
    escapes: str = ""
    blocks: dict[str, str] = field(default_factory=dict[str, str])
    report: dict[str, str] = field(default_factory=dict[str, str])

    def blocked(self, method: str) -> str:
        """Return what to write instead of a method that stops the event loop, or ""."""
        return _of_name(self.blocks, method)

    def returned(self, method: str) -> str:
        """Return the type of what a method returns, or ""."""
        return _of_name(self.returns, method)

    def attribute(self, name: str) -> str:
        """Return the type of an attribute, or ""."""
        is_method = name in self.blocks or name in self.returns
        return "" if is_method else _of_name(self.attributes, name)


def _of_name(table: dict[str, str], name: str) -> str:
    """Return what a table has for a name; a key ``*`` stands for other names that are public."""
    return table.get(name) or ("" if name.startswith("_") else table.get("*", ""))


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules.

    Attributes:
        names: The rules of names, by full name.
        types: The rules of types.
        modules: Modules that are imported from another one: ``flask`` and its replacement.
        bridged: Modules of extensions that :func:`bridge_flask` makes work.
        fixtures: The types of fixtures of pytest plugins.
        removed: Attributes that applications no longer have, and what to write instead.
        settings: Extensions whose settings the helper refuses if it does not know them, and the
            name of the helper.
        setting_values: Values of settings that have other names now, by the extension and the
            setting: ``flask_caching.CACHE_TYPE``.
        old_settings: Settings that nothing reads any more, and what to write instead.
        renamed: Modules that have other names now.
        unsupported: Modules that do not work with Flask 3.1, and what to use instead.
        elsewhere: The rules for calls that do not run on the event loop, by name.
    """

    names: dict[str, NameRule]
    types: dict[str, TypeRule]
    modules: dict[str, str]
    bridged: frozenset[str]
    fixtures: dict[str, str]
    removed: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict[str, str])
    setting_values: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    old_settings: dict[str, str] = field(default_factory=dict[str, str])
    renamed: dict[str, str] = field(default_factory=dict[str, str])
    unsupported: dict[str, str] = field(default_factory=dict[str, str])
    elsewhere: dict[str, NameRule] = field(default_factory=dict[str, NameRule])
    _ported: dict[str, str] = field(init=False, default_factory=dict[str, str])

    def __post_init__(self) -> None:
        old_modules: dict[str, str] = {}
        for old, new in self.modules.items():
            old_modules.setdefault(new, old)
        for name, rule in [*self.names.items()]:
            if not rule.port:
                continue
            module, _, rest = rule.port.rpartition(".")
            new_names = [rule.port]
            if module in old_modules:  # `import niquests as requests; requests.aget`
                new_names.append(f"{old_modules[module]}.{rest}")
            for new_name in new_names:
                if rule.on_loop:  # The old name stays in the project, too.
                    self.names[new_name] = replace(rule, port="", on_loop=False)
                    self._ported[new_name] = new_name
                else:
                    self._ported[new_name] = name

    def original(self, name: str) -> str:
        """Return the name of Flask for a name that the port has imported instead.

        The names of ``flask.wrappers`` and the like are those of ``flask``.
        """
        if name in self._ported:
            return self._ported[name]
        module, _, rest = name.rpartition(".")
        if module in self.modules:
            name = f"{self.modules[module]}.{rest}"
        for old, new in self.modules.items():
            if name == new or name.startswith(f"{new}."):
                return old + name[len(new) :]
        return name

    def type_rules(self, name: str) -> Iterator[TypeRule]:
        """Yield the rule of a type and those of its bases."""
        pending, seen = [name], set[str]()
        while pending:
            name = pending.pop(0)
            if name in seen or name not in self.types:
                continue
            seen.add(name)
            yield self.types[name]
            pending += self.types[name].bases


def load_rules(folders: Iterable[Path] = (), *, data: bool = False) -> Rules:
    """Return the rules of this package and those of the TOML files in *folders*.

    A later rule replaces an earlier one of the same name. Where it is for calls on the event loop
    only, the earlier one remains for the others.

    Arguments:
        folders: TOML files, or folders that contain some.
        data: Whether to add the rules of the stage ``data``.

    Raises:
        RuleError: A file is not valid.
    """
    names: dict[str, NameRule] = {}
    types: dict[str, TypeRule] = {}
    modules: dict[str, str] = {}
    bridged: set[str] = set()
    fixtures: dict[str, str] = {}
    removed: dict[str, str] = {}
    settings: dict[str, str] = {}
    setting_values: dict[str, dict[str, str]] = {}
    old_settings: dict[str, str] = {}
    renamed: dict[str, str] = {}
    unsupported: dict[str, str] = {}
    elsewhere: dict[str, NameRule] = {}
    for name, text in _texts(folders, data=data):
        try:
            table = tomllib.loads(text)
            for full_name, rule in table.pop("names", {}).items():
                new = _rule(NameRule, rule)
                if new.on_loop or new.thread:
                    elsewhere[full_name] = names.get(full_name, NameRule())
                names[full_name] = new
            for type_name, rule in table.pop("types", {}).items():
                types[type_name] = _rule(TypeRule, rule)
            modules.update(table.pop("modules", {}))
            bridged.update(table.pop("bridged", ()))
            fixtures.update(table.pop("fixtures", {}))
            removed.update(table.pop("removed", {}))
            settings.update(table.pop("settings", {}))
            setting_values.update(table.pop("setting_values", {}))
            old_settings.update(table.pop("old_settings", {}))
            renamed.update(table.pop("renamed", {}))
            unsupported.update(table.pop("unsupported", {}))
            if table:
                raise RuleError(f"unknown key {next(iter(table))!r}")
        except (RuleError, TypeError, ValueError) as error:
            raise RuleError(f"{name}: {error}") from error
    bridged -= modules.keys()
    return Rules(
        names,
        types,
        modules,
        frozenset(bridged),
        fixtures,
        removed,
        settings,
        setting_values,
        old_settings,
        renamed,
        unsupported,
        elsewhere,
    )


def _texts(folders: Iterable[Path], *, data: bool) -> Iterator[tuple[str, str]]:
    own = resources.files("quartpatterns.porting") / "rules"
    for folder in (own, own / "data") if data else (own,):
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            if file.name.endswith(".toml"):
                yield file.name, file.read_text(encoding="utf-8")
    for folder in folders:
        files = sorted(folder.glob("*.toml")) if folder.is_dir() else [folder]
        for path in files:
            try:
                yield str(path), path.read_text(encoding="utf-8")
            except OSError as error:
                raise RuleError(f"{path}: {error.strerror}") from error
            except UnicodeDecodeError as error:
                raise RuleError(f"{path}: it is not stored in UTF-8") from error


def _rule(rule: type[Any], data: Any) -> Any:
    """Return *rule* with the values of a table."""
    if not isinstance(data, dict):
        raise RuleError("a rule is a table")
    table: dict[str, Any] = {**data}
    if "await" in table:  # a keyword of Python
        table["awaited"] = table.pop("await")
    known = {each.name: str(each.type) for each in fields(rule)}
    for key, value in [*table.items()]:
        if key not in known:
            raise RuleError(f"unknown key {key!r}; the keys are {', '.join(sorted(known))}")
        kind = known[key].partition("[")[0]
        types: dict[str, type[Any]] = {"bool": bool, "str": str, "dict": dict}
        expected = types.get(kind, list)
        if type(value) is not expected:
            raise RuleError(f"{key} must be a {expected.__name__}")
        if kind == "frozenset":
            table[key] = frozenset(map(str, value))
        elif kind == "tuple":
            table[key] = tuple(map(str, value))
    return rule(**table)
