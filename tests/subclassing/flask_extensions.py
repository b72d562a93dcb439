"""Flask extensions on Flask, on FaithfulQuart, and on FaithfulQuart with the bridge.

``python -m tests.subclassing.flask_extensions`` runs a small application with the main features
of each extension and prints the table of the README. It installs nothing: it reports extensions
that are not installed. ``-v`` adds what failed.
"""

# Extensions are imported by name, so that none has to be installed: all of theirs is Any.
# mypy: disable-error-code="untyped-decorator, misc, name-defined"

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import importlib.util
import logging
import re
import sys
import tempfile
import traceback
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import flask

from quartpatterns.subclassing import FaithfulQuart, bridge_flask

__all__ = ["EXTENSIONS", "Extension", "run"]


class Answer(NamedTuple):
    """A response of any framework."""

    status: int
    text: str
    headers: Any


class Framework:
    """An application of one framework, and requests to it.

    Arguments:
        kind: ``flask``, ``quart`` (FaithfulQuart) or ``bridge`` (FaithfulQuart with the bridge).
        folder: A folder for files.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        templates = folder / "templates"
        templates.mkdir(exist_ok=True)
        made: Any = flask.Flask if kind == "flask" else FaithfulQuart
        self.app: Any = made("extensions", template_folder=str(templates), root_path=str(folder))
        self.app.config.update(SECRET_KEY="for these tests only, at least 32 bytes", TESTING=True)
        if kind == "bridge":
            bridge_flask(self.app)
        self._client: Any = None

    def template(self, name: str, text: str) -> None:
        """Write a template."""
        (self.folder / "templates" / name).write_text(text)

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        """Send a request with the cookies of the previous ones."""
        self._client = self._client or self.app.test_client()
        response = getattr(self._client, method)(path, **options)
        if self.kind == "flask":
            text = response.get_data().decode(errors="replace")
            return Answer(response.status_code, text, response.headers)
        response = await response
        text = (await response.get_data(as_text=False)).decode(errors="replace")
        return Answer(response.status_code, text, response.headers)

    async def get(self, path: str, **options: Any) -> Answer:
        """Send a GET request."""
        return await self.request("get", path, **options)

    async def post(self, path: str, **options: Any) -> Answer:
        """Send a POST request."""
        return await self.request("post", path, **options)

    def render(self, name: str) -> Callable[[], Any]:
        """Return a view that renders a template, as the framework's users write it."""
        if self.kind == "flask":
            return lambda: flask.render_template(name)

        async def view() -> Any:
            from quart import render_template

            return await render_template(name)

        return view

    def asynchronous(self, text: Callable[[], Any], name: str = "view") -> Callable[[], Any]:
        """Return a view that waits, except for Flask, and returns the result of *text*."""
        made: Any
        if self.kind == "flask":

            def made() -> Any:
                return text()
        else:

            async def made() -> Any:
                await asyncio.sleep(0)
                return text()

        made.__name__ = name
        return made  # type: ignore[no-any-return]

    async def in_context(self, function: Callable[[], Any]) -> Any:
        """Call a synchronous function in the context of the application, as a script does."""

        def call() -> Any:
            with self.app.app_context():
                return function()

        return await asyncio.to_thread(call)


Probe = Callable[[Framework, Any], Awaitable[None]]


class Extension(NamedTuple):
    """An extension: its distribution, its module, and the probe that uses it.

    *works* says whether the probe succeeds with the bridge.
    """

    distribution: str
    module: str
    probe: Probe
    features: str
    remark: str
    works: bool


EXTENSIONS: list[Extension] = []


def extension(
    distribution: str, module: str, features: str, remark: str = "", *, works: bool = True
) -> Callable[[Probe], Probe]:
    """Register a probe."""

    def register(probe: Probe) -> Probe:
        EXTENSIONS.append(Extension(distribution, module, probe, features, remark, works))
        return probe

    return register


