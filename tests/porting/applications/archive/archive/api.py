"""The JSON API."""

import functools

from flask import Blueprint, abort, after_this_request, g, jsonify, make_response, request
from flask.views import MethodView
from werkzeug.exceptions import BadRequest

from archive import app
from archive.storage import Storage

bp = Blueprint("api", __name__, url_prefix="/api")


def sent_json():
    """Return the object that was sent, or an empty one if it is not valid."""
    try:
        data = request.get_json()
    except BadRequest:
        g.invalid = True
        data = {}
    finally:
        g.asked = True
    return data


def with_key(view):
    def inner(*args, **kwargs):
        if request.headers.get("X-Key") != "secret":
            abort(make_response(jsonify(error="no key"), 401))
        return view(*args, **kwargs)

    return inner


class counted:  # noqa: N801
    """Count the calls of a view."""

    def __init__(self, view):
        functools.update_wrapper(self, view)
        self.view = view
        self.calls = 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        result = self.view(*args, **kwargs)

        @after_this_request
        def add_header(response):
            response.headers["X-Calls"] = str(self.calls)
            return response

        return result


class EntryList(MethodView):
    init_every_request = False

    def get(self):
        return [entry.as_dict() for entry in Storage.current().entries()]

    def post(self):
        entries = [Storage.current().save(upload) for upload in request.files.getlist("file")]
        for entry in entries:
            entry.about = {key: value for key, value in request.form.items() if value}
        return [entry.as_dict() for entry in entries], 201


class EntryAPI(MethodView):
    decorators = [with_key]

    def __init__(self, storage_class):
        self.storage = storage_class.current()

    def dispatch_request(self, name):
        self.entry = self.storage.entry(name)
        return super().dispatch_request(name=name)

    def get(self, name):
        return self.entry.as_dict()

    def patch(self, name):
        changes = sent_json()
        if g.get("invalid"):
            return {"error": "not JSON"}, 400
        about = self.entry.about
        about |= changes
        self.entry.about = about
        return self.entry.as_dict()

    def delete(self, name):
        self.entry.path.unlink()
        return "", 204


@bp.get("/count")
@counted
def count():
    return {"count": len(Storage.current().entries())}


bp.add_url_rule("/entries", view_func=EntryList.as_view("entries"))
bp.add_url_rule("/entries/<name>", view_func=EntryAPI.as_view("entry", Storage))
app.register_blueprint(bp)
