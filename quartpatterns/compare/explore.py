"""Ask two applications for all of their URL rules, and say which ones were not asked.

The rules without arguments are asked first. What their answers contain leads to more: links have
values for the arguments of other rules, and pages have forms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from quartpatterns.compare.case import Capture, Case, Step
from quartpatterns.compare.form_steps import form_step
from quartpatterns.compare.links import links_of, page_of
from quartpatterns.compare.pages import HTMLForm, HTMLPage
from quartpatterns.compare.parity import ParityResult, compare_again
from quartpatterns.compare.responses import Response, StepResult
from quartpatterns.compare.rules import (
    HOST,
    WEBSOCKET,
    URLRule,
    URLRules,
    host_and_target,
    plain_rules,
)
from quartpatterns.compare.tokens import find_tokens, with_captures
from quartpatterns.compare.values import RuleValues

Side = Literal["original", "port"]

REQUESTS_PER_RULE = 3
"""How many links to one rule are followed, and how many forms are sent to it."""

NO_RULE = "there is no GET rule without arguments: use --values, --requests or --har"


@dataclass(frozen=True)
class NotAsked:
    """A rule and a method that no request has reached.

    Arguments:
        rule: The rule.
        method: The method.
        applications: The applications that have it.
        reason: Why, and what would ask for it.
    """

    rule: str
    method: str
    applications: tuple[Side, ...]
    reason: str


def cases_from_rules(*apps: Callable[..., Any]) -> list[Case]:
    """Return a case for each GET rule of *apps* without arguments, sorted by path.

    A rule of only one application is requested from both, so a missing route is found.

    Raises:
        LookupError: An application has no ``url_map``, or there is no such rule.
    """
    cases = [
        request_of_rule(rule.path, rule.host or HOST)
        for rule in plain_rules(rule for app in apps for rule in URLRules(app).all)
    ]
    if not cases:
        raise LookupError(NO_RULE)
    return cases


def request_of_rule(target: str, host: str = HOST, timeout: float = 60.0) -> Case:
    """Return a case that requests *target*.

    Arguments:
        target: The path and the query.
        host: The header ``Host``.
        timeout: Seconds for the response.
    """
    name = f"GET {target}" if host == HOST else f"GET {target} of {host}"
    return Case(name, Step(target, headers=_host(host), timeout=timeout))


def _host(host: str) -> tuple[tuple[str, str], ...]:
    return () if host == HOST else (("Host", host),)


class Explorer:
    """The cases of two applications, which become more with every answer.

    Arguments:
        original: The Flask application.
        port: The Quart application.
        cases: The cases to begin with. More are appended.
        links: Ask for links in answers.
        forms: Send the forms in answers.

    Raises:
        LookupError: An application has no ``url_map``.
    """

    def __init__(
        self,
        original: Callable[..., Any],
        port: Callable[..., Any],
        cases: list[Case],
        *,
        links: bool = True,
        forms: bool = False,
    ) -> None:
        self.rules: dict[Side, URLRules] = {"original": URLRules(original), "port": URLRules(port)}
        self.reached: dict[Side, set[URLRule]] = {"original": set(), "port": set()}
        self.cases = cases
        self.values = RuleValues()
        self.links = links
        self.forms = forms
        self._asked = {
            (_host_of(step), step.path)
            for case in cases
            for step in case.steps
            if step.method == "GET" and not step.query
        }
        self._counts = Counter[tuple[str, URLRule | str]]()
        self._sent: set[tuple[str, URLRule | str, frozenset[str]]] = set()

    def ask_rules(self) -> None:
        """Append a case for each GET rule without arguments."""
        for rule in plain_rules(self.all_rules):
            self._append(rule.path, rule.host or HOST)

    def use(self, values: RuleValues) -> None:
        """Append a case for each GET rule whose arguments all have a value in *values*."""
        self.values = values
        for rule in self.all_rules:
            if rule.method == "GET":
                for given in values.of(rule):
                    host, path = rule.fill(given)
                    self._append(path, host or HOST)

    @property
    def all_rules(self) -> list[URLRule]:
        """The rules of both applications."""
        return sorted({*self.rules["original"].all, *self.rules["port"].all})

    def learn(self, result: ParityResult) -> ParityResult:
        """Note what *result* reached, and append the cases that its answers lead to.

        Returns:
            The result without its responses. Tokens in them, random values that differ, are
            compared as captured values.
        """
        found = [self._step(result, index) for index in range(len(result.case.steps))]
        return _capture(result, found).without_responses()

    def _step(self, result: ParityResult, index: int) -> dict[str, Capture]:
        """Learn from the responses to one step, and return the tokens in them."""
        step = result.case.steps[index]
        # After an error there are no more steps, and an extra is sent to the port alone.
        original, port = result.original[index : index + 1], result.port[index : index + 1]
        for each in original:
            self._note("original", step, each.response)
        for each in port:
            self._note("port", step, each.response)
        if step.websocket is not None or not (original and port):
            return {}
        pages = self._read(step, original[0]), self._read(step, port[0])
        tokens = find_tokens(original[0], port[0], *pages)
        for page in pages if self.forms and step.method == "GET" else ():
            for form in page.forms if page else ():
                before = result.case.steps[:index]
                self._send_form([*before, with_captures(step, tokens)], form, tokens)
        return tokens

    def _note(self, side: Side, step: Step, response: Response) -> None:
        """Note the rules that a step has reached."""
        rules, host = self.rules[side], _host_of(step)
        if step.websocket is not None:
            found = [rules.match(WEBSOCKET, step.path, host)]
        else:
            found = [rules.match(response.method, response.target, host)]
            inner = [part for part in step.stream or () if isinstance(part, Step)]
            found += [rules.match(part.method, part.path, _host_of(part)) for part in inner]
        self.reached[side].update(rule for rule in found if rule)

    def _read(self, step: Step, done: StepResult) -> HTMLPage | None:
        """Follow the links of a response, and return it if it is an HTML page."""
        response, host = done.response, _host_of(step)
        url = f"http://{host}{response.target}"
        page = page_of(response, url)
        for link in links_of(response, page) if self.links else ():
            self._follow(url, link, host)
        return page

    def _follow(self, url: str, link: str, host: str) -> None:
        try:
            absolute = urljoin(url, link)
            linked, target = host_and_target(absolute, host)
        except ValueError:  # such as http://[
            return
        if not absolute.startswith(("http://", "https://")):
            return
        rule = self._rule("GET", target, linked)
        if linked != host and (rule is None or not rule.host):
            return
        # A path without a rule may be that of an application that is mounted.
        if self._counts["GET", rule or ""] < REQUESTS_PER_RULE:
            self._append(target, linked)

    def _rule(self, method: str, target: str, host: str) -> URLRule | None:
        matches = (rules.match(method, target, host) for rules in self.rules.values())
        return next((rule for rule in matches if rule), None)

    def _append(self, target: str, host: str) -> None:
        """Append a case for GET *target*, unless there is one."""
        if (host, target) not in self._asked:
            self._asked.add((host, target))
            self._counts["GET", self._rule("GET", target, host) or ""] += 1
            self.cases.append(request_of_rule(target, host))

    def _send_form(self, before: list[Step], form: HTMLForm, tokens: dict[str, Capture]) -> None:
        """Append cases that send *form* with its fields and without them.

        Arguments:
            before: The steps that lead to the page, which is the response to the last one.
            form: The form.
            tokens: The tokens in the page.
        """
        page = before[-1]
        host, target = host_and_target(form.action, HOST)
        if urlsplit(form.action).scheme not in ("http", "https") or host != _host_of(page):
            return
        place = self._rule(form.method, target, host) or urlsplit(target).path
        key = form.method, place, frozenset(each.name for each in form.fields)
        kind = f"{form.method} form"
        if key in self._sent or self._counts[kind, place] >= REQUESTS_PER_RULE:
            return
        self._sent.add(key)
        self._counts[kind, place] += 1
        hidden = [each for each in form.fields if each.kind == "hidden"]
        for fields in [form.fields, hidden] if len(hidden) < len(form.fields) else [hidden]:
            how = "with its fields" if len(fields) == len(form.fields) else "without its fields"
            name = f"{form.method} {urlsplit(target).path}: the form of {page.path} {how}"
            step = form_step(form, fields, target, page, tokens, self.values)
            self.cases.append(Case(name, *before, step))

    def not_asked(self) -> list[NotAsked]:
        """Return the rules and methods that no request has reached so far."""
        missing: dict[URLRule, list[Side]] = {}
        for side, rules in self.rules.items():
            for rule in rules.all:
                if rule not in self.reached[side]:
                    missing.setdefault(rule, []).append(side)
        return [
            NotAsked(str(rule), rule.method, tuple(sides), self._reason(rule))
            for rule, sides in sorted(missing.items())
        ]

    def _reason(self, rule: URLRule) -> str:
        if rule.method == WEBSOCKET:
            return "a websocket"
        if rule.method == "GET":
            if names := self.values.missing(rule):
                return f"no value for {' and '.join(names)}: --values"
            return "no request has reached it"
        if rule.method == "POST" and not self.forms:
            return "--forms sends the forms of the pages"
        if rule.method == "POST":
            return "no form leads to it: --requests"
        return "only --requests and --har send it"


def capture_tokens(result: ParityResult) -> ParityResult:
    """Return *result* with tokens, random values that differ, compared as captured values."""
    found: list[dict[str, Capture]] = []
    for step, original, port in zip(result.case.steps, result.original, result.port, strict=False):
        url = f"http://{_host_of(step)}{original.response.target}"
        pages = page_of(original.response, url), page_of(port.response, url)
        found.append(find_tokens(original, port, *pages))
    return _capture(result, found)


def _capture(result: ParityResult, found: Sequence[Mapping[str, Capture]]) -> ParityResult:
    """Return the comparison with the captures *found* in its steps, if it has not passed."""
    steps = list(result.case.steps)
    for index, captures in enumerate(found):
        missing = {
            name: each for name, each in captures.items() if name not in steps[index].capture
        }
        steps[index] = with_captures(steps[index], missing)
    if steps == list(result.case.steps) or result.passed or result.case.differs:
        return result
    return compare_again(result, Case(result.case.name, *steps))


def _host_of(step: Step) -> str:
    pairs = step.headers.items() if isinstance(step.headers, Mapping) else step.headers
    return next((value for name, value in pairs if name.lower() == "host"), HOST)
