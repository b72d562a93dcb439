from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import Missing, Problem
from .util.body import Body, fields

if TYPE_CHECKING:
    from flask import Flask


@dataclass
class Part:
    name: str
    price: int
    count: int = 0

    def as_json(self) -> dict[str, object]:
        return {"name": self.name, "price": self.price, "count": self.count}


@dataclass
class Order:
    part: Part
    count: int
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.part.price * self.count

    def as_json(self) -> dict[str, object]:
        return {"part": self.part.name, "count": self.count, "total": self.total}


class Service(ABC):
    def __init__(self, services: Services) -> None:
        self.services = services

    @abstractmethod
    def create(self): ...

    def created(self):
        """Create something, and return the answer."""
        return self.create(), 201


class Notes:
    """A mixin for services whose things have notes."""

    def notes(self) -> list[str]:
        text = Body().get("notes", "")
        return [line.strip() for line in text.split(";") if line]


class Parts(Service):
    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._parts: dict[str, Part] = {}

    def create(self) -> Part:
        values = dict(fields("name", price=int))
        part = self._parts[values["name"]] = Part(**values)
        return part

    def get(self, name: str) -> Part:
        try:
            return self._parts[name]
        except KeyError:
            raise Missing(f"there is no part {name}") from None

    def change(self, name: str) -> Part:
        part = self.get(name)
        for key, value in Body().only("price", "count").items():
            setattr(part, key, int(value))
        return part

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts.values())


class Orders(Notes, Service):
    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._orders: list[Order] = []

    def create(self) -> Order:
        with_count = {"count": int, "part": self.services.parts.get}
        order = Order(**dict(fields(**with_count)), notes=self.notes())
        if order.count > order.part.count:
            raise Problem("not enough", left=order.part.count)
        order.part.count -= order.count
        self._orders.append(order)
        return order

    def all(self) -> list[Order]:
        return [*self._orders]


class Services:
    def __init__(self, app: Flask) -> None:
        self.app = app
        self.parts = Parts(self)
        self.orders = Orders(self)
