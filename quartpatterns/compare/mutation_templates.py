"""The changes that ``parity --mutate`` makes to templates: expressions, conditions, HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, TemplateError

from quartpatterns.compare.mutation_python import MUTANT, Mutant, SourceText, shorten

_TAG = "\0"  # stands for each character of a Jinja tag in the text that is read as HTML
_ELEMENT = re.compile(
    r"<!--.*?-->|<!(?P<declaration>[^>]*)>|</?[a-zA-Z](?:\"[^\"]*\"|'[^']*'|[^>\"'])*>", re.DOTALL
)
_ATTRIBUTE = re.compile(r"\s+[\w:@.-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>\"'\0]+))?")
_WORDS = re.compile(r"[^\0]*[^\W_][^\0]*")
_CONDITIONS = frozenset({"if", "elif"})
_FILES = frozenset({"extends", "include", "import", "from"})
_FLIPPED = {"true": "false", "false": "true", "True": "False", "False": "True"}
_SPACE = frozenset({"whitespace"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    value: str
    start: int
    end: int


def template_mutants(file: str, text: str, environment: Environment) -> list[Mutant]:
    """Return every mutant of a template that *environment* can parse, in the order of its lines.

    Arguments:
        file: The absolute path.
        text: The text of the template, as the loader of the environment returns it.
        environment: The environment of the application: it knows the delimiters and extensions.
    """
    source = SourceText(file, text)
    tokens = list(_tokens(text, environment.lex(text, None, file)))
    tags = list(_tags(tokens))
    found = dict.fromkeys([*_tag_mutants(source, tags), *_html_mutants(source, tags)])
    valid = [each for each in found if _parses(each.apply(text), environment)]
    return sorted(valid, key=lambda each: (each.start, each.end))


def _parses(text: str, environment: Environment) -> bool:
    try:
        environment.parse(text)
    except TemplateError:
        return False
    return True


def _tokens(text: str, lexed: Iterable[tuple[int, str, str]]) -> Iterator[_Token]:
    """Yield the tokens with their places: the lexer only leaves out white space."""
    position = 0
    for _, kind, value in lexed:
        if (start := text.find(value, position)) >= 0:
            position = start + len(value)
            yield _Token(kind, value, start, position)


def _tags(tokens: Iterable[_Token]) -> Iterator[list[_Token]]:
    """Yield the tokens of each tag, from its opening to its closing delimiter."""
    tag: list[_Token] = []
    for token in tokens:
        if tag or token.kind.endswith("_begin"):
            tag.append(token)
        if token.kind.endswith("_end"):
            yield tag
            tag = []


def _tag_mutants(source: SourceText, tags: Iterable[list[_Token]]) -> Iterator[Mutant]:
    for tag in tags:
        content = [token for token in tag[1:-1] if token.kind not in _SPACE]
        if not content:
            continue
        if tag[0].kind == "variable_begin":
            start, end = content[0].start, content[-1].end
            yield source.mutant("template expression", start, end, f'"{MUTANT}"')
            yield from _expression(source, content)
        elif tag[0].kind == "block_begin":
            yield from _block(source, tag, content)


def _block(source: SourceText, tag: list[_Token], content: list[_Token]) -> Iterator[Mutant]:
    keyword, rest = content[0].value, content[1:]
    if keyword in _CONDITIONS and rest:
        for value in ("true", "false"):
            yield source.mutant("template condition", rest[0].start, rest[-1].end, value)
    elif keyword == "for" and (loop := _after(rest, "in")):
        yield source.mutant("template condition", loop[0].start, loop[-1].end, "[]")
    elif keyword == "set" and (new := _after(rest, "=")):
        yield source.mutant("template expression", new[0].start, new[-1].end, f'"{MUTANT}"')
    elif keyword == "include":
        start, end = tag[0].start, tag[-1].end
        shown = shorten(source.text[start:end])
        yield source.mutant("template expression", start, end, "", f"without {shown}")
    if keyword not in _FILES:
        yield from _expression(source, content)


def _expression(source: SourceText, content: list[_Token]) -> Iterator[Mutant]:
    """Yield the mutants inside an expression: filters, inline conditions, constants."""
    for index, token in enumerate(content):
        if token.value == "|" and index + 1 < len(content):
            end = _end_of_filter(content, index + 1)
            shown = shorten(source.text[token.start : end])
            yield source.mutant("template expression", token.start, end, "", f"without {shown}")
        elif token.kind == "name" and token.value in _FLIPPED:
            new = _FLIPPED[token.value]
            yield source.mutant("template expression", token.start, token.end, new)
        elif token.kind == "name" and token.value == "not":
            yield source.mutant("template condition", token.start, token.end, "", "without not")
        elif token.kind == "name" and token.value in {"and", "or"}:
            new = "or" if token.value == "and" else "and"
            yield source.mutant("template condition", token.start, token.end, new)
        elif token.kind == "string" and len(content) > 1:
            yield source.mutant("template expression", token.start, token.end, f'"{MUTANT}"')
        elif token.kind == "integer":
            new = str(int(token.value) + 1)
            yield source.mutant("template expression", token.start, token.end, new)
        elif token.kind == "name" and token.value == "if" and index:
            test = _until_else(content[index + 1 :])
            for value in ("true", "false") if test else ():
                yield source.mutant("template condition", test[0].start, test[-1].end, value)


def _after(content: list[_Token], word: str) -> list[_Token]:
    """Return the tokens after *word*, without a condition of the loop."""
    values = [token.value for token in content]
    if word not in values:
        return []
    rest = content[values.index(word) + 1 :]
    ends = [index for index, token in enumerate(rest) if token.value in {"if", "recursive"}]
    return rest[: ends[0]] if ends and word == "in" else rest


def _until_else(content: list[_Token]) -> list[_Token]:
    """Return the tokens of an inline condition: until ``else`` or the end of the brackets."""
    depth = 0
    for index, token in enumerate(content):
        depth += (token.value in {"(", "[", "{"}) - (token.value in {")", "]", "}"})
        if depth < 0 or (depth == 0 and token.value in {"else", ","}):
            return content[:index]
    return content


def _end_of_filter(content: list[_Token], index: int) -> int:
    """Return where the filter whose name is at *index* ends, with its arguments."""
    while index + 2 < len(content) and content[index + 1].value == ".":
        index += 2
    end = content[index].end
    if index + 1 < len(content) and content[index + 1].value == "(":
        depth = 0
        for token in content[index + 1 :]:
            depth += (token.value == "(") - (token.value == ")")
            if depth == 0:
                return token.end
    return end


def _html_mutants(source: SourceText, tags: Iterable[list[_Token]]) -> Iterator[Mutant]:
    text: Any = list(source.text)
    for tag in tags:
        start, end = tag[0].start, tag[-1].end
        text[start:end] = _TAG * (end - start)
    text = "".join(text)
    position = 0
    for element in _ELEMENT.finditer(text):
        yield from _text(source, text, position, element.start())
        position = element.end()
        if not element[0].startswith(("<!", "</")):
            for attribute in _ATTRIBUTE.finditer(text, element.start(), element.end()):
                start, end = attribute.span()
                shown = shorten(source.text[start:end])
                yield source.mutant(
                    "template attribute",
                    start,
                    end,
                    "",
                    f"without {shown}",
                    line=source.text.count("\n", 0, end) + 1,
                )
    yield from _text(source, text, position, len(text))


def _text(source: SourceText, text: str, start: int, end: int) -> Iterator[Mutant]:
    """Yield a mutant of each run of words between tags."""
    for words in _WORDS.finditer(text, start, end):
        run = words[0]
        first = words.start() + len(run) - len(run.lstrip())
        last = words.end() - len(run) + len(run.rstrip())
        yield source.mutant("template text", first, last, MUTANT)
