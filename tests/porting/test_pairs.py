"""Code before and after the port. What is ported stays as it is if it is ported again."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

from tests.porting.ported import port, ported, written

HEAD = """
from flask import (
    Flask, abort, current_app, flash, g, jsonify, make_response, render_template, request,
    send_file, session,
)
from functools import wraps

app = Flask(__name__)

"""
NEW_HEAD = HEAD.replace("from flask import", "from quartpatterns.subclassing.names import")

# Each pair stands after HEAD.
PAIRS = {
    "a view awaits what it renders": (
        """
        @app.route("/")
        def index():
            return render_template("index.html")
        """,
        """
        @app.route("/")
        async def index():
            return await render_template("index.html")
        """,
    ),
    "a view that awaits nothing does not wait for a thread": (
        """
        @app.get("/")
        def index():
            return "hello"  # as it is
        """,
        """
        @app.get("/")
        async def index():
            return "hello"  # as it is
        """,
    ),
    "parentheses only where they are needed": (
        """
        @app.post("/")
        def save():
            name = request.form["name"]
            data = request.get_json().get("x", request.form)
            both = (request.files)["a"], not request.form
            return jsonify(request.json, name, data, both)
        """,
        """
        @app.post("/")
        async def save():
            form = await request.form
            name = form["name"]
            data = (await request.get_json()).get("x", form)
            both = (await request.files)["a"], not form
            return jsonify(await request.json, name, data, both)
        """,
    ),
    "a form is awaited once": (
        """
        @app.post("/")
        def save():
            session.clear()
            if request.form["name"] != "a":
                error = request.form
            elif request.form["password"] != "b":
                error = 1
            return [x for x in "ab" if x in request.form]

        @app.post("/2")
        def other(form):
            if request.method == "POST":
                name = request.form["name"]
                text = request.form["text"]
            return form

        @app.post("/3")
        def branches():
            if request.method == "POST":
                return request.form["a"]
            return request.form["b"]
        """,
        """
        @app.post("/")
        async def save():
            session.clear()
            form = await request.form
            if form["name"] != "a":
                error = form
            elif form["password"] != "b":
                error = 1
            return [x for x in "ab" if x in form]

        @app.post("/2")
        async def other(form):
            if request.method == "POST":
                request_form = await request.form
                name = request_form["name"]
                text = request_form["text"]
            return form

        @app.post("/3")
        async def branches():
            if request.method == "POST":
                return (await request.form)["a"]
            return (await request.form)["b"]
        """,
    ),
    "helpers become asynchronous with all that call them": (
        """
        def title():
            return request.form["title"]

        def page(name):
            return render_template(name, title=title())

        def unrelated():
            return 1

        @app.post("/")
        def index():
            unrelated()
            return page("index.html")
        """,
        """
        async def title():
            return (await request.form)["title"]

        async def page(name):
            return await render_template(name, title=await title())

        def unrelated():
            return 1

        @app.post("/")
        async def index():
            unrelated()
            return await page("index.html")
        """,
    ),
    "decorators with and without wraps": (
        """
        def login_required(view):
            @wraps(view)
            def wrapped(**kwargs):
                if "user" not in session:
                    abort(401)
                return view(**kwargs)
            return wrapped

        def allowed(name):
            def decorator(view):
                def inner(*args, **kwargs):
                    return view(*args, **kwargs)
                return inner
            return decorator

        @app.get("/", endpoint="a")
        @login_required
        @allowed("read")
        def index():
            return "secret"
        """,
        """
        def login_required(view):
            @wraps(view)
            async def wrapped(**kwargs):
                if "user" not in session:
                    abort(401)
                return await view(**kwargs)
            return wrapped

        def allowed(name):
            def decorator(view):
                async def inner(*args, **kwargs):
                    return await view(*args, **kwargs)
                return inner
            return decorator

        @app.get("/", endpoint="a")
        @login_required
        @allowed("read")
        async def index():
            return "secret"
        """,
    ),
    "hooks": (
        """
        @app.before_request
        def load_user():
            g.user = session.get("user")

        @app.teardown_appcontext
        def close(error):
            g.pop("db", None)

        @app.context_processor
        def variables():
            return {"x": 1}

        @app.errorhandler(404)
        def not_found(error):
            return render_template("404.html"), 404
        """,
        """
        @app.before_request
        async def load_user():
            g.user = session.get("user")

        @app.teardown_appcontext
        async def close(error):
            g.pop("db", None)

        @app.context_processor
        async def variables():
            return {"x": 1}

        @app.errorhandler(404)
        async def not_found(error):
            return await render_template("404.html"), 404
        """,
    ),
    "views that are registered later": (
        """
        def index():
            return "hello"

        app.add_url_rule("/", view_func=index)
        """,
        """
        async def index():
            return "hello"

        app.add_url_rule("/", view_func=index)
        """,
    ),
    "files and context managers": (
        """
        def read():
            with app.open_resource("a.txt") as file, open("b.txt") as other:
                text = '''
        as it is
        '''
                return file.read() + other.read().encode()
        """,
        """
        async def read():
            async with await app.open_resource("a.txt") as file:
                with open("b.txt") as other:
                    text = '''
        as it is
        '''
                    return await file.read() + other.read().encode()
        """,
    ),
    "context managers in parentheses": (
        """
        def check(client):
            with (
                app.app_context(),
                open("a") as a,
                (open("b")) as b,
                app.test_client() as client,
            ):
                client.get(a.read() + b.read())
        """,
        """
        async def check(client):
            async with app.app_context():
                with open("a") as a, (open("b")) as b:
                    async with app.test_client() as client:
                        await client.get(a.read() + b.read())
        """,
    ),
    "context managers with comments": (
        """
        def check():
            with (
                open("a") as a,  # first: (one)
                (  # see (b)
                    open("b")
                ) as (b, c),
                app.test_client() as client,  # two
            ):  # end
                # body
                client.get("/")

        def short(client):
            with open("a") as a, \\
                    app.app_context(): print(a)

        def tabs():
        \twith open("a"), app.app_context():
        \t\t# body
        \t\treturn 1
        """,
        """
        async def check():
            # first: (one)
            # two
            with open("a") as a, (  # see (b)
                    open("b")
                ) as (b, c):
                async with app.test_client() as client:  # end
                    # body
                    await client.get("/")

        async def short(client):
            with open("a") as a:
                async with app.app_context(): print(a)

        async def tabs():
        \twith open("a"):
        \t\tasync with app.app_context():
        \t\t\t# body
        \t\t\treturn 1
        """,
    ),
    "context managers in others": (
        """
        def check():
            with open("a"), app.app_context():
                name = request.form["a"]
                with app.test_client() as client, open(name):
                    client.get(request.form["b"])
        """,
        """
        async def check():
            with open("a"):
                async with app.app_context():
                    form = await request.form
                    name = form["a"]
                    async with app.test_client() as client:
                        with open(name):
                            await client.get(form["b"])
        """,
    ),
    "decorators with optional arguments": (
        """
        def named(view=None, *, name="x"):
            def decorator(view):
                @wraps(view)
                def wrapped(**kwargs):
                    return view(**kwargs)
                return wrapped
            return decorator(view) if view is not None else decorator

        @app.get("/a")
        @named
        def a():
            return "a"

        @app.get("/b")
        @named(name="b")
        @named
        def b():
            return "b"
        """,
        """
        def named(view=None, *, name="x"):
            def decorator(view):
                @wraps(view)
                async def wrapped(**kwargs):
                    return await view(**kwargs)
                return wrapped
            return decorator(view) if view is not None else decorator

        @app.get("/a")
        @named
        async def a():
            return "a"

        @app.get("/b")
        @named(name="b")
        @named
        async def b():
            return "b"
        """,
    ),
    "coroutines in collections": (
        """
        import asyncio

        def title(name):
            return request.form[name]

        async def titles(names):
            await asyncio.gather(*(title(name) for name in names))
            return await asyncio.gather(*[title(name) for name in names], *[title("a")])
        """,
        """
        import asyncio

        async def title(name):
            return (await request.form)[name]

        async def titles(names):
            await asyncio.gather(*(title(name) for name in names))
            return await asyncio.gather(*[title(name) for name in names], *[title("a")])
        """,
    ),
    "the items of generators": (
        """
        def parts(n):
            for _ in range(n):
                yield render_template("a")

        def text():
            first, *rest = parts(2)
            all = ", ".join(parts(1)), [*parts(2)]
            return dict(enumerate(parts(3)))
        """,
        """
        async def parts(n):
            for _ in range(n):
                yield await render_template("a")

        async def text():
            first, *rest = [each async for each in parts(2)]
            all = ", ".join([each async for each in parts(1)]), [*[each async for each in parts(2)]]
            return dict(enumerate([each async for each in parts(3)]))
        """,
    ),
    "lambdas that return what is called": (
        """
        from functools import partial

        def checked(view, name):
            def inner(*args):
                return view(*args) if name in request.form else ""
            return inner

        def needs(name):
            return lambda view: checked(view, name)

        @app.post("/")
        @needs("a")
        def index():
            return "a"

        show = partial(render_template, title="a")
        page = partial(checked, name="b")(index)

        def both():
            return show("a.html"), page()
        """,
        """
        from functools import partial

        def checked(view, name):
            async def inner(*args):
                return await view(*args) if name in await request.form else ""
            return inner

        def needs(name):
            return lambda view: checked(view, name)

        @app.post("/")
        @needs("a")
        async def index():
            return "a"

        show = partial(render_template, title="a")
        page = partial(checked, name="b")(index)

        async def both():
            return await show("a.html"), await page()
        """,
    ),
    "functions in collections": (
        """
        shows, after = {}, []

        def register(name):
            def decorator(function):
                shows[name] = function
                after.append(function)
                return function
            return decorator

        @register("page")
        def page():
            return render_template("a.html")

        app.extensions["page"] = page

        @app.get("/")
        def index():
            for function in after:
                function()
            shows.get("text", page)()
            current_app.extensions["page"]()
            return shows[request.args["name"]]()
        """,
        """
        shows, after = {}, []

        def register(name):
            def decorator(function):
                shows[name] = function
                after.append(function)
                return function
            return decorator

        @register("page")
        async def page():
            return await render_template("a.html")

        app.extensions["page"] = page

        @app.get("/")
        async def index():
            for function in after:
                await function()
            await shows.get("text", page)()
            await current_app.extensions["page"]()
            return await shows[request.args["name"]]()
        """,
    ),
    "the proxy and cleanups of test cases": (
        """
        import unittest
        from werkzeug.middleware.proxy_fix import ProxyFix

        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)

        class Tests(unittest.TestCase):
            def setUp(self):
                context = app.app_context()
                context.push()
                self.addCleanup(context.pop)
                self.addCleanup(print)
        """,
        """
        import unittest
        from quartpatterns.subclassing import ProxyFix

        app.asgi_app = ProxyFix(app.asgi_app, x_for=1)

        class Tests(unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self):
                context = app.app_context()
                await context.push()
                self.addAsyncCleanup(context.pop)
                self.addCleanup(print)
        """,
    ),
    "uploads": (
        """
        @app.post("/")
        def upload():
            for file in request.files.getlist("a"):
                file.save("a")
            for name, file in request.files.items():
                file.save(name)
            request.files["b"].save("b")
            return request.files.get("c").filename
        """,
        """
        @app.post("/")
        async def upload():
            for file in (await request.files).getlist("a"):
                await file.save("a")
            for name, file in (await request.files).items():
                await file.save(name)
            await (await request.files)["b"].save("b")
            return (await request.files).get("c").filename
        """,
    ),
    "what hooks and class-based views get": (
        """
        from flask import after_this_request
        from flask.views import MethodView

        def checked(view):
            def inner(**kwargs):
                return view(**kwargs)
            return inner

        class Page(MethodView):
            decorators = [checked]

            def get(self):
                @after_this_request
                def sign(response):
                    response.data += b"a"
                    return response
                return "a"

        @app.after_request
        def sign(response):
            response.headers["X-Size"] = str(len(response.data))
            return response
        """,
        """
        from quartpatterns.subclassing.names import after_this_request
        from quartpatterns.subclassing.names.views import MethodView

        def checked(view):
            async def inner(**kwargs):
                return await view(**kwargs)
            return inner

        class Page(MethodView):
            decorators = [checked]

            async def get(self):
                @after_this_request
                async def sign(response):
                    response.data = await response.data + b"a"
                    return response
                return "a"

        @app.after_request
        async def sign(response):
            response.headers["X-Size"] = str(len(await response.data))
            return response
        """,
    ),
    "generator expressions in others": (
        """
        def check(name):
            return name in request.form

        def names(all):
            both = any(check(name) and check("a") for name in all)
            inner = any((any((check(n) for n in names)) for names in all))
            outer = any(any(x for x in request.form[name]) for name in all)
            with app.open_resource("a.txt") as file:
                lines = [a  # for
                         for a in file]
                return sum(1 for line in file), lines
        """,
        """
        async def check(name):
            return name in await request.form

        async def names(all):
            both = any([await check(name) and await check("a") for name in all])
            inner = any([any([await check(n) for n in names]) for names in all])
            outer = any([any(x for x in (await request.form)[name]) for name in all])
            async with await app.open_resource("a.txt") as file:
                lines = [a  # for
                         async for a in file]
                return sum([1 async for line in file]), lines
        """,
    ),
    "what a module cannot await": (
        """
        made = make_response("x")
        made.data += b"signed"
        """,
        """
        made = make_response("x")
        made.data += b"signed"
        """,
    ),
    "lists of what generators yield": (
        """
        def parts():
            for name in "ab":
                yield render_template(name)

        @app.get("/")
        def index():
            for part in sorted(parts()):
                print(part)
            return "".join(parts())
        """,
        """
        async def parts():
            for name in "ab":
                yield await render_template(name)

        @app.get("/")
        async def index():
            for part in sorted([each async for each in parts()]):
                print(part)
            return "".join([each async for each in parts()])
        """,
    ),
    "generator expressions become lists": (
        """
        def check(name):
            return name in request.form

        def names():
            some = any(check(name) for name in "ab")
            return some, [n for n in request.form if check(n)]
        """,
        """
        async def check(name):
            return name in await request.form

        async def names():
            some = any([await check(name) for name in "ab"])
            return some, [n for n in await request.form if await check(n)]
        """,
    ),
    "the data of a response": (
        """
        @app.after_request
        def sign(response):
            made = make_response("x")
            made.data += b"signed" or b""
            return made
        """,
        """
        @app.after_request
        async def sign(response):
            made = await make_response("x")
            made.data = await made.data + (b"signed" or b"")
            return made
        """,
    ),
    "try and except stay around the call": (
        """
        @app.post("/")
        def save():
            try:
                data = request.get_json()
            except ValueError:
                flash("no JSON")
                return "", 400
            return data
        """,
        """
        @app.post("/")
        async def save():
            try:
                data = await request.get_json()
            except ValueError:
                await flash("no JSON")
                return "", 400
            return data
        """,
    ),
    "methods, properties and attributes": (
        """
        class Page:
            def __init__(self, name):
                self.name = name

            @property
            def title(self):
                return request.form["title"]

            def render(self):
                return render_template(self.name, title=self.title)

        class Site:
            def __init__(self):
                self.page = Page("index.html")

        site = Site()

        @app.post("/")
        def index():
            return site.page.render()
        """,
        """
        class Page:
            def __init__(self, name):
                self.name = name

            @property
            async def title(self):
                return (await request.form)["title"]

            async def render(self):
                return await render_template(self.name, title=await self.title)

        class Site:
            def __init__(self):
                self.page = Page("index.html")

        site = Site()

        @app.post("/")
        async def index():
            return await site.page.render()
        """,
    ),
    "a method that overrides another one": (
        """
        class Base:
            def body(self):
                return ""

            def answer(self):
                return self.body()

        class Form(Base):
            def body(self):
                return request.form["body"]

        @app.post("/")
        def index():
            return Form().answer()
        """,
        """
        class Base:
            async def body(self):
                return ""

            async def answer(self):
                return await self.body()

        class Form(Base):
            async def body(self):
                return (await request.form)["body"]

        @app.post("/")
        async def index():
            return await Form().answer()
        """,
    ),
    "uploaded files": (
        """
        def store(file):
            file.save("a")
            return file.read()

        @app.post("/")
        def upload():
            request.files["a"].save("a")
            store(request.files.get("b"))
            for file in request.files.getlist("c"):
                file.save("c")
        """,
        """
        async def store(file):
            await file.save("a")
            return file.read()

        @app.post("/")
        async def upload():
            files = await request.files
            await files["a"].save("a")
            await store(files.get("b"))
            for file in files.getlist("c"):
                await file.save("c")
        """,
    ),
    "functions of templates": (
        """
        def title():
            return request.form["title"]

        app.jinja_env.globals["title"] = title

        @app.template_filter()
        def upper(value):
            return value.upper()
        """,
        """
        async def title():
            return (await request.form)["title"]

        app.jinja_env.globals["title"] = title

        @app.template_filter()
        def upper(value):
            return value.upper()
        """,
    ),
    "commands": (
        """
        def load():
            with app.open_resource("data.sql") as file:
                return file.read()

        @app.cli.command("load")
        def load_command():
            load()

        @app.cli.command("hello")
        def hello_command():
            print("hello")
        """,
        """
        async def load():
            async with await app.open_resource("data.sql") as file:
                return await file.read()

        @app.cli.command("load")
        async def load_command():
            await load()

        @app.cli.command("hello")
        def hello_command():
            print("hello")
        """,
    ),
    "threads": (
        """
        import asyncio
        from threading import Thread

        def send(app, text):
            with app.app_context():
                print(text)

        def later(app):
            app.app_context().push()

        def start(text):
            app = current_app._get_current_object()
            Thread(target=send, args=[app, text]).start()
            Thread(target=send, args=(app, request.form["text"])).start()
            Thread(target=later, args=(app,), daemon=True).start()
            Thread(target=print, args=[text]).start()
            Thread(kwargs=text, target=send).start()
            Thread(target=send, args=(app,), kwargs=text).start()
            Thread(target=send, kwargs=text, args=[app], daemon=True).start()
            Thread(target=send, args=text, kwargs=text).start()
        """,
        """
        import asyncio
        from threading import Thread

        async def send(app, text):
            async with app.app_context():
                print(text)

        async def later(app):
            await app.app_context().push()

        async def start(text):
            app = current_app._get_current_object()
            Thread(target=asyncio.run, args=[send(app, text)]).start()
            Thread(target=asyncio.run, args=(send(app, (await request.form)["text"]),)).start()
            Thread(target=asyncio.run, args=(later(app,),), daemon=True).start()
            Thread(target=print, args=[text]).start()
            Thread(target=asyncio.run, args=[send(**text)]).start()
            Thread(target=asyncio.run, args=(send(app, **text),)).start()
            Thread(target=asyncio.run, args=[send(app, **text)], daemon=True).start()
            Thread(target=asyncio.run, args=[send(*text, **text)]).start()
        """,
    ),
    "coroutines that are not awaited": (
        """
        import asyncio

        def title():
            return request.form["title"]

        async def both():
            return await asyncio.gather(title(), title())

        def main():
            asyncio.run(both())
            app.add_background_task(title)
        """,
        """
        import asyncio

        async def title():
            return (await request.form)["title"]

        async def both():
            return await asyncio.gather(title(), title())

        def main():
            asyncio.run(both())
            app.add_background_task(title)
        """,
    ),
    "a request method that is chosen by its name": (
        """
        def test_methods():
            client = app.test_client()
            for verb in ("get", "post"):
                method = getattr(client, verb)
                assert method("/").data
                assert getattr(client, verb + "")("/").status_code == 200
        """,
        """
        async def test_methods():
            client = app.test_client()
            for verb in ("get", "post"):
                method = getattr(client, verb)
                assert await (await method("/")).data
                assert (await getattr(client, verb + "")("/")).status_code == 200
        """,
    ),
    "the library decorator": (
        """
        from decorator import decorator

        @decorator
        def upper(view, *args, **kwargs):
            return view(*args, **kwargs).upper()

        @app.get("/")
        @upper
        def index():
            return render_template("index.html")

        @decorator
        def plain(function, *args):
            return function(*args)

        @plain
        def add(a, b):
            return a + b
        """,
        """
        from decorator import decorator

        @decorator
        async def upper(view, *args, **kwargs):
            return (await view(*args, **kwargs)).upper()

        @app.get("/")
        @upper
        async def index():
            return await render_template("index.html")

        @decorator
        def plain(function, *args):
            return function(*args)

        @plain
        def add(a, b):
            return a + b
        """,
    ),
    "what knows no request stays": (
        """
        class Request:
            form = {}

        request2 = Request()

        def form():
            return request2.form["a"]

        data = [value for value in (1, 2) if value]
        """,
        """
        class Request:
            form = {}

        request2 = Request()

        def form():
            return request2.form["a"]

        data = [value for value in (1, 2) if value]
        """,
    ),
}

IMPORTS = {
    "test cases": (
        "import unittest\nfrom unittest import TestCase\nfrom flask import Flask\n\n"
        "app = Flask(__name__)\n\n\n"
        "class Base(TestCase):\n    pass\n\n\nclass Other(TestCase):\n    pass\n\n\n"
        "class Third(unittest.TestCase):\n    def test_page(self):\n"
        "        app.test_client().get('/')\n\n\n"
        "class Pages(Base):\n    def test_page(self):\n        app.test_client().get('/')\n",
        "import unittest\nfrom unittest import TestCase\n"
        "from quartpatterns.subclassing.names import Flask\n"
        "from unittest import IsolatedAsyncioTestCase\n\n"
        "app = Flask(__name__)\n\n\n"
        "class Base(IsolatedAsyncioTestCase):\n    pass\n\n\n"
        "class Other(TestCase):\n    pass\n\n\n"
        "class Third(unittest.IsolatedAsyncioTestCase):\n    async def test_page(self):\n"
        "        await app.test_client().get('/')\n\n\n"
        "class Pages(Base):\n    async def test_page(self):\n"
        "        await app.test_client().get('/')\n",
    ),
    "test cases that name their base class": (
        "import unittest\nfrom flask import Flask\n\napp = Flask(__name__)\n\n\n"
        "class Base(unittest.TestCase):\n    def __init__(self, name='runTest'):\n"
        "        unittest.TestCase.__init__(self, name)\n\n\n"
        "class Pages(Base):\n    def test_page(self):\n        app.test_client().get('/')\n",
        "import unittest\nfrom quartpatterns.subclassing.names import Flask\n\n"
        "app = Flask(__name__)\n\n\n"
        "class Base(unittest.IsolatedAsyncioTestCase):\n    def __init__(self, name='runTest'):\n"
        "        unittest.IsolatedAsyncioTestCase.__init__(self, name)\n\n\n"
        "class Pages(Base):\n    async def test_page(self):\n"
        "        await app.test_client().get('/')\n",
    ),
    "what a module runs": (
        "from flask import Flask, render_template\n\napp = Flask(__name__)\n\n\n"
        "def make(name):\n    return render_template(name)\n\n\n"
        "page = make('a.html').upper()\nwith app.app_context():\n    other = make('b.html')\n\n"
        "if __name__ == '__main__':\n    print(make('c.html'))\n",
        "from quartpatterns.subclassing.names import Flask, render_template\nimport asyncio\n\n"
        "app = Flask(__name__)\n\n\n"
        "async def make(name):\n    return await render_template(name)\n\n\n"
        "page = asyncio.run(make('a.html')).upper()\n"
        "async def run_in_context():\n    global other\n    async with app.app_context():\n"
        "        other = await make('b.html')\n\nasyncio.run(run_in_context())\n\n"
        "if __name__ == '__main__':\n    print(asyncio.run(make('c.html')))\n",
    ),
    "contexts that a module enters": (
        "from flask import Flask\n\napp = Flask(__name__)\nrun_in_context = 1\n"
        "if run_in_context:\n    with app.app_context() as ctx, open('a') as file:\n"
        '        # all\n        text = """\n  text\n"""\n        import os.path, json as j\n'
        "        a, (b.c, d[0]) = 1, (2, 3)\n\n        for number in text:\n"
        "            print(number)  # each\n    # done\n"
        "for app in [app]:\n    with app.app_context():\n        pass\n",
        "from quartpatterns.subclassing.names import Flask\nimport asyncio\n\n"
        "app = Flask(__name__)\nrun_in_context = 1\n"
        "if run_in_context:\n    async def run_in_context_2():\n"
        "        global a, ctx, file, j, number, os, text\n"
        "        async with app.app_context() as ctx:\n            with open('a') as file:\n"
        '                # all\n                text = """\n  text\n"""\n'
        "                import os.path, json as j\n"
        "                a, (b.c, d[0]) = 1, (2, 3)\n\n                for number in text:\n"
        "                    print(number)  # each\n\n    asyncio.run(run_in_context_2())\n"
        "    # done\n"
        "for app in [app]:\n    with app.app_context():\n        pass\n",
    ),
    "a module": (
        "import flask\n\napp = flask.Flask(__name__)\n",
        "from quartpatterns.subclassing import names as flask\n\napp = flask.Flask(__name__)\n",
    ),
    "several modules": (
        "import os, flask as f\nfrom flask.views import View\n\napp = f.Flask(os.name)\n",
        "import os\nfrom quartpatterns.subclassing import names as f\n"
        "from quartpatterns.subclassing.names.views import View\n\napp = f.Flask(os.name)\n",
    ),
    "modules that flask imports": (
        "from flask.app import Flask\nfrom flask.wrappers import Response\n\n"
        "app = Flask(__name__)\n\n\n@app.get('/')\ndef size():\n"
        "    return str(len(Response('a').data))\n",
        "from quartpatterns.subclassing.names import Flask\n"
        "from quartpatterns.subclassing.names import Response\n\n"
        "app = Flask(__name__)\n\n\n@app.get('/')\nasync def size():\n"
        "    return str(len(await Response('a').data))\n",
    ),
    "extensions for Flask": (
        "from flask import Flask\nfrom flask_login import LoginManager\n\napp = Flask(__name__)\n",
        "from quartpatterns.subclassing.names import Flask\n"
        "from quartpatterns.subclassing import bridge_flask\n"
        "from flask_login import LoginManager\n\napp = bridge_flask(Flask(__name__))\n",
    ),
    "extensions for Flask, imported in a block": (
        "#!/usr/bin/env python\ntry:\n    from flask import Flask\n    import flask_login\n"
        "except ImportError:\n    raise\n\napp = Flask(__name__)\n",
        "#!/usr/bin/env python\nfrom quartpatterns.subclassing import bridge_flask\ntry:\n"
        "    from quartpatterns.subclassing.names import Flask\n    import flask_login\n"
        "except ImportError:\n    raise\n\napp = bridge_flask(Flask(__name__))\n",
    ),
    "applications that nobody knows": (
        "import importlib\nfrom flask import Flask\n\n\n"
        "def test_page():\n    app = importlib.import_module('shop').app\n"
        "    with app.app_context():\n        app.test_client().get('/')\n\n\n"
        "class Client:\n    def get(self):\n        return 1\n\n\n"
        "class App:\n    def test_client(self):\n        return Client()\n\n\n"
        "def test_other():\n    assert App().test_client().get() == 1\n",
        "import importlib\nfrom quartpatterns.subclassing.names import Flask\n\n\n"
        "async def test_page():\n    app = importlib.import_module('shop').app\n"
        "    async with app.app_context():\n        await app.test_client().get('/')\n\n\n"
        "class Client:\n    def get(self):\n        return 1\n\n\n"
        "class App:\n    def test_client(self):\n        return Client()\n\n\n"
        "def test_other():\n    assert App().test_client().get() == 1\n",
    ),
    "test cases of Flask-Testing": (
        "from flask import Flask\nfrom flask_testing import TestCase\nfrom app import db\n\n\n"
        "class Base(TestCase):\n    def create_app(self):\n        return Flask(__name__)\n\n"
        "    def setUp(self):\n        db.create_all()\n\n\n"
        "class Pages(Base):\n    def setUp(self):\n        super().setUp()\n\n"
        "    def test_page(self):\n        self.assert200(self.client.get('/'))\n"
        "        self.assertEqual(self.app.name, 'app')\n",
        "from quartpatterns.subclassing.names import Flask\n"
        "from quartpatterns.subclassing import bridge_flask\n"
        "from quartpatterns.subclassing.unittest_case import TestCase\nfrom app import db\n\n\n"
        "class Base(TestCase):\n    def create_app(self):\n"
        "        return bridge_flask(Flask(__name__))\n\n"
        "    async def asyncSetUp(self):\n        db.create_all()\n\n\n"
        "class Pages(Base):\n    async def asyncSetUp(self):\n"
        "        await super().asyncSetUp()\n\n"
        "    async def test_page(self):\n        self.assert200(await self.client.get('/'))\n"
        "        self.assertEqual(self.app.name, 'app')\n",
    ),
    "decorators that nobody knows": (
        "import cachetools\nfrom flask import Flask, request\nfrom functools import wraps\n\n"
        "app = Flask(__name__)\n\n\ndef admin(view):\n    @wraps(view)\n"
        "    def wrapper(*args):\n        return view(*args)\n\n    return wrapper\n\n\n"
        "@app.get('/')\n@cachetools.cached(1)\n@cachetools.cached(2)\n@admin\n"
        "@cachetools.cached(3)\ndef index():\n    return request.form['a']\n\n\n"
        "@app.get('/2')\n@cachetools.cached(1)\ndef second():\n    return 'a'\n",
        "import cachetools\nfrom quartpatterns.subclassing.names import Flask, request\n"
        "from quartpatterns.subclassing import async_to_sync\n"
        "from quartpatterns.subclassing import bridge_flask\nfrom functools import wraps\n\n"
        "app = bridge_flask(Flask(__name__))\n\n\ndef admin(view):\n    @wraps(view)\n"
        "    async def wrapper(*args):\n        return await view(*args)\n\n"
        "    return wrapper\n\n\n"
        "@app.get('/')\n@cachetools.cached(1)\n@cachetools.cached(2)\n@async_to_sync\n@admin\n"
        "@cachetools.cached(3)\n@async_to_sync\nasync def index():\n"
        "    return (await request.form)['a']\n\n\n"
        "@app.get('/2')\n@cachetools.cached(1)\ndef second():\n    return 'a'\n",
    ),
    "classes of extensions that call methods": (
        "from flask import Flask, request\nfrom flask_restful import Resource\n"
        "from shop import admin\n\n\n"
        "class Item(Resource):\n    def get(self):\n        return {}\n\n"
        "    # creates it\n    @admin\n    def post(self):\n        return request.form['a']\n\n"
        "    def put(self):\n        return request.form['a']\n\n"
        "    @staticmethod\n    def patch():\n        return request.form['a']\n\n"
        "    def name(self):\n        return request.form['a']\n",
        "from quartpatterns.subclassing.names import Flask, request\n"
        "from quartpatterns.subclassing import async_to_sync\nfrom flask_restful import Resource\n"
        "from shop import admin\n\n\n"
        "class Item(Resource):\n    def get(self):\n        return {}\n\n"
        "    # creates it\n    @admin\n    @async_to_sync\n    async def post(self):\n"
        "        return (await request.form)['a']\n\n"
        "    @async_to_sync\n    async def put(self):\n        return (await request.form)['a']\n\n"
        "    @staticmethod\n    @async_to_sync\n    async def patch():\n"
        "        return (await request.form)['a']\n\n"
        "    async def name(self):\n        return (await request.form)['a']\n",
    ),
    "files of forms": (
        "from flask import Flask\nfrom flask_wtf import FlaskForm\n"
        "from flask_wtf.file import FileField\nfrom wtforms import MultipleFileField\n\n\n"
        "class Photos(FlaskForm):\n    first = FileField()\n    rest = MultipleFileField()\n\n\n"
        "def save():\n    form = Photos()\n    form.first.data.save('a')\n"
        "    for file in form.rest.data:\n        file.save('b')\n",
        "from quartpatterns.subclassing.names import Flask\n"
        "from quartpatterns.wtforms import FlaskForm\n"
        "from quartpatterns.wtforms import FileField\nfrom wtforms import MultipleFileField\n\n\n"
        "class Photos(FlaskForm):\n    first = FileField()\n    rest = MultipleFileField()\n\n\n"
        "async def save():\n    form = await Photos.create()\n    await form.first.data.save('a')\n"
        "    for file in form.rest.data:\n        await file.save('b')\n",
    ),
    "forms": (
        "from flask import Flask, render_template\nfrom flask_wtf import FlaskForm\n\n"
        "app = Flask(__name__)\n\n\nclass Note(FlaskForm):\n    pass\n\n\n"
        "@app.post('/')\ndef add():\n    form = Note(prefix='a')\n"
        "    return str(form.validate_on_submit())\n",
        "from quartpatterns.subclassing.names import Flask, render_template\n"
        "from quartpatterns.subclassing import bridge_flask\n"
        "from quartpatterns.wtforms import FlaskForm\n\n"
        "app = bridge_flask(Flask(__name__))\n\n\nclass Note(FlaskForm):\n    pass\n\n\n"
        "@app.post('/')\nasync def add():\n    form = await Note.create(prefix='a')\n"
        "    return str(await form.validate_on_submit())\n",
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pair(tmp_path: Path, name: str) -> None:
    before, after = (textwrap.dedent(text) for text in PAIRS[name])
    found = ported(tmp_path, HEAD + before)
    assert found == (NEW_HEAD + after).lstrip("\n")
    ast.parse(found)
    assert ported(tmp_path, found) == found


@pytest.mark.parametrize("name", IMPORTS)
def test_imports(tmp_path: Path, name: str) -> None:
    before, after = IMPORTS[name]
    assert ported(tmp_path, before) == after
    assert ported(tmp_path, after) == after


def test_module_of_a_package_that_exports_all(tmp_path: Path) -> None:
    """``from . import filters`` is the module, also if the package has all names of this one."""
    files = {
        "shop/__init__.py": "from .core import *\n",
        "shop/filters.py": "def upper(view):\n    return view().upper()\n",
        "shop/core.py": HEAD
        + "from . import filters\n\n\ndef page():\n    return render_template('page.html')\n"
        "\n\ndef index():\n    return filters.upper(page)\n",
    }
    port(written(tmp_path, files))
    assert "async def upper" in (tmp_path / "shop/filters.py").read_text()
    assert "return await filters.upper(page)" in (tmp_path / "shop/core.py").read_text()


TESTS = """
import pytest
from flask import Flask


