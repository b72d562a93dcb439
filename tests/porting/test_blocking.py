"""Calls that stop the event loop are reported, or move: by the rules, and by what tests do."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quartpatterns._shared import blocking_calls
from quartpatterns.porting import PortFinding, make_plan
from quartpatterns.porting.oracle import blocking_places, run_ported
from tests.porting.forked_pytest import ForkedPytest
from tests.porting.ported import port, written

# Each line of the view with a comment stops the event loop.
LINES = """
import concurrent.futures
import hashlib
import json
import logging.handlers
import os
import pathlib
import queue
import shutil
import socket
import sqlite3
import subprocess
import threading
from os import path
from pathlib import Path

import boto3
import elasticsearch
import peewee
import pymongo
import redis
import requests
from flask import Flask
from flask_mail import Mail, Message
from PIL import Image
from werkzeug.security import check_password_hash

app = Flask(__name__)
mail = Mail(app)
lock = threading.Lock()
jobs = queue.Queue()
pool = concurrent.futures.ThreadPoolExecutor()
rates = redis.Redis()
client = pymongo.MongoClient()  # differs
users = client["shop"].users
search = elasticsearch.Elasticsearch("http://localhost:9200")
bucket = boto3.resource("s3").Bucket("shop")
folder = Path(__file__).parent / "uploads"
log = logging.handlers.SMTPHandler("localhost", "a@b.c", [], "")  # differs


class User(peewee.Model):
    name = peewee.CharField()


@app.get("/")
def index():
    with open("a") as file:  # blocks
        text = file.read()  # blocks
        for line in file:  # blocks
            text += line
        json.load(file)  # blocks
    folder.joinpath("b").write_text(text)  # blocks
    pathlib.Path("c").parent.mkdir()  # blocks
    if path.exists("d"):  # blocks
        os.remove("d")  # blocks
    shutil.rmtree("e")  # blocks
    with lock:  # blocks
        job = jobs.get()  # blocks
    lock.acquire()  # blocks
    lock.acquire(blocking=False)
    lock.acquire(blocking=True)  # blocks
    future = pool.submit(print)
    future.result()  # blocks
    with pool:  # blocks
        list(pool.map(print, [1]))  # blocks
    threading.Thread(target=print).join()  # blocks
    threading.Thread(target=print).join(timeout=0)
    connection = sqlite3.connect("f")
    rows = connection.execute("SELECT 1")  # blocks
    row = rows.fetchone()  # blocks
    for row in rows:  # blocks
        text += str(row)
    with connection:  # blocks
        pass
    child = subprocess.Popen(["true"])
    child.wait()  # blocks
    with requests.sessions.Session() as session:
        session.head("http://localhost")  # blocks
    rates.zrangebyscore("a", 0, 1)  # blocks
    users.find_one({"name": "ada"})  # blocks
    for user in users.find().sort("name"):  # blocks
        text += str(user)
    search.search(index="a")  # blocks
    search.indices.refresh()  # blocks
    bucket.Object("a").delete()  # blocks
    User.create(name="ada")  # blocks
    User().save()  # blocks
    for user in User.select().where(User.name == "ada"):  # blocks
        text += user.name
    mail.send(Message("a"))  # blocks
    image = Image.open("g")  # blocks
    image.resize((1, 1)).save("h")  # blocks
    check_password_hash("a", "b")  # blocks
    hashlib.scrypt(b"a", salt=b"b", n=2, r=1, p=1)  # blocks
    socket.socket().connect(("localhost", 80))  # blocks
    return text + str(job)


def script():
    input()
    open("a").read()
"""


def test_calls_that_wait(tmp_path: Path) -> None:
    """What a view calls is reported, and what a script calls is not."""
    expected = {
        (number, line.rpartition("# ")[2])
        for number, line in enumerate(LINES.lstrip("\n").splitlines(), 1)
        if "  # " in line
    }
    written(tmp_path, {"app.py": LINES})
    found = {(each.line, each.kind) for each in make_plan(tmp_path).findings}
    assert found == expected


SLEEPER = """
import time
from flask import Flask

app = Flask(__name__)


def wait(name):
    getattr(time, name)(0)
    return (
        "waited"
    )


@app.get("/")
def index():
    return wait("sleep")
"""
TESTS = """
import time
from app import app


def test_index():
    time.sleep(0)
    assert app.test_client().get("/").text == "waited"
"""


def noted(*lines: tuple[str, int], function: str = "time.sleep") -> str:
    return json.dumps({"function": function, "lines": lines}) + "\n"


def test_lines_that_no_finding_names(tmp_path: Path) -> None:
    """The lines are those before the port; those of a test, and named ones, are left out."""
    text = SLEEPER.replace("getattr(time, name)(0)", "time.sleep(\n        0)")
    written(tmp_path, {"app.py": text, "test_app.py": TESTS})
    plan = port(tmp_path)
    assert [(each.line, each.kind) for each in plan.findings] == [(8, "blocks")]
    after = (tmp_path / "app.py").read_text().splitlines()
    returns, sleeps = after.index("    return ("), after.index("    time.sleep(")
    named = noted(("app.py", sleeps + 2), ("app.py", returns + 1))
    in_test = noted(("app.py", returns + 1), ("test_app.py", 6))
    assert not blocking_places(named + in_test + "{}\n", plan, tmp_path)
    [found] = blocking_places(noted(("app.py", returns + 1)), plan, tmp_path)
    expected = PortFinding(
        "app.py",
        10,
        "blocks",
        "return (",
        "time.sleep() stops the event loop here, when the tests run",
        "call it with 'await asyncio.to_thread(...)', or use a library that is awaited",
    )
    assert found == expected


@pytest.fixture(scope="module")
def process() -> Iterator[ForkedPytest]:
    with ForkedPytest() as process:
        yield process


def test_noted_calls(process: ForkedPytest, tmp_path: Path) -> None:
    """The plugin notes a call that no rule sees, and the test passes."""
    file = tmp_path / "calls"
    shop = written(tmp_path / "shop", {"app.py": SLEEPER, "test_app.py": TESTS})
    conftest = f"import os\nos.environ[{blocking_calls.FILE_VARIABLE!r}] = {str(file)!r}\n"
    written(shop, {"conftest.py": conftest})
    plan = port(shop)
    outcome = process.run(shop, "-q", "-p", "quartpatterns._shared.blocking_calls")
    assert outcome.code == 0, outcome.output
    [found] = blocking_places(file.read_text(), plan, shop)
    assert (found.file, found.line, found.code) == ("app.py", 8, "getattr(time, name)(0)")


@pytest.mark.slow
def test_run_names_them(tmp_path: Path) -> None:
    """The command adds them to the report, and does not fail because of them."""
    shop = written(tmp_path / "shop", {"app.py": SLEEPER, "test_app.py": TESTS})
    command = shlex.join([sys.executable, "-m", "pytest", "-q"])
    outcome, found = run_ported(make_plan(shop), command, 60)
    assert outcome.code == 0, outcome.output
    assert [(each.file, each.line, each.kind) for each in found] == [("app.py", 8, "blocks")]
    port_it = [sys.executable, "-m", "quartpatterns", "port", str(shop), "--no-parity"]
    text = subprocess.run([*port_it, "--run", command], capture_output=True, text=True, check=True)
    assert "app.py:8: getattr(time, name)(0)" in text.stdout
