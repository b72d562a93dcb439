"""The changes of Python code: each kind is made, at its place, and what cannot be seen is not."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from quartpatterns.compare.mutation_python import Mutant, python_mutants


def mutants(code: str) -> list[Mutant]:
    return python_mutants("app.py", dedent(code).lstrip())


def changed(code: str, kind: str) -> list[str]:
    """Return the last line of the code after each change of *kind*."""
    code = dedent(code).strip()
    found = [each for each in python_mutants("app.py", code) if each.kind == kind]
    return [each.apply(code).splitlines()[-1].strip() for each in found]


@pytest.mark.parametrize(
    ("code", "kind", "expected"),
    [
        ("x = 41", "constant", ["x = 42"]),
        ("x = 0.5", "constant", ["x = 1.5"]),
        ("x = True", "constant", ["x = False"]),
        ("x = 'é' + 'b'", "constant", ["x = \"mutant\" + 'b'", "x = 'é' + \"mutant\""]),
        ("x = a if b else c", "condition", ["x = a if True else c", "x = a if False else c"]),
        ("x = b'a'", "constant", ['x = b"mutant"']),
        ("x = f'a {b} c'", "constant", ['x = "mutant"']),
        ("x = None", "constant", []),
        ("abort(404)", "status code", ["abort(418)"]),
        ("redirect(url, code=303)", "status code", ["redirect(url, code=418)"]),
        ("def f():\n    return a, 201", "status code", ["return a, 418"]),
        ("def f():\n    return 201", "status code", []),
        ("if a: b()", "condition", ["if True: b()", "if False: b()"]),
        ("while a: b()", "condition", ["while False: b()"]),
        ("x = [a for a in b if a]", "condition", [
            "x = [a for a in b if True]", "x = [a for a in b if False]",
        ]),
        ("for a in b: c()", "condition", ["for a in (): c()"]),
        ("a == b", "comparison", ["a != b"]),
        ("a < b <= c", "comparison", ["a <= b <= c", "a < b < c"]),
        ("(a) not in (b)", "comparison", ["(a) in (b)"]),
        ("a is not b", "comparison", ["a is b"]),
        ("a.index in b", "comparison", ["a.index not in b"]),
        ("a and b and c", "boolean operator", ["a or b and c", "a and b or c"]),
        ("band or orb", "boolean operator", ["band and orb"]),
        ("not a", "boolean operator", ["a"]),
        ("(a) + (b)", "operator", ["(a) - (b)"]),
        ("'%s' % a", "operator", []),
        ("a * b", "operator", ["a / b"]),
        ("@app.get('/')\nasync def f(): ...", "decorator", ["async def f(): ..."]),
        ("async def f():\n    return await g(await h())", "await", [
            "return g(await h())", "return await g(h())",
        ]),
        ("f(a, b=1)", "keyword argument", ["f(a)"]),
        ("f(a=1, b=(2))", "keyword argument", ["f(b=(2))", "f(a=1)"]),
        ("f(a, **b)", "keyword argument", ["f(a)"]),
        ("f(a=1)", "keyword argument", ["f()"]),
        ("def f():\n    return a", "return value", ["return None"]),
        ("def f():\n    return None", "return value", []),
        ("f()", "statement", ["pass"]),
        ("def f():\n    raise E(1)", "statement", ["pass"]),
        ("a.b = 1", "statement", ["pass"]),
        ("a = 1", "statement", []),
        ("class A:\n    a = 1", "statement", ["pass"]),
        ("a += 1", "statement", ["pass"]),
    ],
)  # fmt: skip
def test_kinds(code: str, kind: str, expected: list[str]) -> None:
    assert changed(code, kind) == expected


@pytest.mark.parametrize(
    "code",
    [
        '"""Text."""',
        'def f() -> "A":\n    """Text."""',
        'x: Literal["a"]',
        '__all__ = ["a"]',
        "from a import b",
        "if TYPE_CHECKING:\n    x = 1",
        'if __name__ == "__main__":\n    main()',
        'logger.warning("text %s", a, exc_info=True)',
        'app.logger.info("text")',
        "assert a == 1",
        'T = TypeVar("T", bound="A")',
        'Mode = Literal["a", "b"]',
        '@overload\ndef f(a: int = 1) -> int: ...',
        "x = None",
    ],
)  # fmt: skip
def test_what_is_not_seen_is_not_changed(code: str) -> None:
    assert mutants(code) == []


def test_only_the_change_differs() -> None:
    """The line that is shown is the line that was changed, after any text and of any length."""
    code = """
        # äöü
        value = call(
            "ä",  # a comment, with a comma
            first="b",  # another, one
            second="c",
        )
    """
    found = mutants(code)
    shown = {(each.line, each.text, each.change) for each in found}
    assert (4, 'first="b",  # another, one', 'without first="b"') in shown
    assert (5, 'second="c",', 'without second="c"') in shown
    assert (3, '"ä",  # a comment, with a comma', '"ä" -> "mutant"') in shown
    assert {each.statement for each in found} == {2}
    source = dedent(code).lstrip()
    for each in found:
        ast.parse(each.apply(source))


def test_a_change_that_is_no_python_is_not_made() -> None:
    """``nonlocal`` and the like: what does not compile is no mutant."""
    for each in mutants("async def f():\n    async for a in b:\n        yield await a\n"):
        assert each.kind in {"await", "statement"}


def test_order() -> None:
    found = mutants("f(1)\ng(2)\n")
    assert [each.line for each in found] == sorted(each.line for each in found)
