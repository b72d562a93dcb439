"""Each name of Flask-PyMongo and Flask-MongoEngine works, or is an error with the remedy."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from bson.json_util import CANONICAL_JSON_OPTIONS
from pymongo import ReadPreference
from quart import Quart

import quartpatterns.mongodb
from quartpatterns.compare.extension_names import ExtensionName, markdown
from quartpatterns.mongodb import Document, MongoDB, PyMongo
from quartpatterns.mongodb.example.extension_names import EXTENSION

URI = "mongodb://localhost/x"
NAMES = {name.name: name for name in EXTENSION.names}
VALUES: dict[str, Any] = {
    "MONGODB_SETTINGS": {"db": "x"},
    "MONGODB_PORT": 7,
    "MONGODB_CONNECT": False,
    "MONGODB_TZ_AWARE": True,
    "MONGODB_AUTHENTICATION_MECHANISM": "MONGODB-X509",
    "MONGODB_READ_PREFERENCE": ReadPreference.SECONDARY,
    "MONGODB_UUIDREPRESENTATION": "standard",
}
OPTIONS = {
    "uri": URI,
    "json_options": CANONICAL_JSON_OPTIONS,
    "document_class": dict,
    "tz_aware": True,
    "connect": False,
}

# The public names of Flask-PyMongo 3.0 and Flask-MongoEngine 1.0, which are not installed here.
FLASK_PYMONGO = """
PyMongo ASCENDING DESCENDING BSONObjectIdConverter BSONProvider MongoClient Database Collection
PyMongo.init_app PyMongo.cx PyMongo.db PyMongo.send_file PyMongo.save_file
BSONProvider.dumps BSONProvider.loads Collection.find_one_or_404
PyMongo(app=) PyMongo(uri=) PyMongo.init_app(uri=) MONGO_URI
MONGO_HOST MONGO_PORT MONGO_DBNAME MONGO_USERNAME MONGO_PASSWORD MONGO_REPLICA_SET MONGO_CONNECT
MONGO_AUTO_START_REQUEST MONGO_READ_PREFERENCE
""".split()
FLASK_MONGOENGINE = """
MongoEngine MongoEngine.init_app MongoEngine.connection MongoEngine.app MongoEngine.config
MongoEngine.Document MongoEngine.DynamicDocument BaseQuerySet Document DynamicDocument
EmbeddedDocument DynamicEmbeddedDocument Pagination ListFieldPagination MongoEngineSession
MongoEngineSessionInterface MongoDebugPanel MongoEngineJSONProvider override_json_encoder
create_connections get_connection_settings current_mongoengine_instance db_fields wtf
Document.objects Document.meta Document.paginate_field Document.to_wtf_form
MONGODB_SETTINGS MONGODB_DB MONGODB_HOST MONGODB_PORT MONGODB_USERNAME MONGODB_PASSWORD
MONGODB_ALIAS MONGODB_CONNECT MONGODB_TZ_AWARE MONGODB_REPLICASET MONGODB_DATABASE MONGODB_IS_MOCK
""".split()


def test_all_names() -> None:
    """The table has each public name once, and each name that is not simply supported a remark."""
    assert len(NAMES) == len(EXTENSION.names)
    assert set(FLASK_PYMONGO) | set(FLASK_MONGOENGINE) <= NAMES.keys()
    assert all(name.remark for name in EXTENSION.names if name.state != "supported")
    # MongoEngine's fields are attributes of Flask-MongoEngine's object.
    fields = importlib.import_module("mongoengine.fields").__all__
    missing = {f"MongoEngine.{name}" for name in fields if name.endswith("Field")} - NAMES.keys()
    assert not missing


def use(name: str) -> None:
    """Use a name, as an application would."""
    app = Quart(__name__)
    if name.startswith(("MONGODB_", "MONGO_")):
        app.config[name] = VALUES.get(name, URI if name == "MONGO_URI" else "x")
        MongoDB(app)
    elif match := re.fullmatch(r"PyMongo(?:\.init_app)?\((\w+)=\)", name):
        options: dict[str, Any] = {"uri": URI, match[1]: OPTIONS.get(match[1], "x")}
        PyMongo(**{**options, "app": app})
    elif name == "MongoEngine.init_app":
        MongoDB().init_app(app)
    elif name.startswith("MongoEngine."):
        getattr(MongoDB(app), name.partition(".")[2])
    elif name == "Document.meta":
        type("Post", (Document,), {"meta": {}, "__module__": __name__})
    elif name.startswith("Document."):
        getattr(Document, name.partition(".")[2])
    else:
        exec(f"from quartpatterns.mongodb import {name}")


def names(*states: str) -> list[Any]:
    return [pytest.param(one, id=one.name) for one in EXTENSION.names if one.state in states]


@pytest.mark.parametrize("name", names("refused"))
def test_refused(name: ExtensionName) -> None:
    """The error says what to write instead."""
    with pytest.raises(
        (AttributeError, ImportError, TypeError, ValueError), match=re.escape(name.remark)
    ):
        use(name.name)


ELSEWHERE = {
    "PyMongo.cx": "test_pymongo.py",
    "PyMongo.db": "test_pymongo.py",
    "<ObjectId:id>": "test_pymongo.py",
    "MongoClient.address": "test_pymongo.py",
    "MONGODB_USERNAME": "test_settings.py",
    "jsonify(cursor)": "test_json.py",
    "Settings.db_alias": "test_databases.py",
}
"""What other tests use; it needs a server or a request."""


@pytest.mark.parametrize("name", names("supported", "awaited", "changed"))
def test_not_refused(name: ExtensionName) -> None:
    """The name exists, and its use is no error."""
    if name.name in ELSEWHERE:
        used = Path(__file__).with_name(ELSEWHERE[name.name]).read_text()
        assert re.split(r"[.(]", name.name)[-1].strip(")") in used
    elif "." in name.name and "(" not in name.name and not name.name.startswith("MongoEngine."):
        cls, _, attribute = name.name.partition(".")
        assert callable(getattr(getattr(quartpatterns.mongodb, cls), attribute))
    else:
        use(name.name)


def test_not_a_name() -> None:
    """A name that neither package has is the usual error."""
    with pytest.raises(AttributeError, match="no attribute 'x'"):
        assert quartpatterns.mongodb.x
    with pytest.raises(AttributeError, match="'MongoDB' object has no attribute 'x'"):
        MongoDB().x  # noqa: B018
    with pytest.raises(AttributeError, match="x"):
        Document.x  # noqa: B018
    assert not hasattr(MongoDB(), "x")


def test_readme() -> None:
    """The table of the README is that of the code."""
    readme = Path(quartpatterns.mongodb.__file__).with_name("README.md").read_text()
    assert markdown(EXTENSION) in readme
