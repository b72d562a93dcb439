import pytest


def order(client, count, **more):
    return client.post("/orders", json={"part": "bolt", "count": count, **more})


class Web:
    path = "/"

    def check(self, client, expected, **arguments):
        response = client.get(self.path, **arguments)
        assert response.status_code == 200
        assert response.json == expected
        assert response.headers["X-Length"] == str(len(response.data))


class TestParts(Web):
    path = "/parts"

    def test_list(self, client, create):
        self.check(client, [])
        assert create().get_json()["name"] == "bolt"
        self.check(client, [{"name": "bolt", "price": 5, "count": 0}])

    def test_change(self, client, create):
        create(count="7")
        assert client.get("/parts/bolt").json["count"] == 7

    def test_missing(self, client):
        response = client.get("/parts/none")
        assert (response.status_code, response.json) == (404, {"problem": "there is no part none"})


class TestOrders(Web):
    path = "/orders"

    @pytest.fixture(autouse=True)
    def part(self, create):
        create(count=10)

    def test_order(self, client):
        assert order(client, 3).get_json() == {"part": "bolt", "count": 3, "total": 15}
        self.check(client, [{"part": "bolt", "count": 3, "total": 15}])
        assert client.get("/parts/bolt").json["count"] == 7

    @pytest.mark.parametrize(
        ("count", "answer"),
        [
            (11, {"problem": "not enough", "left": 10}),
            ("x", {"problem": "count: invalid literal for int() with base 10: 'x'"}),
        ],
    )
    def test_problems(self, client, count, answer):
        response = order(client, count)
        assert (response.status_code, response.json) == (400, answer)

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("text", "2 x bolt = 10\n1 x bolt = 5 (a, b)"),
            ("stream", "2 x bolt = 10;1 x bolt = 5 (a, b);"),
        ],
    )
    def test_formats(self, client, kind, expected):
        for count, notes in ((2, ""), (1, "a; b")):
            order(client, count, notes=notes)
        response = client.get("/orders", query_string={"format": kind})
        assert response.get_data(as_text=True).strip() == expected


def test_access(client):
    response = client.post("/parts", data={"name": "x", "price": "1"}, headers={"X-Key": "read"})
    assert (response.status_code, response.json) == (
        403,
        {"problem": "no access", "role": "reader"},
    )
    response = client.post(
        "/orders/echo", data={"key": "write", "a": "b"}, headers={"X-Key": "read"}
    )
    assert response.json == {"sent": {"key": "write", "a": "b"}, "audit": []}


def test_audit(app):
    from flask import g

    with app.test_client() as client:
        client.post("/parts", json={"name": "nut", "price": 1})
        assert g.audit == [("create_part", "writer"), ("end", "writer")]
        client.patch("/parts/nut", json={"price": 2})
        assert g.audit[0] == ("change", "writer")