@pytest.fixture(name="client")
def make_client(request):
    request.cls.client = Flask("a").test_client()


class Mixin:
    def load(self):
        return self.other.get("/")


class Base:
    @pytest.fixture(autouse=True)
    def set(self):
        self.other = Flask("b").test_client()


@pytest.fixture(scope="function", name="second")
def make_second():
    return Flask("c").test_client()


@pytest.mark.usefixtures("client")
class TestPages(Mixin, Base):
    def test_page(self, second):
        self.client.get("/")
        second.get("/")
        self.load()
"""


def test_attributes_of_test_classes(tmp_path: Path) -> None:
    """Fixtures write attributes of test classes, which methods of other base classes read."""
    written(tmp_path, {"test_app.py": TESTS})
    port(tmp_path)
    text = (tmp_path / "test_app.py").read_text()
    new = TESTS.lstrip("\n").replace(
        "from flask import", "from quartpatterns.subclassing.names import"
    )
    for call in ("self.other.get", "self.client.get", "second.get", "self.load"):
        new = new.replace(f" {call}(", f" await {call}(")
    for name in ("load", "test_page"):
        new = new.replace(f"def {name}(", f"async def {name}(")
    assert text == new


SET_UPS = """
from flask import Flask

app = Flask(__name__)


def setup_function():
    app.app_context().push()


