"""The original: request content checksums with Flask."""

import hashlib

from flask import Flask, request


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

    @app.post("/special-api")
    def special_api():
        hash = generate_checksum(request)
        # Accessing this parses the input stream
        files = request.files  # noqa: F841
        # At this point the hash is fully constructed.
        checksum = hash.hexdigest()
        return f"Hash was: {checksum}"

    return app