@extension("Flask-Login", "flask_login", "`login_user`, `login_required`, `current_user`")
async def _login(framework: Framework, module: Any) -> None:
    app = framework.app
    manager = module.LoginManager(app)
    manager.login_view = "log_in"

    class User(module.UserMixin):
        id = "ada"

    manager.user_loader(lambda name: User() if name == "ada" else None)
    framework.template("who.html", "{{ current_user.is_authenticated }} {{ current_user.id }}")

    @app.route("/login")
    def log_in() -> Any:
        return str(module.login_user(User(), remember=True))

    @app.route("/logout")
    def log_out() -> Any:
        return str(module.logout_user())

    app.route("/me", endpoint="me")(
        module.login_required(framework.asynchronous(lambda: module.current_user.id))
    )
    app.route("/who", endpoint="who")(framework.render("who.html"))
    answer = await framework.get("/me")
    assert (answer.status, answer.headers["Location"]) == (302, "/login?next=%2Fme"), answer
    assert (await framework.get("/login")).text == "True"
    assert (await framework.get("/me")).text == "ada"
    assert (await framework.get("/who")).text == "True ada"
    assert (await framework.get("/logout")).text == "True"
    assert (await framework.get("/me")).status == 302


@extension(
    "Flask-WTF",
    "flask_wtf",
    "`FlaskForm`, `CSRFProtect`",
    "in an async view, `await request.form` before the form",
)
async def _wtf(framework: Framework, module: Any) -> None:
    import wtforms

    app = framework.app
    module.CSRFProtect(app)
    framework.template("form.html", "{{ csrf_token() }}")
    app.route("/token", endpoint="token")(framework.render("form.html"))

    class Form(module.FlaskForm):
        name = wtforms.StringField(validators=[wtforms.validators.DataRequired()])

    @app.post("/sync")
    def synchronous() -> Any:
        form = Form()
        return [form.validate_on_submit(), form.name.data]

    if framework.kind != "flask":

        @app.post("/async")
        async def asynchronous() -> Any:
            from quart import request

            await request.form
            form = Form()
            return [form.validate_on_submit(), form.name.data]

    token = (await framework.get("/token")).text
    for path in ["/sync"] if framework.kind == "flask" else ["/sync", "/async"]:
        assert (await framework.post(path, data={"name": "ada"})).status == 400
        data = {"name": "ada", "csrf_token": token}
        answer = await framework.post(path, data=data)
        assert (answer.status, answer.text.strip()) == (200, '[true,"ada"]'), answer


@extension("flask-babel", "flask_babel", "`gettext`, `format_date`, locale selector")
async def _babel(framework: Framework, module: Any) -> None:
    import datetime

    app = framework.app
    module.Babel(
        app, locale_selector=lambda: flask.request.accept_languages.best_match(["de", "en"])
    )
    framework.template("date.html", "{{ day|dateformat('full') }} {{ _('hello') }}")

    @app.context_processor
    def add_day() -> Any:
        return {"day": datetime.date(2026, 1, 2)}

    @app.route("/sync")
    def synchronous() -> Any:
        return str(module.format_date(datetime.date(2026, 1, 2), "full"))

    app.route("/page", endpoint="page")(framework.render("date.html"))
    german = {"Accept-Language": "de"}
    expected = "Freitag, 2. Januar 2026"
    assert (await framework.get("/sync", headers=german)).text == expected
    assert (await framework.get("/page", headers=german)).text == expected + " hello"


@extension("Flask-Caching", "flask_caching", "`cached` views, `memoize`, template fragments")
async def _caching(framework: Framework, module: Any) -> None:
    app = framework.app
    cache = module.Cache(app, config={"CACHE_TYPE": "SimpleCache"})
    calls: list[str] = []

    def count() -> str:
        calls.append("view")
        return str(len(calls))

    view = framework.asynchronous(count)
    app.route("/cached", endpoint="cached")(cache.cached(60, query_string=True)(view))

    @cache.memoize(60)
    def double(number: int) -> int:
        calls.append("function")
        return 2 * number

    @app.route("/double")
    def doubled() -> Any:
        return [double(2), double(2), double(3)]

    assert (await framework.get("/cached?a=1&b=2")).text == "1"
    assert (await framework.get("/cached?b=2&a=1")).text == "1"
    assert (await framework.get("/cached?a=2")).text == "2"
    assert (await framework.get("/double")).text.strip() == "[4,4,6]"
    assert calls == ["view", "view", "function", "function"]


