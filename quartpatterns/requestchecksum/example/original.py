"""The original: request content checksums with Flask."""

import base64
import hashlib
from collections import deque

from flask import Flask, abort, jsonify, render_template, request


class ChecksumCalcStream:
    def __init__(self, stream):
        self._stream = stream
        self._hash = hashlib.sha1()

    # Some readers give no size, where the server ends the stream by itself.
    def read(self, bytes=-1):
        rv = self._stream.read(bytes)
        self._hash.update(rv)
        return rv

    def readline(self, size_hint=-1):
        rv = self._stream.readline(size_hint)
        self._hash.update(rv)
        return rv


def generate_checksum(request):
    env = request.environ
    stream = ChecksumCalcStream(env["wsgi.input"])
    env["wsgi.input"] = stream
    return stream._hash


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(config or {})
    documents = deque(maxlen=10)

    @app.get("/")
    def index():
        return render_template("index.html")

    @app.post("/special-api")
    def special_api():
        hash = generate_checksum(request)
        # Accessing this parses the input stream
        files = request.files  # noqa: F841
        # At this point the hash is fully constructed.
        checksum = hash.hexdigest()
        return f"Hash was: {checksum}"

    @app.get("/documents")
    def list_documents():
        return jsonify([*documents])

    # Not on the page: a client declares the checksum.
    @app.post("/documents")
    def add_document():
        data = request.get_data()
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        if request.headers.get("Content-Digest", f"sha-256=:{digest}:") != f"sha-256=:{digest}:":
            abort(400, "The sha-256 of the received content doesn't match Content-Digest.")
        documents.append(len(data))
        return f"{len(data)} bytes stored", 201

    return app
