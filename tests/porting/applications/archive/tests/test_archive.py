import io
import tempfile
import unittest
import zipfile
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from archive import app
from archive.api import sent_json
from archive.storage import Storage, UploadError
from flask import g, request, session


class ArchiveTestCase(unittest.TestCase):
    """A client and a folder of its own."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        app.config.update(TESTING=True, FOLDER=self.folder.name)
        self.client = app.test_client()

    def tearDown(self):
        self.folder.cleanup()

    def upload(self, name, content=b"content", path="/upload", **fields):
        data = {"file": (io.BytesIO(content), name), "text": "", **fields}
        return self.client.post(path, data=data, content_type="multipart/form-data")

    @contextmanager
    def uploaded(self, *names):
        for name in names:
            self.upload(name)
        yield [Path(self.folder.name, name) for name in names]

    def check_answer(self, path, status, text):
        answer = self.client.get(path)
        self.assertEqual(answer.status_code, status)
        self.assertIn(text, answer.get_data(as_text=True))


class PageTests(ArchiveTestCase):
    def test_index(self):
        rv = self.client.get("/")
        assert b"Visit 1" in rv.data
        assert rv.data.endswith(b"<!-- archive -->")
        self.check_answer("/", 200, "Visit 2")

    def test_upload(self):
        with self.client:
            rv = self.upload("a.txt", text="the first")
            self.assertEqual(rv.location, "/")
            self.assertEqual(session["_flashes"], [("message", "a.txt is stored.")])
        page = self.client.get("/").text
        assert "a.txt: the first" in page and "a.txt is stored." in page

    def test_no_file(self):
        self.check_answer("/upload", 200, "<form")
        assert "No file was sent." in self.client.post("/upload", data={"text": ""}).text

    def test_errors(self):
        assert self.upload("..").status_code == 400
        with self.uploaded("a", "b", "c"):
            rv = self.upload("d")
            self.assertEqual((rv.status_code, rv.data[:20]), (409, b"<p>There are 3 files"))
        rv = self.upload("large", b"x" * 20_000)
        assert (rv.status_code, rv.data) == (413, b"At most 10 kB.<!-- archive -->")

    def test_download(self):
        with self.uploaded("a.txt") as [path]:
            self.assertEqual(path.read_bytes(), b"content")
            with self.client.get("/files/a.txt") as rv:
                self.assertEqual(rv.data, b"content")
            rv = self.client.get("/files/b.txt")
            self.assertEqual(rv.status_code, 404)
            rv.close()

    def test_zip(self):
        with self.uploaded("a.txt", "b.txt"):
            rv = self.client.get("/zip")
        assert rv.headers["X-Files"] == "2"
        assert zipfile.ZipFile(io.BytesIO(rv.get_data())).namelist() == ["a.txt", "b.txt"]

    def test_streams(self):
        with self.uploaded("a.txt"):
            assert self.client.get("/list.csv").data == b"name,size\r\na.txt,7\r\n"
        assert self.client.get("/slow?name=Ada").data == b"Hello Ada!"

    def test_patched(self):
        with mock.patch.object(Storage, "entries", return_value=[]):
            self.check_answer("/api/count", 200, '{"count":0}')

    def test_context(self):
        context = app.test_request_context("/?name=x")
        context.push()
        self.addCleanup(context.pop)
        self.assertEqual(request.args["name"], "x")


class ApiTests(ArchiveTestCase):
    key = {"X-Key": "secret"}

    def test_list(self):
        rv = self.upload("a.txt", path="/api/entries", text="first")
        assert rv.status_code == 201
        self.assertEqual(rv.json, [{"name": "a.txt", "size": 7, "text": "first"}])
        self.assertEqual(self.client.get("/api/entries").get_json(), rv.get_json())

    def test_entry(self):
        with self.uploaded("a.txt"):
            url = "/api/entries/a.txt"
            self.assertEqual(self.client.get(url).json, {"error": "no key"})
            self.assertEqual(self.client.get(url, headers=self.key).json["size"], 7)
            rv = self.client.patch(url, json={"text": "new"}, headers=self.key)
            assert rv.json["text"] == "new"
            rv = self.client.patch(
                url, data="{", headers=self.key | {"Content-Type": "application/json"}
            )
            self.assertEqual((rv.status_code, rv.json), (400, {"error": "not JSON"}))
            assert self.client.delete(url, headers=self.key).status_code == 204
            assert self.client.get(url, headers=self.key).json == {"error": "a.txt does not exist"}

    def test_count(self):
        before = int(self.client.get("/api/count").headers["X-Calls"])
        for number in range(1, 3):
            with self.subTest(number=number):
                rv = self.client.get("/api/count")
                self.assertEqual(int(rv.headers["X-Calls"]), before + number)

    def test_json_errors(self):
        rv = self.upload("/", path="/api/entries")
        self.assertEqual(rv.json, {"error": "The file has no name."})

    def test_sent_json(self):
        for text, expected in (('{"a": 1}', {"a": 1}), ("{", {})):
            with app.test_request_context(data=text, content_type="application/json"):
                self.assertEqual(sent_json(), expected)
                self.assertTrue(g.asked)

    def test_no_name(self):
        upload = mock.Mock(filename="")
        with app.app_context(), self.assertRaises(UploadError):
            Storage.current().save(upload)


if __name__ == "__main__":
    unittest.main()