@extension("Flask-Limiter", "flask_limiter", "`limit`, default limits, headers, 429")
async def _limiter(framework: Framework, module: Any) -> None:
    from importlib import import_module

    app = framework.app
    address = import_module("flask_limiter.util").get_remote_address
    limiter = module.Limiter(
        address, app=app, storage_uri="memory://", headers_enabled=True, default_limits=["5/minute"]
    )
    app.route("/own", endpoint="own")(
        limiter.limit("1/minute")(framework.asynchronous(lambda: "ok", "own"))
    )
    app.route("/default", endpoint="default")(framework.asynchronous(lambda: "ok", "default"))
    answer = await framework.get("/own")
    assert (answer.status, answer.headers["X-RateLimit-Remaining"]) == (200, "0"), answer
    assert (await framework.get("/own")).status == 429
    statuses = [(await framework.get("/default")).status for _ in range(6)]
    assert statuses == [200] * 5 + [429], statuses


@extension("Flask-Mail", "flask_mail", "`send` in a view, `record_messages`")
async def _mail(framework: Framework, module: Any) -> None:
    app = framework.app
    app.config["MAIL_DEFAULT_SENDER"] = "a@example.org"
    mail = module.Mail(app)

    @app.route("/send")
    def send() -> Any:
        mail.send(module.Message("Hello", recipients=["b@example.org"], body="text"))
        return "sent"

    with mail.record_messages() as outbox:
        assert (await framework.get("/send")).text == "sent"
    assert [message.sender for message in outbox] == ["a@example.org"]


@extension("Flask-Mailman", "flask_mailman", "`EmailMessage.send` in a view")
async def _mailman(framework: Framework, module: Any) -> None:
    app = framework.app
    app.config.update(MAIL_BACKEND="locmem", MAIL_DEFAULT_SENDER="a@example.org")
    mail = module.Mail(app)

    @app.route("/send")
    def send() -> Any:
        return str(module.EmailMessage("Hello", "text", to=["b@example.org"]).send())

    assert (await framework.get("/send")).text == "1"
    assert mail.state.outbox[0].subject == "Hello"


@extension("Flask-Moment", "flask_moment", "`moment` in templates")
async def _moment(framework: Framework, module: Any) -> None:
    app = framework.app
    module.Moment(app)
    framework.template("moment.html", "{{ moment.include_moment() }}{{ moment().format('LL') }}")
    app.route("/page", endpoint="page")(framework.render("moment.html"))
    answer = await framework.get("/page")
    assert "moment-with-locales" in answer.text and 'data-format="LL"' in answer.text, answer


@extension(
    "Bootstrap-Flask",
    "flask_bootstrap",
    "resources, static files, `render_form`, `render_nav_item`",
)
async def _bootstrap(framework: Framework, module: Any) -> None:
    import wtforms

    app = framework.app
    app.config.update(BOOTSTRAP_SERVE_LOCAL=True, WTF_CSRF_ENABLED=False)
    module.Bootstrap5(app)
    framework.template(
        "bootstrap.html",
        "{% from 'bootstrap5/form.html' import render_form %}"
        "{% from 'bootstrap5/nav.html' import render_nav_item %}"
        "{{ bootstrap.load_css() }}{{ render_nav_item('page', 'Home') }}{{ render_form(form) }}",
    )

    class Form(importlib.import_module("flask_wtf").FlaskForm):
        name = wtforms.StringField("Name")

    app.context_processor(lambda: {"form": Form()})
    app.route("/page", endpoint="page")(framework.render("bootstrap.html"))
    answer = await framework.get("/page")
    assert answer.status == 200 and 'id="name"' in answer.text and "Home" in answer.text, answer
    found = re.search(r'href="([^"]+\.css)"', answer.text)
    assert found is not None
    css = await framework.get(found[1])
    assert css.status == 200 and css.headers["Content-Type"].startswith("text/css"), css


@extension(
    "Flask-JWT-Extended",
    "flask_jwt_extended",
    "`jwt_required` in headers, cookies and JSON, refresh",
)
async def _jwt(framework: Framework, module: Any) -> None:
    app = framework.app
    app.config.update(
        JWT_TOKEN_LOCATION=["headers", "cookies", "json"], JWT_COOKIE_CSRF_PROTECT=False
    )
    module.JWTManager(app)

    @app.post("/login")
    def log_in() -> Any:
        name = flask.request.json["name"]
        response = flask.jsonify(access=module.create_access_token(name))
        module.set_access_cookies(response, module.create_access_token(name))
        return response

    app.route("/me", endpoint="me", methods=["GET", "POST"])(
        module.jwt_required()(framework.asynchronous(module.get_jwt_identity))
    )
    assert (await framework.get("/me")).status == 401
    answer = await framework.post("/login", json={"name": "ada"})
    import json

    token = json.loads(answer.text)["access"]
    assert (await framework.get("/me")).text == "ada"  # by cookie
    framework._client = None
    assert (await framework.get("/me")).status == 401
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await framework.get("/me", headers=bearer)).text == "ada"
    assert (await framework.post("/me", json={"access_token": token})).text == "ada"


