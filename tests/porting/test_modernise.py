"""Names that libraries have removed are written as the newest versions have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartpatterns.porting import make_plan
from tests.porting.ported import ported, written

PAIRS = {
    "one name of several": (
        "from flask import Flask, Markup, request\n\nx = Markup('<b>')\n",
        "from flask import Flask, request\nfrom markupsafe import Markup\n\nx = Markup('<b>')\n",
    ),
    "the last name": (
        "from flask import Flask, escape\n\nx = escape('<b>')\n",
        "from flask import Flask\nfrom markupsafe import escape\n\nx = escape('<b>')\n",
    ),
    "the last two names, on several lines": (
        "from flask import (\n    Flask,\n    Markup,\n    escape,\n)\n",
        "from flask import (\n    Flask,\n)\n"
        "from markupsafe import Markup\nfrom markupsafe import escape\n",
    ),
    "all names": (
        "import flask\nfrom werkzeug import generate_password_hash as make, secure_filename\n",
        "import flask\nfrom werkzeug.security import generate_password_hash as make\n"
        "from werkzeug.utils import secure_filename\n",
    ),
    "inside of a function": (
        "import flask\n\n\ndef make():\n    from jinja2 import Markup\n    return Markup('')\n",
        "import flask\n\n\ndef make():\n    from markupsafe import Markup\n    return Markup('')\n",
    ),
    "extensions of flask.ext": (
        "import flask\nfrom flask.ext.login import LoginManager\n",
        "import flask\nfrom flask_login import LoginManager\n",
    ),
    "the stack of contexts": (
        "from flask import Flask, _app_ctx_stack\n\n\ndef get_db():\n"
        "    top = _app_ctx_stack.top\n    if not hasattr(top, 'db'):\n        top.db = 1\n"
        "    return top.db\n",
        "from flask import Flask\nfrom flask import g\n\n\ndef get_db():\n"
        "    top = g\n    if not hasattr(top, 'db'):\n        top.db = 1\n"
        "    return top.db\n",
    ),
    "a name that is imported already": (
        "from flask import Flask, g, _app_ctx_stack\n\ntop = _app_ctx_stack.top\n",
        "from flask import Flask, g\n\ntop = g\n",
    ),
    "a function that is a method now": (
        "import flask\nfrom werkzeug.http import parse_authorization_header\n\n"
        "user = parse_authorization_header('Basic x')\n",
        "import flask\nfrom werkzeug.datastructures import Authorization\n\n"
        "user = Authorization.from_header('Basic x')\n",
    ),
    "keyword arguments": (
        "from flask import send_file as send\n\n"
        "send('a', attachment_filename='b', cache_timeout=1, as_attachment=True)\n",
        "from flask import send_file as send\n\n"
        "send('a', download_name='b', max_age=1, as_attachment=True)\n",
    ),
    "the full name": (
        "import flask\n\nx = flask.Markup('<b>')\n",
        "import markupsafe\nimport flask\n\nx = markupsafe.Markup('<b>')\n",
    ),
    "a full name that is a module": (
        '"""Doc."""\nfrom __future__ import annotations\nimport flask, jsonschema, itsdangerous\n'
        "x = itsdangerous.json.dumps({})\n",
        '"""Doc."""\nfrom __future__ import annotations\nimport json\n'
        "import flask, jsonschema, itsdangerous\nx = json.dumps({})\n",
    ),
    "no import at the top": (
        "#!/usr/bin/env python\ntry:\n    import flask\nexcept ImportError:\n    raise\n"
        "x = flask.Markup('<b>')\n",
        "#!/usr/bin/env python\nimport markupsafe\ntry:\n    import flask\n"
        "except ImportError:\n    raise\nx = markupsafe.Markup('<b>')\n",
    ),
    "several statements on a line": (
        "import flask; from flask import Flask, escape; x = escape('<b>')\n"
        "try: from flask import Markup, g as h, escape\nexcept ImportError: pass\n"
        "if x: from flask import Markup, escape\n",
        "import flask; from flask import Flask; from markupsafe import escape; x = escape('<b>')\n"
        "try: from flask import g as h; from markupsafe import Markup;"
        " from markupsafe import escape\nexcept ImportError: pass\n"
        "if x: from markupsafe import Markup; from markupsafe import escape\n",
    ),
    "comments": (
        "from flask import (\n    # the application\n    Flask,\n    Markup,  # markup\n"
        "    request,  # request\n)  # noqa\nx = 1\n",
        "from flask import (\n    # the application\n    Flask,\n"
        "    request,  # request\n)  # noqa\nfrom markupsafe import Markup\nx = 1\n",
    ),
    "requests of JavaScript": (
        "from flask import request\n\n\ndef f():\n    if request.is_xhr:\n        return 1\n"
        "    return not request.is_xhr\n",
        "from flask import request\n\n\ndef f():\n"
        '    if request.headers.get("X-Requested-With") == "XMLHttpRequest":\n        return 1\n'
        '    return not (request.headers.get("X-Requested-With") == "XMLHttpRequest")\n',
    ),
    "windows line ends": (
        "from flask import Flask, Markup\r\n\r\nx = 1\r\n",
        "from flask import Flask\r\nfrom markupsafe import Markup\r\n\r\nx = 1\r\n",
    ),
    "tokens of itsdangerous": (
        "import flask\n"
        "from itsdangerous import BadData, TimedJSONWebSignatureSerializer as Tokens\n",
        "import flask\nfrom itsdangerous import BadData\n"
        "from quartpatterns.subclassing.signatures import TimedJSONWebSignatureSerializer"
        " as Tokens\n",
    ),
    "fields of marshmallow": (
        "import flask\nfrom marshmallow import fields\n\n\n"
        "name = fields.Str(missing='a', required=False)\n",
        "import flask\nfrom marshmallow import fields\n\n\n"
        "name = fields.Str(load_default='a', required=False)\n",
    ),
    "pages of a query": (
        "from flask_sqlalchemy import SQLAlchemy\nfrom flask import request\n\n\n"
        "def f(db, query, self):\n    db.paginate(query, page=1)\n    self.paginate(1)\n"
        "    query.paginate(1, 20, max_per_page=9)\n    query.filter(1).paginate(page=1)\n"
        "    query.order_by(1).paginate(\n        request.args['page'], per_page=2)\n",
        "from flask_sqlalchemy import SQLAlchemy\nfrom flask import request\n\n\n"
        "def f(db, query, self):\n    db.paginate(query, page=1)\n    self.paginate(1)\n"
        "    query.paginate(page=1, per_page=20, max_per_page=9)\n"
        "    query.filter(1).paginate(page=1)\n"
        "    query.order_by(1).paginate(\n        page=request.args['page'], per_page=2)\n",
    ),
    "a selector of the locale": (
        "from flask import Flask\nfrom flask_babel import Babel\n\napp = Flask(__name__)\n"
        "babel = Babel(app)\n\n\n@babel.localeselector\ndef locale():\n    return 'en'\n",
        "from flask import Flask\nfrom flask_babel import Babel\n\napp = Flask(__name__)\n"
        "babel = Babel(app, locale_selector=lambda: locale())\n\n\n"
        "def locale():\n    return 'en'\n",
    ),
    "a selector in a factory": (
        "from flask import Flask\nfrom flask_babel import Babel\n\nbabel = Babel()\n\n\n"
        "def create_app(app):\n    babel.init_app(app)\n\n    # where the user is\n"
        "    @babel.timezoneselector\n    @cached\n    def zone():\n        return 'UTC'\n",
        "from flask import Flask\nfrom flask_babel import Babel\n\nbabel = Babel()\n\n\n"
        "def create_app(app):\n    babel.init_app(app, timezone_selector=lambda: zone())\n\n"
        "    # where the user is\n    @cached\n    def zone():\n        return 'UTC'\n",
    ),
    "a function for the first request": (
        "import flask\n\n\ndef f(app, shop):\n    @app.before_first_request  # once\n"
        "    @other\n    def start():\n        pass\n\n"
        "    shop.before_app_first_request(start)\n",
        "from quartpatterns.subclassing.once import once\nimport flask\n\n\ndef f(app, shop):\n"
        "    @app.before_request\n    @once  # once\n    @other\n    def start():\n        pass\n\n"
        "    shop.before_app_request(once(start))\n",
    ),
    "a database that knows its application": (
        "from flask_sqlalchemy import SQLAlchemy\nimport flask\n\n\n"
        "def f(app):\n    db.app = app\n    db.create_all()\n    db.app = app\n",
        "from flask_sqlalchemy import SQLAlchemy\nimport flask\n\n\n"
        "def f(app):\n    app.app_context().push()\n    db.create_all()\n    db.app = app\n",
    ),
    "a test case without an application context": (
        "import unittest\nfrom flask import Flask\nfrom shop import app, db\n\n\n"
        "class Test(unittest.TestCase):\n    def setUp(self):\n        db.create_all()\n\n"
        "    def tearDown(self):\n        db.drop_all()\n",
        "import unittest\nfrom flask import Flask\nfrom shop import app, db\n\n\n"
        "class Test(unittest.TestCase):\n    def setUp(self):\n"
        "        self.app_context = app.app_context()\n        self.app_context.push()\n"
        "        db.create_all()\n\n"
        "    def tearDown(self):\n        db.drop_all()\n        self.app_context.pop()\n",
    ),
    "a class of tests without an application context": (
        "from flask_testing import TestCase\nfrom shop import app, db\n\n\n"
        "class Test(TestCase):\n    @classmethod\n    def setUpClass(cls):\n"
        "        db.create_all()\n        x = 1\n\n"
        "    @classmethod\n    def tearDownClass(self):\n        db.drop_all()\n",
        "from flask_testing import TestCase\nfrom shop import app, db\n\n\n"
        "class Test(TestCase):\n    @classmethod\n    def setUpClass(cls):\n"
        "        with app.app_context():\n            db.create_all()\n            x = 1\n\n"
        "    @classmethod\n    def tearDownClass(self):\n        with app.app_context():\n"
        "            db.drop_all()\n",
    ),
    "decorators of Flask-JWT-Extended": (
        "import flask_jwt_extended as jwt\nfrom flask_jwt_extended import (\n    get_raw_jwt,\n"
        "    jwt_optional as optional,\n    jwt_required,\n)\n\n\n@optional\ndef f():\n"
        "    pass\n\n\n"
        "@jwt.fresh_jwt_required\ndef g():\n    return get_raw_jwt()['jti']\n\n\n"
        "class View:\n    decorators = [jwt_required, jwt_required(), jwt_required(False)]\n"
        "    f = jwt_required(f)\n",
        "import flask_jwt_extended as jwt\nfrom flask_jwt_extended import (\n    jwt_required,\n)\n"
        "from flask_jwt_extended import get_jwt as get_raw_jwt\n\n\n"
        "@jwt_required(optional=True)\ndef f():\n    pass\n\n\n"
        "@jwt.jwt_required(fresh=True)\ndef g():\n    return get_raw_jwt()['jti']\n\n\n"
        "class View:\n    decorators = [jwt_required(), jwt_required(), jwt_required(False)]\n"
        "    f = jwt_required()(f)\n",
    ),
    "loaders of Flask-JWT-Extended": (
        "from flask_jwt_extended import JWTManager\nfrom shop import find\n\njwt = JWTManager()\n"
        "jwt.user_loader_callback_loader(find)\njwt.user_identity_loader(find)\n\n\n"
        "@jwt.token_in_blacklist_loader\ndef is_revoked(token):\n"
        "    return token['jti'] in set()\n\n\n"
        "@jwt.user_loader_callback_loader\ndef load(identity):\n    'Load.'\n"
        "    return find(identity)\n\n\n"
        "@jwt.revoked_token_loader\n@jwt.expired_token_loader\ndef revoked():\n"
        "    return '', 401\n\n\n"
        "@jwt.user_claims_loader\ndef add(identity):\n    return {}\n",
        "from flask_jwt_extended import JWTManager\nfrom shop import find\n\njwt = JWTManager()\n"
        'jwt.user_lookup_loader(lambda jwt_header, jwt_data: find(jwt_data["sub"]))\n'
        "jwt.user_identity_loader(find)\n\n\n"
        "@jwt.token_in_blocklist_loader\ndef is_revoked(jwt_header, token):\n"
        "    return token['jti'] in set()\n\n\n"
        "@jwt.user_lookup_loader\ndef load(jwt_header, jwt_data):\n    'Load.'\n"
        '    identity = jwt_data["sub"]\n    return find(identity)\n\n\n'
        "@jwt.revoked_token_loader\n@jwt.expired_token_loader\ndef revoked(jwt_header, jwt_data):\n"
        "    return '', 401\n\n\n"
        "@jwt.additional_claims_loader\ndef add(identity):\n    return {}\n",
    ),
    "values of settings": (
        "from flask.ext.cache import Cache\n\n\nclass Config:\n    CACHE_TYPE = 'null'\n"
        "    OTHER_TYPE = 'null'\n\n\ndef test(app):\n"
        "    assert app.config['CACHE_TYPE'] == 'null'\n",
        "from flask_caching import Cache\n\n\nclass Config:\n    CACHE_TYPE = 'NullCache'\n"
        "    OTHER_TYPE = 'null'\n\n\n"
        "def test(app):\n    assert app.config['CACHE_TYPE'] == 'NullCache'\n",
    ),
    "modules that have other names": (
        "import flask_restplus\nimport flask_restplus as api\n"
        "from wtforms.fields.html5 import EmailField\nfrom flask.ext.wtf import Form, Required\n"
        "from wtforms.ext.sqlalchemy.fields import QuerySelectField\n",
        "import flask_restx as flask_restplus\nimport flask_restx as api\n"
        "from wtforms.fields import EmailField\nfrom flask_wtf import FlaskForm as Form\n"
        "from wtforms.validators import DataRequired as Required\n"
        "from wtforms_sqlalchemy.fields import QuerySelectField\n",
    ),
    "passwords": (
        "import flask\nfrom werkzeug.security import generate_password_hash\n\n"
        "generate_password_hash('sha256', method='sha256')\n"
        "generate_password_hash('a', 'sha512')\n",
        "import flask\nfrom werkzeug.security import generate_password_hash\n\n"
        "generate_password_hash('sha256', method='pbkdf2:sha256')\n"
        "generate_password_hash('a', 'pbkdf2:sha512')\n",
    ),
    "SQLAlchemy 1": (
        "import flask\nfrom sqlalchemy import create_engine, select\n\n"
        "engine = create_engine('postgres://a', convert_unicode=True, echo=True)\n"
        "other = create_engine(convert_unicode=True, encoding='utf-8', name_or_url=url)\n"
        "query = select([a, b]).where(c)\nnone = select([\n    a,\n])\n"
        "url = url.replace('postgres://', 'postgresql://')\n"
        "db.session.execute('SELECT 1')\nsession.execute(query)\n",
        "from sqlalchemy import text\nimport flask\n"
        "from sqlalchemy import create_engine, select\n\n"
        "engine = create_engine('postgresql://a', echo=True)\n"
        "other = create_engine(name_or_url=url)\n"
        "query = select(a, b).where(c)\nnone = select(\n    a,\n)\n"
        "url = url.replace('postgres://', 'postgresql://')\n"
        "db.session.execute(text('SELECT 1'))\nsession.execute(query)\n",
    ),
    "tables of an application": (
        "from flask_sqlalchemy import SQLAlchemy\nimport flask\n\n\ndef f(app):\n"
        "    db.Column(db.Binary)\n"
        "    db.create_all(app=app)  # tables\n    return app\n",
        "from flask_sqlalchemy import SQLAlchemy\nimport flask\n\n\ndef f(app):\n"
        "    db.Column(db.LargeBinary)\n"
        "    with app.app_context():\n        db.create_all()  # tables\n    return app\n",
    ),
    "schemas of marshmallow": (
        "import flask\nfrom marshmallow import Schema, fields, post_load, validates\n\n\n"
        "class UserSchema(Schema):\n    name = fields.Str(load_from='n')\n\n"
        "    @post_load(pass_many=True)\n    def make(self, data, many):\n        return data\n\n"
        "    @validates('name')\n    def check(self, value, **kwargs):\n        pass\n\n\n"
        "schema = UserSchema(strict=True)\nmany = UserSchema(strict=True, many=True)\n"
        "data = many.dump([]).data\n",
        "import flask\nfrom marshmallow import Schema, fields, post_load, validates\n\n\n"
        "class UserSchema(Schema):\n    name = fields.Str(data_key='n')\n\n"
        "    @post_load(pass_many=True)\n    def make(self, data, many, **kwargs):\n"
        "        return data\n\n"
        "    @validates('name')\n    def check(self, value, **kwargs):\n        pass\n\n\n"
        "schema = UserSchema()\nmany = UserSchema(many=True)\n"
        "data = many.dump([])\n",
    ),
    "users of Flask-Login": (
        "from flask.ext.login import current_user\n\n\nclass User:\n"
        "    def get_id(self):\n        return ''\n\n    def is_active(self):\n"
        "        return True\n\n\n"
        "def f():\n    return current_user.is_authenticated() and not current_user.is_active()\n",
        "from flask_login import current_user\n\n\nclass User:\n"
        "    def get_id(self):\n        return ''\n\n    @property\n    def is_active(self):\n"
        "        return True\n\n\n"
        "def f():\n    return current_user.is_authenticated and not current_user.is_active\n",
    ),
    "identities of version 3": (
        "from flask_jwt_extended import JWTManager, jwt_required\n\n"
        "app.config['SECRET_KEY'] = 'b'\n\n\n"
        "@manager.user_loader_callback_loader\ndef load(identity):\n    return find(identity)\n\n\n"
        "@jwt_required\ndef f():\n    return create_access_token(1)\n",
        "from flask_jwt_extended import JWTManager, jwt_required\n\n"
        "app.config['SECRET_KEY'] = 'b'\napp.config['JWT_IDENTITY_CLAIM'] = \"identity\"\n\n\n"
        "@manager.user_lookup_loader\ndef load(jwt_header, jwt_data):\n"
        '    identity = jwt_data["identity"]\n    return find(identity)\n\n\n'
        "@jwt_required()\ndef f():\n    return create_access_token(1)\n",
    ),
    "identities of tokens": (
        "from flask_jwt_extended import create_access_token\n\n\nclass Config:\n"
        "    JWT_SECRET_KEY = 'a'  # secret\n\n\n"
        "def token(app, user):\n    app.config['JWT_SECRET_KEY'] = 'b'\n"
        "    return create_access_token(identity=user.id)\n",
        "from flask_jwt_extended import create_access_token\n\n\nclass Config:\n"
        "    JWT_SECRET_KEY = 'a'  # secret\n    JWT_VERIFY_SUB = False\n\n\n"
        "def token(app, user):\n    app.config['JWT_SECRET_KEY'] = 'b'\n"
        "    app.config['JWT_VERIFY_SUB'] = False\n"
        "    return create_access_token(identity=user.id)\n",
    ),
    "validate() of forms": (
        "from flask_wtf import FlaskForm\n\n\nclass LoginForm(FlaskForm):\n"
        "    def validate(self):\n        return super().validate()\n",
        "from flask_wtf import FlaskForm\n\n\nclass LoginForm(FlaskForm):\n"
        "    def validate(self, extra_validators=None):\n        return super().validate()\n",
    ),
    "managers of Flask-Script": (
        "from flask.ext.script import Manager\nfrom flask_migrate import Migrate, MigrateCommand\n"
        "from shop import app, create_app\n\nmanager = Manager(app)\nother = Manager(create_app)\n"
        "manager.add_command('db', MigrateCommand)  # migrations\n\n\n"
        "@manager.command\ndef create_all():\n    'Create.'\n\n\nmanager.run()\n",
        "from flask.cli import FlaskGroup\nfrom flask_migrate import Migrate\n"
        "from shop import app, create_app\n\nmanager = FlaskGroup(create_app=lambda: app)\n"
        "other = FlaskGroup(create_app=create_app)\n\n\n"
        "@manager.command(\"create_all\")\ndef create_all():\n    'Create.'\n\n\nmanager()\n",
    ),
    "an argument of the application": (
        "from flask import Flask\n\napp = Flask(__name__, static_path='/s')\n",
        "from flask import Flask\n\napp = Flask(__name__, static_url_path='/s')\n",
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pair(tmp_path: Path, name: str) -> None:
    before, after = (text.encode() for text in PAIRS[name])
    (tmp_path / "app.py").write_bytes(before)
    [change] = make_plan(tmp_path, "modernise").changes
    assert change.after == after
    (tmp_path / "app.py").write_bytes(after)
    assert not make_plan(tmp_path, "modernise").changes


@pytest.mark.parametrize(
    ("text", "line", "remedy"),
    [
        ("from flask import Flask\nfrom flask.json import JSONEncoder\n", 2, "DefaultJSONProvider"),
        (
            "import flask\nimport flask_babel\n\nbabel = flask_babel.Babel()\n"
            "babel.localeselector(print)\n",
            5,
            "locale_selector=... in init_app()",
        ),
        (
            "import flask\nfrom flask_babel import Babel\n\nbabel = Babel()\n\n\n"
            "@babel.localeselector\ndef locale():\n    return 'en'\n",
            7,
            "locale_selector=... in init_app()",
        ),
        (
            "from flask import Flask\n\napp = Flask(__name__)\n\n\n"
            "first = app.before_first_request\n",
            6,
            "@app.before_serving",
        ),
        ("from flask import Flask\nfrom flask import _request_ctx_stack\n", 2, "flask.request"),
        ("import flask\nfrom flask_script import Shell\nx = Shell()\n", 3, "@app.cli.command()"),
        ("import flask\nfrom flask_migrate import MigrateCommand as db\nx = db\n", 3, "FlaskGroup"),
        ("import flask\nimport flask_script\n", 2, "FlaskGroup"),
        (
            "import flask\nfrom flask_script import Manager\nm = Manager(flask.Flask('a'))\n"
            "@m.command\ndef f(a):\n    pass\n",
            4,
            "FlaskGroup",
        ),
        (
            "import flask\nfrom flask_script import Manager\nm = Manager(flask.Flask('a'))\n"
            "@m.command\ndef f():\n    pass\nf()\n",
            7,
            "FlaskGroup",
        ),
        ("import flask\nimport flask_jwt\n", 2, "Flask-JWT-Extended"),
        ("import flask\nfrom werkzeug.contrib import sessions\n", 2, "Flask-Session"),
        ("import flask, sqlalchemy\n\ndb.engine.execute('SELECT 1')\n", 3, "engine.begin()"),
        ("import flask, sqlalchemy\n\nsqlalchemy.select([a], b)\n", 3, "select(a, b)"),
        (
            "import flask\nfrom flask_sqlalchemy import SQLAlchemy\n\nx = db.create_all(app=app)\n",
            4,
            "with app.app_context():",
        ),
        ("import flask, marshmallow\n\ndata, errors = user_schema.load({})\n", 3, "valid_data"),
        ("import flask, marshmallow\n\nerrors = schema.load({}).errors\n", 3, "valid_data"),
        ("import flask, flask_marshmallow\n\nbase = ma.ModelSchema\n", 3, "SQLAlchemyAutoSchema"),
        (
            "import flask\nfrom flask_jwt_extended import create_access_token as create\n"
            "from flask_jwt_extended import JWTManager, create_access_token\n\n"
            "create_access_token(1)\n",
            5,
            "JWT_VERIFY_SUB",
        ),
        (
            "import flask_jwt_extended\n\njwt.expired_token_loader(shop.expired)\n",
            3,
            "jwt_header and jwt_data",
        ),
    ],
)
def test_report(tmp_path: Path, text: str, line: int, remedy: str) -> None:
    """What has no successor by another name is reported with its line and the remedy."""
    written(tmp_path, {"app.py": text})
    [found] = make_plan(tmp_path, "modernise").findings
    assert (found.kind, found.file, found.line) == ("breaks", "app.py", line)
    assert remedy in found.remedy


def test_settings_that_nothing_reads(tmp_path: Path) -> None:
    """A setting without an effect is no error, so it is reported as a difference."""
    text = "import flask\n\nSQLALCHEMY_COMMIT_ON_TEARDOWN = True\nOTHER = True\n"
    written(tmp_path, {"app.py": text})
    [found] = make_plan(tmp_path, "modernise").findings
    assert (found.kind, found.line) == ("differs", 3)
    assert "db.session.commit()" in found.remedy


def test_extensions_of_a_blueprint(tmp_path: Path) -> None:
    """Flask 2.3 refuses them for a second application, as tests create."""
    written(tmp_path, {"app.py": "import flask\n\ncors.init_app(views.blueprint, origins='*')\n"})
    [found] = make_plan(tmp_path, "modernise").findings
    assert (found.kind, found.line) == ("differs", 3)
    assert "pass the application" in found.remedy


def test_templates_that_call_attributes_of_users(tmp_path: Path) -> None:
    """They read them without parentheses. Other templates, and other text, do not change."""
    tag = "{{% if user.is_active{0} and not current_user.is_anonymous{0} %}} x.is_active()\n"
    files = {"app.py": "import flask, flask_login\n", "templates/b.html": "{{ user.is_active }}"}
    written(tmp_path, {**files, "templates/a.html": tag.format("()")})
    [change] = make_plan(tmp_path, "modernise").changes
    assert change.file == "templates/a.html"
    assert change.before == tag.format("()").encode()
    assert change.after == tag.format("").encode()
    (tmp_path / change.file).write_bytes(change.after)
    assert not make_plan(tmp_path, "modernise").changes


MODELS = """
from flask_sqlalchemy import SQLAlchemy
import flask