class TestPages:
    def setup_method(self):
        app.app_context().push()

    def teardown_method(self):
        \"\"\"End the context.\"\"\"
        # It is the last one.
        app.app_context().pop()


def teardown_module(): app.app_context().pop()
"""
NEW_SET_UPS = """
from quartpatterns.subclassing.names import Flask
import pytest

app = Flask(__name__)


@pytest.fixture(autouse=True)
async def setup_function():
    await app.app_context().push()


class TestPages:
    @pytest.fixture(autouse=True)
    async def setup_method(self):
        await app.app_context().push()

    @pytest.fixture(autouse=True)
    async def teardown_method(self):
        \"\"\"End the context.\"\"\"
        # It is the last one.
        yield
        await app.app_context().pop()


@pytest.fixture(autouse=True, scope="module")
async def teardown_module(): yield; await app.app_context().pop()
"""


def test_set_ups(tmp_path: Path) -> None:
    """What pytest calls before and after tests, and does not await, becomes a fixture."""
    written(tmp_path, {"test_app.py": SET_UPS})
    port(tmp_path)
    assert (tmp_path / "test_app.py").read_text() == NEW_SET_UPS.lstrip("\n")
    assert not port(tmp_path).changes


def test_names_of_imports(tmp_path: Path) -> None:
    """Other names of unittest and contextlib are known, and a class of that name is another."""
    base = "import unittest\n\nclass TestCase(unittest.TestCase):\n    pass\n"
    test = """
    import contextlib as cl
    import unittest as ut
    from contextlib import contextmanager as cm
    from unittest import TestCase as Base
    from app import app
    from base import TestCase

    @cm
    def one():
        yield app.test_client().get("/")

    @cl.contextmanager
    def two():
        yield app.test_client().get("/")

    class A(Base):
        def setUp(self):
            app.test_client().get("/")

    class B(ut.TestCase):
        def setUp(self):
            app.test_client().get("/")

    class C(TestCase):
        def setUp(self):
            app.test_client().get("/")
    """
    app = "from flask import Flask\n\napp = Flask(__name__)\n"
    port(written(tmp_path, {"app.py": app, "base.py": base, "test_app.py": test}))
    changed = (tmp_path / "test_app.py").read_text()
    assert "@asynccontextmanager\nasync def one" in changed
    assert "@cl.asynccontextmanager\nasync def two" in changed
    assert "class A(IsolatedAsyncioTestCase)" in changed
    assert "class B(ut.IsolatedAsyncioTestCase)" in changed
    assert "class C(TestCase)" in changed
    assert "class TestCase(unittest.IsolatedAsyncioTestCase)" in (tmp_path / "base.py").read_text()


def test_partial_with_options(tmp_path: Path) -> None:
    """Keyword arguments of a partial function take no place of the others."""
    test = """
    from functools import partial
    from app import app

    def show(client, name=""):
        return client.get("/")

    def test_it():
        options = {"name": "a"}
        partial(show, **options)(app.test_client())
    """
    app = "from flask import Flask\n\napp = Flask(__name__)\n"
    port(written(tmp_path, {"app.py": app, "test_app.py": test}))
    changed = (tmp_path / "test_app.py").read_text()
    assert "async def show(" in changed and "await partial(show" in changed