@extension("flask-cors", "flask_cors", "`CORS(app)`, preflight, `cross_origin`")
async def _cors(framework: Framework, module: Any) -> None:
    app = framework.app
    module.CORS(
        app, resources={"/api/*": {"origins": "https://a.example", "supports_credentials": True}}
    )
    app.route("/api/x", endpoint="x", methods=["GET", "POST"])(framework.asynchronous(lambda: "x"))
    app.route("/own", endpoint="own")(module.cross_origin()(framework.asynchronous(lambda: "own")))
    origin = {"Origin": "https://a.example"}
    answer = await framework.get("/api/x", headers=origin)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example", answer
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    preflight = origin | {"Access-Control-Request-Method": "POST"}
    answer = await framework.request("options", "/api/x", headers=preflight)
    assert "POST" in answer.headers["Access-Control-Allow-Methods"], answer
    other = await framework.get("/api/x", headers={"Origin": "https://b.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
    answer = await framework.get("/own", headers=origin)
    assert (answer.text, answer.headers["Access-Control-Allow-Origin"]) == (
        "own",
        "https://a.example",
    ), answer


@extension(
    "Flask-SQLAlchemy",
    "flask_sqlalchemy",
    "models, session per request, `paginate`, `first_or_404`",
)
async def _sqlalchemy(framework: Framework, module: Any) -> None:
    app = framework.app
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{framework.folder / 'db.sqlite'}"
    db = module.SQLAlchemy(app)
    import sqlalchemy

    class User(db.Model):
        id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
        name = sqlalchemy.Column(sqlalchemy.String)

    await framework.in_context(db.create_all)

    @app.post("/users/<name>")
    def add(name: str) -> Any:
        db.session.add(User(name=name))
        db.session.commit()
        return name

    @app.get("/users/<name>")
    def show(name: str) -> Any:
        return str(db.first_or_404(db.select(User).filter_by(name=name)).id)

    @app.get("/users")
    def users() -> Any:
        return [user.name for user in db.paginate(db.select(User).order_by(User.name))]

    try:
        for name in ("bob", "ada"):
            assert (await framework.post(f"/users/{name}")).status == 200
        assert (await framework.get("/users/ada")).text == "2"
        assert (await framework.get("/users/nobody")).status == 404
        assert (await framework.get("/users?per_page=1")).text.strip() == '["ada"]'
    finally:
        await framework.in_context(lambda: db.engine.dispose())


@extension(
    "Flask-Migrate",
    "flask_migrate",
    "`init`, `migrate`, `upgrade` in a context",
    "the command `quart db` needs `FaithfulQuart`",
)
async def _migrate(framework: Framework, module: Any) -> None:
    import sqlalchemy

    app = framework.app
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{framework.folder / 'migrate.sqlite'}"
    db = importlib.import_module("flask_sqlalchemy").SQLAlchemy(app)

    class Item(db.Model):
        id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)

    folder = str(framework.folder / "migrations")
    module.Migrate(app, db, directory=folder)

    def migrate() -> Any:
        module.init()
        module.migrate(message="first")
        module.upgrade()
        names = sqlalchemy.inspect(db.engine).get_table_names()
        db.engine.dispose()
        return names

    assert set(await framework.in_context(migrate)) == {"alembic_version", "item"}


@extension("flask-talisman", "flask_talisman", "security headers, HTTPS redirect, CSP nonce")
async def _talisman(framework: Framework, module: Any) -> None:
    app = framework.app
    policy = {"script-src": "'self'"}
    module.Talisman(
        app, content_security_policy=policy, content_security_policy_nonce_in=["script-src"]
    )
    framework.template("nonce.html", "{{ csp_nonce() }}")
    app.route("/page", endpoint="page")(framework.render("nonce.html"))
    app.debug = False
    answer = await framework.get("/page")
    assert (answer.status, answer.headers["Location"]) == (302, "https://localhost/page"), answer
    answer = await framework.get("/page", headers={"X-Forwarded-Proto": "https"})
    assert answer.text and answer.text in answer.headers["Content-Security-Policy"], answer
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


@extension("Flask-Principal", "flask_principal", "`Permission.require` as decorator and context")
async def _principal(framework: Framework, module: Any) -> None:
    app = framework.app
    module.Principal(app)
    permission = module.Permission(module.RoleNeed("admin"))

    def load(sender: Any, identity: Any) -> None:
        if identity.id == "ada":
            identity.provides.add(module.RoleNeed("admin"))

    module.identity_loaded.connect(load)

    @app.route("/login/<name>")
    def log_in(name: str) -> Any:
        module.identity_changed.send(
            flask.current_app._get_current_object(),  # type: ignore[attr-defined]
            identity=module.Identity(name),
        )
        return name

    app.route("/admin", endpoint="admin")(
        permission.require(403)(framework.asynchronous(lambda: "admin"))
    )
    try:
        assert (await framework.get("/admin")).status == 403
        assert (await framework.get("/login/bob")).text == "bob"
        assert (await framework.get("/admin")).status == 403
        assert (await framework.get("/login/ada")).text == "ada"
        assert (await framework.get("/admin")).text == "admin"
    finally:
        module.identity_loaded.disconnect(load)


@extension("Flask-Compress", "flask_compress", "gzip of pages, not of small ones")
async def _compress(framework: Framework, module: Any) -> None:
    import gzip

    app = framework.app
    module.Compress(app)
    app.route("/large", endpoint="large")(framework.asynchronous(lambda: "x" * 5000))
    app.route("/small", endpoint="small")(framework.asynchronous(lambda: "x"))
    accept = {"Accept-Encoding": "gzip"}
    answer = await framework.get("/large", headers=accept)
    assert answer.headers.get("Content-Encoding") == "gzip", answer
    assert int(answer.headers["Content-Length"]) < 200
    assert "Content-Encoding" not in (await framework.get("/small", headers=accept)).headers
    client = framework.app.test_client()
    response = client.get("/large", headers=accept)
    if framework.kind != "flask":
        response = await response
    data = response.get_data(as_text=False)
    data = data if isinstance(data, bytes) else await data
    assert gzip.decompress(data) == b"x" * 5000


@extension("Flask-HTTPAuth", "flask_httpauth", "basic and token authentication, async verifiers")
async def _httpauth(framework: Framework, module: Any) -> None:
    app = framework.app
    basic, token = module.HTTPBasicAuth(), module.HTTPTokenAuth()

    if framework.kind == "flask":
        basic.verify_password(lambda name, word: name if word == "secret" else None)
    else:

        async def verify(name: str, word: str) -> str | None:
            await asyncio.sleep(0)
            return name if word == "secret" else None

        basic.verify_password(verify)
    token.verify_token(lambda value: "bob" if value == "t" else None)
    app.route("/basic", endpoint="basic")(
        basic.login_required(framework.asynchronous(basic.current_user))
    )
    app.route("/token", endpoint="token")(
        token.login_required(framework.asynchronous(token.current_user))
    )
    answer = await framework.get("/basic")
    assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Basic"), answer
    header = {"Authorization": "Basic YWRhOnNlY3JldA=="}
    assert (await framework.get("/basic", headers=header)).text == "ada"
    assert (await framework.get("/token")).status == 401
    assert (await framework.get("/token", headers={"Authorization": "Bearer t"})).text == "bob"


@extension("Flask-Session", "flask_session", "sessions on the server")
async def _session(framework: Framework, module: Any) -> None:
    from cachelib.file import FileSystemCache

    app = framework.app
    cache = FileSystemCache(str(framework.folder / "sessions"))
    app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=cache)
    module.Session(app)

    def count() -> str:
        from quart import session as quart_session

        session: Any = flask.session if framework.kind == "flask" else quart_session
        session["n"] = session.get("n", 0) + 1
        return str(session["n"])

    app.route("/count", endpoint="count")(framework.asynchronous(count))
    assert [(await framework.get("/count")).text for _ in range(3)] == ["1", "2", "3"]
    framework._client = None
    assert (await framework.get("/count")).text == "1"