db = SQLAlchemy()


class Author(db.Model):
    posts = db.relationship("Post", back_populates="author")
    notes = db.relationship("Note", backref=db.backref("writer"))


class Post(db.Model):
    author = db.relationship("Author", back_populates="posts")


class Note(db.Model):
    pass


def create(author):
    first = Post(title="a", author=author)  # the first one
    second = Post(author=author)
    third = Note(
        writer=author,
    )
    fourth = Post(title="b")
    db.session.add_all([author,
                        second])
    db.session.commit()


def other(author):
    post = Post(author=author)
    return post
"""


def test_cascades(tmp_path: Path) -> None:
    """SQLAlchemy 1 added objects because of their relationships, and version 2 does not."""
    written(tmp_path, {"app.py": MODELS, "requirements.txt": "flask-sqlalchemy==3.1.1\n"})
    assert not make_plan(tmp_path, "modernise").changes
    written(tmp_path, {"requirements.txt": "click==7.1.1\nFlask-SQLAlchemy==2.4.1\n"})
    [change] = make_plan(tmp_path, "modernise").changes
    new = MODELS.lstrip("\n")
    for line, name in (("# the first one\n", "first"), ("writer=author,\n    )\n", "third")):
        new = new.replace(line, f"{line}    db.session.add({name})\n")
    assert change.after.decode() == new
    written(tmp_path, {"app.py": new})
    assert not make_plan(tmp_path, "modernise").changes


def test_tokens(tmp_path: Path) -> None:
    """PyJWT 2 returns strings, and has to know the algorithms."""
    text = (
        "import flask, jwt\n\na = jwt.encode({{}}, 'k'){0}\nb = jwt.encode({{}}, 'k'){0}.decode()\n"
        "c = jwt.decode(a, 'k'{1})\nd = jwt.decode(a, 'k', algorithms=['HS256'])\n"
    )
    before = text.format("", "")
    options = ', algorithms=["HS256"], options={"verify_sub": False}'
    written(tmp_path, {"app.py": before, "requirements.txt": "PyJWT==2.10.1\n"})
    assert not make_plan(tmp_path, "modernise").changes
    written(tmp_path, {"requirements.txt": "PyJWT==1.7.1\n"})
    [change] = make_plan(tmp_path, "modernise").changes
    assert change.after.decode() == text.format(".encode()", options)
    (tmp_path / "app.py").write_bytes(change.after)
    assert not make_plan(tmp_path, "modernise").changes


def test_other_forms_of_tokens(tmp_path: Path) -> None:
    """The algorithms are those that the project uses; what PyJWT 2 lacks is reported."""
    head = "import flask, jwt\n\na = jwt.encode({}, 'k', algorithm='HS512')\n"
    written(tmp_path, {"requirements.txt": "PyJWT==1.7.1\n"})
    written(tmp_path, {"app.py": head + "b = jwt.decode(a, 'k')\n"})
    [change] = make_plan(tmp_path, "modernise").changes
    assert b"b = jwt.decode(a, 'k', algorithms=[\"HS512\"], options=" in change.after
    for code in ("jwt.decode(a, 'k', True)", "jwt.decode(a, verify=False)"):
        written(tmp_path, {"app.py": head + f"b = {code}\n"})
        plan = make_plan(tmp_path, "modernise")
        assert code.encode() in plan.changes[0].after
        assert [(each.kind, each.line) for each in plan.findings] == [("breaks", 4)]
    written(tmp_path, {"app.py": head.replace("'HS512'", "name") + "b = jwt.decode(a, 'k')\n"})
    [found] = make_plan(tmp_path, "modernise").findings
    assert (found.kind, found.line) == ("breaks", 4)


def test_methods_of_other_classes(tmp_path: Path) -> None:
    """A class that is no user keeps its method ``is_active()``."""
    text = (
        "from flask_login import current_user\n\n\nclass Plan:\n"
        "    def is_active(self):\n        return False\n\n\n"
        "def f(plan):\n    return plan.is_active() and current_user.is_active(){}\n"
    )
    page = "{{{{ plan.is_active() }}}}{{{{ current_user.is_active{} }}}}"
    written(tmp_path, {"app.py": text.format(""), "a.html": page.format("()")})
    changes = {each.file: each.after.decode() for each in make_plan(tmp_path, "modernise").changes}
    expected = text.format("").replace("current_user.is_active()", "current_user.is_active")
    assert changes == {"app.py": expected, "a.html": page.format("")}


def test_selector_in_another_module(tmp_path: Path) -> None:
    """The module that calls init_app() imports the function."""
    extensions = (
        "from flask_babel import Babel\n\nbabel = Babel()\n\n\n{}def locale():\n    return 'en'\n"
    )
    factory = (
        "from flask import Flask\nfrom .extensions import {}\n\n\n"
        "def create_app():\n    app = Flask(__name__)\n    translations.init_app({})\n"
    )
    before = {
        "shop/extensions.py": extensions.format("@babel.localeselector\n"),
        "shop/__init__.py": factory.format("babel as translations, x", "app"),
    }
    after = {
        "shop/extensions.py": extensions.format(""),
        "shop/__init__.py": factory.format(
            "babel as translations, locale, x", "app, locale_selector=locale"
        ),
    }
    written(tmp_path, before)
    assert {
        each.file: each.after.decode() for each in make_plan(tmp_path, "modernise").changes
    } == (after)
    written(tmp_path, after)
    assert not make_plan(tmp_path, "modernise").changes


def test_then_async(tmp_path: Path) -> None:
    """The stage async works on the modern code."""
    head = "from flask import Flask, Markup\nfrom flask import _app_ctx_stack\n"
    assert ported(tmp_path, f"{head}\napp = Flask(__name__)\n") == (
        "from quartpatterns.subclassing.names import Flask\nfrom markupsafe import Markup\n"
        "from quartpatterns.subclassing.names import g\n\napp = Flask(__name__)\n"
    )
