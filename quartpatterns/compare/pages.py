"""Read the links and forms of an HTML page."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import urljoin

FieldKind = Literal["text", "hidden", "file"]

# The attributes that name another resource of the page.
_LINKS = {
    "a": "href",
    "area": "href",
    "link": "href",
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
}
# What a form sends if nobody changes it, by the type of the field.
_TEXTS = {
    "email": "name@example.com",
    "url": "http://example.com/",
    "tel": "123456",
    "date": "2024-02-29",
    "datetime-local": "2024-02-29T12:00",
    "month": "2024-02",
    "week": "2024-W09",
    "time": "12:00",
    "color": "#000000",
    "password": "password",
}
_NOT_SENT = frozenset({"button", "reset", "image"})


@dataclass(frozen=True)
class FormField:
    """A field of a form, with the value that is sent.

    Arguments:
        name: Its name.
        value: The value in the page, or one that fits the field.
        kind: ``hidden`` for a field that nobody fills in, ``file`` for a file.
    """

    name: str
    value: str
    kind: FieldKind = "text"


@dataclass
class HTMLForm:
    """A form of a page.

    Arguments:
        action: The URL it is sent to.
        method: ``GET`` or ``POST``.
        multipart: Whether it is sent as ``multipart/form-data``.
        fields: Its fields.
    """

    action: str
    method: str
    multipart: bool
    fields: list[FormField] = field(default_factory=list["FormField"])


@dataclass
class HTMLPage:
    """What a page contains.

    Arguments:
        links: The absolute URLs of its links, without duplicates.
        forms: Its forms.
        metas: The content of its ``meta`` elements, by name.
    """

    links: list[str]
    forms: list[HTMLForm]
    metas: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def hidden(self) -> dict[str, str]:
        """The values of the hidden fields of all forms, by name."""
        return {
            each.name: each.value
            for form in self.forms
            for each in form.fields
            if each.kind == "hidden"
        }


def read_page(text: str, url: str) -> HTMLPage:
    """Return the links and forms of the HTML document *text* that was received from *url*."""
    parser = _Parser(url)
    parser.feed(text)
    parser.close()
    return HTMLPage(list(dict.fromkeys(parser.links)), parser.forms, parser.metas)


class _Parser(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.base = url
        self.links: list[str] = []
        self.forms: list[HTMLForm] = []
        self.metas: dict[str, str] = {}
        self._form: HTMLForm | None = None
        self._options: list[tuple[str, bool]] | None = None  # of the open select: value, selected
        self._option: str | None = None  # the text of an open option without a value
        self._area: str | None = None  # the text of the open textarea
        self._name = ""  # of the open select or textarea
        self._radios: set[str] = set()
        self._submitted = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in reversed(attrs)}
        if tag == "base" and found.get("href"):
            self.base = self._join(found["href"]) or self.base
        elif tag in _LINKS and found.get(_LINKS[tag]):
            if link := self._join(found[_LINKS[tag]]):
                self.links.append(link)
        elif tag == "meta" and found.get("name"):
            self.metas[found["name"]] = found.get("content", "")
        elif tag == "form":
            self._open(found)
        elif self._form is not None and "disabled" not in found:
            self._field(tag, found)

    def _join(self, reference: str) -> str | None:
        try:
            return urljoin(self.base, reference.strip()).partition("#")[0]
        except ValueError:  # such as http://[
            return None

    def _open(self, found: dict[str, str]) -> None:
        action = self._join(found["action"]) if found.get("action") else self.url.partition("#")[0]
        if action is None:
            self._form = None
            return
        method = "POST" if found.get("method", "").lower() == "post" else "GET"
        multipart = found.get("enctype", "").lower() == "multipart/form-data"
        self._form = HTMLForm(action, method, multipart)
        self._radios, self._submitted = set(), False
        self.forms.append(self._form)

    def _field(self, tag: str, found: dict[str, str]) -> None:
        name = found.get("name", "")
        if tag == "option" and self._options is not None:
            self._close_option()
            self._options.append((found.get("value", ""), "selected" in found))
            self._option = "" if "value" not in found else None
        elif not name:
            return
        elif tag == "input":
            self._input(name, found.get("type", "text").lower(), found)
        elif tag == "button" and found.get("type", "submit").lower() == "submit":
            self._submit(name, found)
        elif tag == "select":
            self._name, self._options = name, []
        elif tag == "textarea":
            self._name, self._area = name, ""

    def _input(self, name: str, kind: str, found: dict[str, str]) -> None:
        if kind in _NOT_SENT:
            return
        if kind == "submit":
            self._submit(name, found)
        elif kind == "checkbox":
            self._add(FormField(name, found.get("value", "on")))
        elif kind == "radio":
            if name not in self._radios:
                self._radios.add(name)
                self._add(FormField(name, found.get("value", "on")))
        elif kind == "hidden":
            self._add(FormField(name, found.get("value", ""), "hidden"))
        elif kind == "file":
            self._add(FormField(name, "", "file"))
        else:
            self._add(FormField(name, found.get("value") or _text(kind, found)))

    def _submit(self, name: str, found: dict[str, str]) -> None:
        # A browser sends the button that was pressed, and no other.
        if not self._submitted:
            self._submitted = True
            self._add(FormField(name, found.get("value", "")))

    def _add(self, added: FormField) -> None:
        assert self._form is not None
        self._form.fields.append(added)

    def _close_option(self) -> None:
        if self._option is not None and self._options:
            self._options[-1] = (" ".join(self._option.split()), self._options[-1][1])
        self._option = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area += data
        elif self._option is not None:
            self._option += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif self._form is None:
            return
        elif tag == "textarea" and self._area is not None:
            self._add(FormField(self._name, self._area.strip() or "text"))
            self._area = None
        elif tag == "select" and self._options is not None:
            self._close_option()
            self._add_select(self._options)
            self._options = None

    def _add_select(self, options: list[tuple[str, bool]]) -> None:
        values = [value for value, selected in options if selected]
        # The first option is often empty, as a heading.
        values += [value for value, _ in options if value] or [value for value, _ in options]
        if values:
            self._add(FormField(self._name, values[0]))


def _text(kind: str, found: dict[str, str]) -> str:
    """Return a text that a browser accepts in an empty field."""
    if kind in ("number", "range"):
        return found.get("min") or found.get("max") or "1"
    text = _TEXTS.get(kind, "text")
    if found.get("minlength", "").isdecimal():
        text = text.ljust(min(int(found["minlength"]), 1000), "x")
    if found.get("maxlength", "").isdecimal():
        text = text[: int(found["maxlength"])]
    return text