@extension(
    "Flask-DebugToolbar",
    "flask_debugtoolbar",
    "the toolbar in a page",
    "pages have no toolbar",
    works=False,
)
async def _debugtoolbar(framework: Framework, module: Any) -> None:
    app = framework.app
    app.debug = True
    app.config["DEBUG_TB_INTERCEPT_REDIRECTS"] = False
    module.DebugToolbarExtension(app)
    framework.template("page.html", "<html><head></head><body>{{ 1 + 1 }}</body></html>")
    app.route("/page", endpoint="page")(framework.render("page.html"))
    answer = await framework.get("/page")
    assert "<body>2" in answer.text and 'id="flDebug"' in answer.text, answer


@extension(
    "Flask-Admin",
    "flask_admin",
    "index, model views: list, create, static files",
    "its views are synchronous",
)
async def _admin(framework: Framework, module: Any) -> None:
    import sqlalchemy

    app = framework.app
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{framework.folder / 'admin.sqlite'}"
    db = importlib.import_module("flask_sqlalchemy").SQLAlchemy(app)

    class City(db.Model):
        id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
        name = sqlalchemy.Column(sqlalchemy.String)

    await framework.in_context(db.create_all)
    if importlib.util.find_spec("flask_babel"):
        importlib.import_module("flask_babel").Babel(app)  # Flask-Admin needs it then.
    admin = module.Admin(app, name="Shop")
    view = importlib.import_module("flask_admin.contrib.sqla").ModelView
    try:
        admin.add_view(view(City, db.session))
    except TypeError:
        admin.add_view(view(City, db))
    try:
        assert "Shop" in (await framework.get("/admin/")).text
        answer = await framework.post("/admin/city/new/", data={"name": "London"})
        assert answer.status == 302, answer
        answer = await framework.get("/admin/city/")
        assert answer.status == 200 and "London" in answer.text, answer
        found = re.search(r'href="(/admin/static/[^"]+\.css[^"]*)"', answer.text)
        assert found is not None
        assert (await framework.get(found[1])).status == 200
    finally:
        await framework.in_context(lambda: db.engine.dispose())


