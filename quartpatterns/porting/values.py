"""What the analysis knows about the value of an expression."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import libcst as cst

from quartpatterns.porting.project import PythonFile

__all__ = [
    "NOTHING",
    "ClassInfo",
    "Closing",
    "Context",
    "Function",
    "FunctionInfo",
    "Instance",
    "Items",
    "LambdaFunction",
    "Method",
    "Name",
    "ProjectClass",
    "ProjectModule",
    "Scope",
    "Value",
    "Values",
]


@dataclass(eq=False)
class Scope:
    """A module, class, function, lambda or comprehension, with the names that it assigns."""

    file: PythonFile
    node: cst.CSTNode
    parent: Scope | None
    names: set[str] = field(default_factory=set[str])
    global_names: set[str] = field(default_factory=set[str])
    function: FunctionInfo | None = None

    @property
    def is_class(self) -> bool:
        """Whether functions inside it do not see its names."""
        return isinstance(self.node, cst.ClassDef)

    @property
    def module(self) -> Scope:
        """The scope of the module."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


@dataclass(eq=False)
class FunctionInfo:
    """A function of the project.

    Attributes:
        file: Its file.
        node: Its definition.
        scope: The scope of its body.
        owner: The class whose method it is.
        asynchronous: Whether it is ``async def``, before or after the port.
        reason: Why it becomes ``async def``: the text of a call, with the line.
        view: Whether the application calls it for a request.
        decorator: Whether it returns a function that it defines, as decorators do.
        fixture: Whether it is a fixture of pytest.
        routed: Whether a decorator has made it a view.
        on_loop: Whether other code calls it on the event loop, as it is or asynchronous.
        kinds: Decorators that matter: ``property``, ``classmethod``, ``staticmethod``,
            ``contextmanager``.
        calls, with_items, loops: The places that use it.
        iterations: The calls of a generator.
        escapes: The places that pass it to other code, and to which.
        peers: Functions that are called in the same place.
    """

    file: PythonFile
    node: cst.FunctionDef
    scope: Scope
    owner: ClassInfo | None = None
    asynchronous: bool = False
    reason: str = ""
    view: bool = False
    fixture: bool = False
    routed: bool = False
    on_loop: bool = False
    generator: bool = False
    decorator: bool = False
    kinds: set[str] = field(default_factory=set[str])
    calls: dict[cst.CSTNode, PythonFile] = field(default_factory=dict[cst.CSTNode, PythonFile])
    iterations: dict[cst.CSTNode, PythonFile] = field(default_factory=dict[cst.CSTNode, PythonFile])
    with_items: dict[cst.WithItem, PythonFile] = field(
        default_factory=dict[cst.WithItem, PythonFile]
    )
    loops: dict[cst.CSTNode, PythonFile] = field(default_factory=dict[cst.CSTNode, PythonFile])
    escapes: dict[cst.CSTNode, str] = field(default_factory=dict[cst.CSTNode, str])
    peers: set[FunctionInfo] = field(default_factory=set["FunctionInfo"])

    @property
    def name(self) -> str:
        """Its name in a report."""
        prefix = f"{self.owner.node.name.value}." if self.owner else ""
        return f"{prefix}{self.node.name.value}"

    @property
    def is_new(self) -> bool:
        """Whether the port makes it asynchronous."""
        return self.asynchronous and self.node.asynchronous is None


@dataclass(eq=False)
class ClassInfo:
    """A class of the project."""

    file: PythonFile
    node: cst.ClassDef
    scope: Scope
    bases: set[Value] = field(default_factory=set["Value"])
    subclasses: set[ClassInfo] = field(default_factory=set["ClassInfo"])
    methods: dict[str, FunctionInfo] = field(default_factory=dict[str, FunctionInfo])


@dataclass(frozen=True, slots=True)
class Name:
    """Something that is imported from outside the project, by its full name."""

    name: str


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of a type that a rule names, or of a class of the project."""

    type: str | ClassInfo


@dataclass(frozen=True, slots=True)
class Method:
    """A method, that a rule describes, of an object."""

    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the project.

    Attributes:
        info: The function.
        instance: What it is bound to.
        given: The number of arguments that ``functools.partial`` has given it.
    """

    info: FunctionInfo
    instance: Instance | None = None
    given: int = 0


@dataclass(frozen=True, slots=True)
class LambdaFunction:
    """A lambda. It cannot be asynchronous, and what it returns is followed."""

    scope: Scope
    node: cst.Lambda


@dataclass(frozen=True, slots=True)
class ProjectClass:
    """A class of the project."""

    info: ClassInfo


@dataclass(frozen=True, slots=True)
class ProjectModule:
    """A module of the project."""

    file: PythonFile


@dataclass(frozen=True, slots=True)
class Items:
    """A collection: what its items can be."""

    values: frozenset[Value]


@dataclass(frozen=True, slots=True)
class Context:
    """What a function with ``yield`` returns: a context manager or an iterator."""

    info: FunctionInfo


@dataclass(frozen=True, slots=True)
class Closing:
    """What ``contextlib.closing`` returns for objects whose ``close`` has to be awaited."""

    values: frozenset[Value]


Value: TypeAlias = (
    Name
    | Instance
    | Method
    | Function
    | LambdaFunction
    | ProjectClass
    | ProjectModule
    | Items
    | Context
    | Closing
)
Values: TypeAlias = frozenset[Value]
NOTHING: Values = frozenset()
