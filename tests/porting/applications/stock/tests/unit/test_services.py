from unittest.mock import patch

import pytest
from stock import services
from stock.errors import Missing


@pytest.fixture
def parts(app):
    return app.extensions["services"].parts


class TestParts:
    def test_create(self, parts, sent):
        with sent(name="nut", price="2"):
            part, status = parts.created()
        assert (part.name, part.price, status) == ("nut", 2, 201)
        assert parts.get("nut") is part

    def test_missing(self, parts):
        with pytest.raises(Missing):
            parts.get("nut")

    def test_other_fields(self, parts, app, monkeypatch):
        def other_fields(*names, **converted):
            yield "name", "other"
            yield "price", 9

        monkeypatch.setattr(services, "fields", other_fields)
        with app.test_request_context():
            assert parts.create().price == 9

    def test_mocked_body(self, parts, app, create):
        create()
        with app.test_request_context(), patch("stock.util.body.body", return_value={"count": 4}):
            assert parts.change("bolt").count == 4