@extension(
    "Flask-Assets",
    "flask_assets",
    "the tag `assets`",
)
async def _assets(framework: Framework, module: Any) -> None:
    app = framework.app
    static = framework.folder / "static"
    static.mkdir(exist_ok=True)
    (static / "a.css").write_text("a {}")
    (static / "b.css").write_text("b {}")
    assets = module.Environment(app)
    assets.register("all", module.Bundle("a.css", "b.css", output="all.css"))
    framework.template("assets.html", "{% assets 'all' %}{{ ASSET_URL }}{% endassets %}")
    app.route("/page", endpoint="page")(framework.render("assets.html"))
    answer = await framework.get("/page")
    assert answer.status == 200 and answer.text.startswith("/static/all.css?"), answer
    assert (await framework.get(answer.text)).text == "a {}\nb {}"


@extension("Flask-SeaSurf", "flask_seasurf", "CSRF tokens in forms and headers")
async def _seasurf(framework: Framework, module: Any) -> None:
    app = framework.app
    app.config.update(TESTING=False, CSRF_CHECK_REFERER=False)  # Under TESTING it checks nothing.
    module.SeaSurf(app)
    framework.template("token.html", "{{ csrf_token() }}")
    app.route("/token", endpoint="token")(framework.render("token.html"))
    app.post("/change", endpoint="change")(framework.asynchronous(lambda: "changed"))
    token = (await framework.get("/token")).text
    assert token
    assert (await framework.post("/change", data={"a": "1"})).status == 403
    assert (await framework.post("/change", data={"_csrf_token": token})).text == "changed"
    assert (await framework.post("/change", headers={"X-CSRFToken": token})).text == "changed"


@extension("Flask-Bcrypt", "flask_bcrypt", "hashing and checking passwords")
async def _bcrypt(framework: Framework, module: Any) -> None:
    bcrypt = module.Bcrypt(framework.app)
    framework.app.config["BCRYPT_LOG_ROUNDS"] = 4

    @framework.app.route("/")
    def view() -> Any:
        return str(bcrypt.check_password_hash(bcrypt.generate_password_hash("secret", 4), "secret"))

    assert (await framework.get("/")).text == "True"


@extension("flask-marshmallow", "flask_marshmallow", "schemas with `URLFor` and `Hyperlinks`")
async def _marshmallow(framework: Framework, module: Any) -> None:
    app = framework.app
    marshmallow = module.Marshmallow(app)

    class Schema(marshmallow.Schema):
        url = marshmallow.URLFor("show", values={"id": "<id>"})

    @app.route("/<int:id>")
    def show(id: int) -> Any:
        return Schema().dump({"id": id})

    assert (await framework.get("/7")).text.strip() == '{"url":"/7"}'


