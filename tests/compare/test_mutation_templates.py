"""The changes of templates: each kind is made, at its place."""

from __future__ import annotations

import pytest
from jinja2 import Environment

from quartpatterns.compare.mutation_templates import template_mutants

ENVIRONMENT = Environment(extensions=["jinja2.ext.do"])


def changed(text: str, kind: str) -> list[str]:
    found = template_mutants("a.html", text, ENVIRONMENT)
    return [each.apply(text) for each in found if each.kind == f"template {kind}"]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("<p>{{ a.b }}</p>", "expression", ['<p>{{ "mutant" }}</p>']),
        ("{{ 'a' }}", "expression", ['{{ "mutant" }}']),
        ("{{ a|safe }}", "expression", ['{{ "mutant" }}', "{{ a }}"]),
        (
            "{{- a | join(', ') -}}",
            "expression",
            ['{{- "mutant" -}}', "{{- a  -}}", '{{- a | join("mutant") -}}'],
        ),
        ("{% set a = b %}", "expression", ['{% set a = "mutant" %}']),
        ("{% set a = f(true, 1) %}", "expression", [
            '{% set a = "mutant" %}', "{% set a = f(false, 1) %}", "{% set a = f(true, 2) %}",
        ]),
        ("a{% include 'b' %}c", "expression", ["ac"]),
        ("{% extends 'b' %}", "expression", []),
        ("{%- if a -%}b{%- elif c %}d{% endif %}", "condition", [
            "{%- if true -%}b{%- elif c %}d{% endif %}",
            "{%- if false -%}b{%- elif c %}d{% endif %}",
            "{%- if a -%}b{%- elif true %}d{% endif %}",
            "{%- if a -%}b{%- elif false %}d{% endif %}",
        ]),
        ("{% if not a %}b{% endif %}", "condition", [
            "{% if  a %}b{% endif %}", "{% if true %}b{% endif %}", "{% if false %}b{% endif %}",
        ]),
        ("{% if a and b %}c{% endif %}", "condition", [
            "{% if true %}c{% endif %}",
            "{% if false %}c{% endif %}",
            "{% if a or b %}c{% endif %}",
        ]),
        ("{{ (a if b else c) ~ d }}", "condition", [
            "{{ (a if true else c) ~ d }}", "{{ (a if false else c) ~ d }}",
        ]),
        ("{% for a in b if c %}d{% endfor %}", "condition", [
            "{% for a in [] if c %}d{% endfor %}",
            "{% for a in b if true %}d{% endfor %}",
            "{% for a in b if false %}d{% endfor %}",
        ]),
        ('<a href="{{ b }}?x=>" required>c</a>', "attribute", [
            "<a required>c</a>", '<a href="{{ b }}?x=>">c</a>',
        ]),
        ("<ul class=a>", "attribute", ["<ul>"]),
        ("<!-- <a href=b> --><p>c</p>", "attribute", []),
        ("<!doctype html>\n<p>a b\n<b>c</b> {{ d }}!e", "text", [
            "<!doctype html>\n<p>mutant\n<b>c</b> {{ d }}!e",
            "<!doctype html>\n<p>a b\n<b>mutant</b> {{ d }}!e",
            "<!doctype html>\n<p>a b\n<b>c</b> {{ d }}mutant",
        ]),
        ("{# text #}<br> | <br>", "text", []),
    ],
)  # fmt: skip
def test_kinds(text: str, kind: str, expected: list[str]) -> None:
    assert changed(text, kind) == expected


def test_line() -> None:
    """The line that is shown is the line that was changed."""
    text = "{#\n\n#}\n<p\n  class=a>\n  {{ b }}</p>\n"
    found = template_mutants("a.html", text, ENVIRONMENT)
    assert [(each.line, each.text, each.change) for each in found] == [
        (5, "class=a>", "without class=a"),
        (6, "{{ b }}</p>", 'b -> "mutant"'),
    ]


def test_delimiters_of_the_application() -> None:
    environment = Environment(variable_start_string="[[", variable_end_string="]]")
    text = "<p>[[ a ]] {{ b }}</p>"
    found = template_mutants("a.html", text, environment)
    assert [each.apply(text) for each in found] == [
        '<p>[[ "mutant" ]] {{ b }}</p>',
        "<p>[[ a ]] mutant</p>",
    ]
