"""Send a form of a page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlencode

from quartpatterns.compare.case import File, Step
from quartpatterns.compare.pages import FormField, HTMLForm
from quartpatterns.compare.tokens import identifier
from quartpatterns.compare.values import RuleValues

_FILE = File(b"the content of a file\n", "file.txt", "text/plain")


def form_step(
    form: HTMLForm,
    fields: Sequence[FormField],
    target: str,
    page: Step,
    tokens: Collection[str],
    values: RuleValues,
) -> Step:
    """Return the step that sends *form*.

    Arguments:
        form: The form.
        fields: The fields to send.
        target: The path, and optionally the query, of its action.
        page: The step whose response is the page.
        tokens: The names of the tokens that this step has captured.
        values: The values of the user, which come first.
    """
    texts: dict[str, list[str]] = {}
    for each in fields:
        if each.kind != "file":
            texts.setdefault(each.name, []).append(_value(each, tokens, values))
    if form.method == "GET":
        pairs = [(name, value) for name, each in texts.items() for value in each]
        query = urlencode(pairs, safe="{}" if tokens else "")
        path = target.partition("?")[0]
        return Step(f"{path}?{query}" if query else path, headers=page.headers)
    files = {each.name: _FILE for each in fields if each.kind == "file"}
    return Step(
        target,
        method="POST",
        headers=page.headers,
        form=texts,
        files=files if form.multipart else None,
    )


def _value(given: FormField, tokens: Collection[str], values: RuleValues) -> str:
    if given.kind == "hidden" and (name := identifier(given.name)) in tokens:
        return f"{{{name}}}"
    return values.fields.get(given.name, given.value)