@extension(
    "flask-smorest",
    "flask_smorest",
    "`MethodView`, `arguments` from JSON and query, `response`, OpenAPI page",
)
async def _smorest(framework: Framework, module: Any) -> None:
    from flask.views import MethodView

    app = framework.app
    app.config.update(
        API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.0.2", OPENAPI_URL_PREFIX="/"
    )
    marshmallow = importlib.import_module("marshmallow")
    api = module.Api(app)
    blueprint = module.Blueprint("items", "items", url_prefix="/items")

    class Item(marshmallow.Schema):
        name = marshmallow.fields.Str(required=True)

    @blueprint.route("/")
    class Items(MethodView):
        @blueprint.arguments(Item, location="query")
        @blueprint.response(200, Item)
        def get(self, values: Any) -> Any:
            return values

        @blueprint.arguments(Item)
        @blueprint.response(201, Item)
        def post(self, values: Any) -> Any:
            return values

    api.register_blueprint(blueprint)
    answer = await framework.get("/items/?name=ada")
    assert (answer.status, answer.text.strip()) == (200, '{"name":"ada"}'), answer
    answer = await framework.post("/items/", json={"name": "bob"})
    assert (answer.status, answer.text.strip()) == (201, '{"name":"bob"}'), answer
    assert (await framework.post("/items/", json={})).status == 422
    assert '"/items/"' in (await framework.get("/openapi.json")).text


@extension(
    "Flask-RESTful",
    "flask_restful",
    "resources, `reqparse`, errors",
    "its resources are synchronous",
)
async def _restful(framework: Framework, module: Any) -> None:
    from flask_restful import reqparse  # type: ignore[import-not-found,import-untyped,unused-ignore]

    api = module.Api(framework.app)

    class Item(module.Resource):
        def get(self, id: int) -> Any:
            return {"id": id}

        def post(self, id: int) -> Any:
            parser = reqparse.RequestParser()
            parser.add_argument("name", required=True)
            return parser.parse_args(), 201

    api.add_resource(Item, "/items/<int:id>")
    assert (await framework.get("/items/7")).text.strip() == '{"id": 7}'
    answer = await framework.post("/items/7", json={"name": "ada"})
    assert (answer.status, answer.text.strip()) == (201, '{"name": "ada"}'), answer
    assert (await framework.post("/items/7", json={})).status == 400
    assert (await framework.get("/items/x")).status == 404


@extension(
    "Flask-SocketIO",
    "flask_socketio",
    "the extension object",
    "it wraps `app.wsgi_app`; write `@app.websocket(...)`",
    works=False,
)
async def _socketio(framework: Framework, module: Any) -> None:
    module.SocketIO(framework.app)


async def run(extension: Extension, kind: str) -> str | None:
    """Use an extension, and return ``None`` or what failed.

    Raises:
        ModuleNotFoundError: The extension is not installed.
    """
    module = importlib.import_module(extension.module)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            async with asyncio.timeout(60):
                await extension.probe(Framework(kind, Path(folder)), module)
        except Exception as error:
            return "".join(traceback.format_exception(error, limit=-3))
    return None


def _row(extension: Extension, results: dict[str, str | None]) -> str:
    version = importlib.metadata.version(extension.distribution)
    cells = ["no" if results[kind] else "yes" for kind in ("quart", "bridge")]
    name = f"{extension.distribution} {version}"
    return f"| {name} | {extension.features} | {cells[0]} | {cells[1]} | {extension.remark} |"


async def _main(names: list[str], *, verbose: bool) -> None:
    write = sys.stdout.write
    write("| extension | tried | without | with | remarks |\n|---|---|---|---|---|\n")
    for extension in EXTENSIONS:
        if names and extension.distribution not in names:
            continue
        try:
            results = {kind: await run(extension, kind) for kind in ("flask", "quart", "bridge")}
        except ModuleNotFoundError as error:
            write(f"{extension.distribution}: not installed ({error.name})\n")
            continue
        write(_row(extension, results) + "\n")
        sys.stdout.flush()
        if results["flask"]:
            write(f"The probe fails on Flask: {results['flask']}\n")
        if verbose and results["bridge"]:
            write(results["bridge"])


if __name__ == "__main__":
    logging.disable()
    arguments = sys.argv[1:]
    asyncio.run(_main([each for each in arguments if each != "-v"], verbose="-v" in arguments))
