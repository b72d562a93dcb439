"""No port and no original puts what a client sends into a page as markup, now or later.

Each route is asked with hostile values in its path, its query, its form, its JSON, the names of
files, and headers. The forms and the JSON of the cases, which are valid, are sent with a hostile
value in place of one text at a time, because a route may store or print it only if all others are
valid. Then every page is asked for again.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import quartpatterns
from quartpatterns import catalog
from quartpatterns.compare import services
from quartpatterns.compare.applications import load_application
from quartpatterns.compare.case import Comparison, File, Step, pattern_comparison
from quartpatterns.compare.request import build_request
from quartpatterns.compare.rules import URLRule, URLRules
from quartpatterns.compare.transports import ComparisonClient, client
from tests.conftest import unavailable

ROOT = Path(quartpatterns.__file__).parent
MARK = "x-hostile"
# An element, the end of an attribute, of a script and of a text, an attribute, and a URL.
VALUES = (
    f"<{MARK}>",
    f'"><{MARK}>',
    f"'><{MARK}>",
    f"</script></textarea></title></style><{MARK}>",
    f'" {MARK}="',
    f"' {MARK}='",
    f"javascript:{MARK}",
)
# The patterns whose pages are known to print what a client sends; more may do so.
PRINTING = {
    "caching",
    "fileuploads",
    "flashing",
    "mongodb",
    "sqlalchemy",
    "sqlite3",
    "streaming",
    "templateinheritance",
    "viewdecorators",
    "wtforms",
}
# A form with a wrong token is refused before it is read.
SETTINGS = {"wtforms": {"WTF_CSRF_ENABLED": False}}
LARGEST = 2000  # characters of the form or the JSON of a case, which is sent often
SLOW = {pattern.name for pattern in catalog.PATTERNS if pattern.services} | {
    "streaming",  # waits between the parts of a page
    "wtforms",  # hashes a password for each form
}
NAMES = [
    pytest.param(pattern.name, marks=pytest.mark.slow if pattern.name in SLOW else ())
    for pattern in catalog.PATTERNS
]


@pytest.fixture(params=NAMES)
def comparison(request: pytest.FixtureRequest) -> Comparison:
    """The comparison of each pattern. Its modules are imported before the event loop runs."""
    return pattern_comparison(request.param)


class Markup(HTMLParser):
    """Finds elements, attributes and URLs that come from a client."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = tag.startswith(MARK) or any(name.startswith(MARK) for name, _ in attrs)
        urls = [value or "" for name, value in attrs if name in ("href", "src", "action")]
        if named or any(url.strip().lower().startswith("javascript:") for url in urls):
            self.found.append(self.get_starttag_text() or tag)

    handle_startendtag = handle_starttag


def field_names(pattern: str) -> list[str]:
    """Return the names of arguments and form fields in the sources of an example."""
    names: set[str] = set()
    for file in (ROOT / pattern / "example").rglob("*"):
        if file.suffix in (".py", ".html"):
            text = file.read_text()
            names.update(re.findall(r"(?:args|form|values|files)(?:\.\w+\(|\[)\s*['\"](\w+)", text))
            names.update(re.findall(r"\bname=[\"']?(\w+)", text))
            names.update(re.findall(r"^    (\w+): [A-Z\w]", text, re.MULTILINE))
    return sorted(names)


def fill(rule: URLRule, value: str) -> str:
    """Return the path of *rule* with *value* for its arguments of text."""

    def argument(match: re.Match[str]) -> str:
        converter = match[1] or "string"
        numbers = {"int": "1", "float": "1.0", "uuid": "00000000-0000-0000-0000-000000000000"}
        return numbers.get(converter, quote(value, safe=""))

    return re.sub(r"<(?:(\w+)(?:\([^)]*\))?:)?\w+>", argument, rule.path)


def requests(rule: URLRule, names: list[str], value: str) -> Iterator[Step]:
    """Yield the requests of *rule* with *value*."""
    path = fill(rule, value)
    # A client that wants a page gets no stream of events, which would not end.
    headers = {"Accept": "text/html", "User-Agent": value, "Referer": value, "X-Request-ID": value}
    if rule.host and "<" not in rule.host:
        headers["Host"] = rule.host
    fields = dict.fromkeys(names, value)
    if rule.method in ("GET", "HEAD"):
        yield Step(path, method=rule.method, headers=headers)
        yield Step(path, method=rule.method, headers=headers, query=fields)
        return
    yield Step(path, method=rule.method, headers=headers, form=fields)
    yield Step(path, method=rule.method, headers=headers, json=fields)
    files = {name: File(b"x", f"{value}.txt") for name in names}
    yield Step(path, method=rule.method, headers=headers, form={}, files=files)


