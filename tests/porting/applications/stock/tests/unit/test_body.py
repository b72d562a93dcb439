import pytest
from stock.errors import Problem
from stock.util.body import Body, body, field, fields


def test_body(sent):
    with sent(a=1) as data:
        assert body() == data
        assert Body().data == {"a": 1} and Body().get("b", 2) == 2


def test_form(app):
    with app.test_request_context("/", method="POST", data={"a": "1", "b": "2"}):
        assert body() == {"a": "1", "b": "2"}
        sent = Body()
        assert sent.only("b", "c") == {"b": "2"}


def test_field(sent):
    with sent(count="3"):
        assert field("count", int) == 3
        assert field("count", lambda text: text * 2) == "33"
        assert field("price", optional=True) is None


@pytest.mark.parametrize(
    ("name", "message"), [("price", "price is missing"), ("count", "count: invalid literal")]
)
def test_problems(sent, name, message):
    with sent(count="x"), pytest.raises(Problem, match=message):
        field(name, int)


def test_fields(sent):
    with sent(name="x", count="3"):
        assert list(fields("name", count=int)) == [("name", "x"), ("count", 3)]