def content(step: Step) -> Any:
    """Return the JSON or the form of *step*, which needs no token: see ``SETTINGS``."""
    if step.form is None:
        return step.json
    return {name: value for name, value in step.form.items() if "csrf_token" not in name}


def replace_texts(part: Any, new: Callable[[str], str]) -> Any:
    """Return *part* of a form or of JSON with *new* texts. Names and numbers stay."""
    if isinstance(part, str):
        return new(part)
    if isinstance(part, Mapping):
        return {name: replace_texts(each, new) for name, each in part.items()}
    if isinstance(part, list | tuple):
        return [replace_texts(each, new) for each in part]
    return part


def hostile_steps(step: Step, value: str) -> Iterator[Step]:
    """Yield *step* with *value* in place of one text at a time.

    The other texts end with the number of *value*, because a name may be taken.
    """
    for chosen in itertools.count():
        position = itertools.count()

        def new(text: str, chosen: int = chosen, position: Iterator[int] = position) -> str:
            return value if next(position) == chosen else f"{text}{VALUES.index(value)}"

        changed = replace_texts(content(step), new)
        if next(position) <= chosen:
            return  # There are no more texts.
        yield replace(step, **{"json" if step.form is None else "form": changed})


async def send(step: Step, side: ComparisonClient) -> tuple[int, str]:
    """Send *step*; return the status and, if it is a page, the text of the response."""
    async with asyncio.timeout(60):
        response = await side.exchange(build_request(step, side))
        body = await response.aread()
    page = response.headers.get("Content-Type", "").startswith("text/html")
    return response.status_code, body.decode(errors="replace") if page else ""


async def valid_steps(comparison: Comparison, side: ComparisonClient) -> list[Step]:
    """Return the steps with a form or JSON that *side* accepts, one for each set of names."""
    valid: dict[str, Step] = {}
    for case in comparison.cases:
        for step in case.steps:
            sent = content(step)
            shape = repr((step.method, step.path, replace_texts(sent, lambda _: "")))
            if not sent or shape in valid or len(repr(sent)) > LARGEST:
                continue
            status, _ = await send(step, side)
            if status < 400:
                valid[shape] = step
    return [*valid.values()]


def pages(comparison: Comparison) -> list[Step]:
    """Return the pages of the cases, such as one with more rows."""
    steps = (step for case in comparison.cases for step in case.steps)
    found = {step.path: step for step in steps if step.method == "GET" and step.compare == "html"}
    return [*found.values()]


async def ask(
    rules: list[URLRule],
    names: list[str],
    comparison: Comparison,
    side: ComparisonClient,
    found: list[str],
) -> int:
    """Send all requests, append the markup that comes back, and return how often a value does."""
    printed = 0
    valid = await valid_steps(comparison, side)
    reads = [rule for rule in rules if rule.method in ("GET", "HEAD")]
    writes = [rule for rule in rules if rule not in reads]
    for value in VALUES:
        steps = [step for rule in writes for step in requests(rule, names, value)]
        steps += [hostile for step in valid for hostile in hostile_steps(step, value)]
        # Pages last, so that they show what was stored.
        steps += [step for rule in reads for step in requests(rule, names, value)]
        steps += pages(comparison)
        for step in steps:
            _, text = await send(step, side)
            printed += MARK in text
            found += [f"{step.method} {step.path}: {markup}" for markup in Markup(text).found]
    return printed


@pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning")
async def test_hostile_values(comparison: Comparison, tmp_path: Path) -> None:
    """Every value is escaped, in the answer and in the pages that show it later."""
    names = await asyncio.to_thread(field_names, comparison.name)
    found: list[str] = []
    try:
        async with comparison.configurations(tmp_path) as (original_config, port_config):
            for name, config in (
                (comparison.original, original_config),
                (comparison.port, port_config),
            ):
                if settings := SETTINGS.get(comparison.name):
                    config = {**(config or {}), **settings}
                app = await asyncio.to_thread(load_application, name, config)
                known = await asyncio.to_thread(URLRules, app)
                rules = [rule for rule in known.all if rule.method != "WEBSOCKET"]
                async with client(app) as side:
                    printed = await ask(rules, names, comparison, side, found)
                assert printed or comparison.name not in PRINTING, f"{name} printed no value"
    except services.ServiceMissingError as missing:
        unavailable(str(missing))
    assert not found, "\n".join(sorted(set(found)))
