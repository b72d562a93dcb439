"""The files and routes of a front end beside an API."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import pytest
from quart import Blueprint, Quart, Response, abort, request, url_for
from werkzeug.datastructures import Headers

from quartpatterns.singlepageapplications import SinglePageApp
from quartpatterns.singlepageapplications.example import port
from tests.counting_executor import CountingExecutor

INDEX = '<!doctype html><base href="/"><script src="assets/main.0a1b2c3d.js"></script>'
HASHED = "assets/main.0a1b2c3d.js"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """Return a folder as a build writes it."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / "index.html.gz").write_bytes(gzip.compress(INDEX.encode()))
    (folder / "favicon.ico").write_bytes(b"icon")
    (folder / "about.html").write_text("about")
    (folder / HASHED).write_text("script")
    (folder / f"{HASHED}.gz").write_bytes(gzip.compress(b"script"))
    (folder / f"{HASHED}.br").write_bytes(b"brotli")
    return folder


@pytest.fixture
def app(app_class: type[Quart], dist: Path) -> Quart:
    app = app_class(__name__, static_folder=None)

    @app.get("/api/users")
    async def users() -> list[str]:
        return ["joe"]

    @app.post("/login")
    async def login() -> str:
        return "logged in"

    @app.get("/sync")
    def sync() -> str:
        return url_for("single_page") + url_for("single_page", path="a/b")

    SinglePageApp(app, dist)
    return app


async def body(response: Any) -> bytes:
    data = await response.get_data(as_text=False)
    assert isinstance(data, bytes)
    return data


@pytest.mark.checks("SP-3")
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/any/where",
        "/index.html",
        "/login",
        "/apis",
        "/v1.2",
        "/assets",
        "/assets/",
        "/%20",
        "/../x",
        "/a/../b",
    ],
)
async def test_index(app: Quart, path: str) -> None:
    response = await app.test_client().get(path)
    assert (response.status_code, response.mimetype) == (200, "text/html")
    assert await body(response) == INDEX.encode()
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.checks("SP-4")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nope", "/api/nope.js", "/api/users/1"])
async def test_api_is_not_the_index(app: Quart, method: str, path: str) -> None:
    """Unknown paths of the API are a 404 for every method."""
    client: Any = app.test_client()
    assert (await client.open(path, method=method)).status_code == 404


@pytest.mark.checks("SP-2")
async def test_api(app: Quart) -> None:
    client = app.test_client()
    assert await (await client.get("/api/users")).get_json() == ["joe"]
    not_allowed = await client.post("/api/users")
    assert (not_allowed.status_code, set(not_allowed.allow)) == (405, {"GET", "HEAD", "OPTIONS"})
    assert await body(await client.post("/login")) == b"logged in"
    assert await body(await client.get("/sync")) == b"//a/b"


@pytest.mark.checks("SP-4")
@pytest.mark.parametrize("path", ["/nope.js", "/assets/old.0a1b2c3d.js", "/img/a.PNG"])
async def test_missing(app: Quart, path: str) -> None:
    assert (await app.test_client().get(path)).status_code == 404


@pytest.fixture
def hidden(dist: Path, tmp_path: Path) -> Path:
    """Return a build with hidden files, and with links into and out of the folder."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "dist-2").mkdir()
    (tmp_path / "dist-2/secret.txt").write_text("secret")
    for name in (".git/config", ".well-known/security.txt", ".well-known/.env", "a/.env/b"):
        (dist / name).parent.mkdir(parents=True, exist_ok=True)
        (dist / name).write_text("secret")
    (dist / ".env").write_text("secret")
    (dist / "out.txt").symlink_to(tmp_path / "secret.txt")
    (dist / "sibling.txt").symlink_to(tmp_path / "dist-2/secret.txt")
    (dist / "folder").symlink_to(tmp_path / "dist-2")
    (dist / "about.html.gz").symlink_to(tmp_path / "secret.txt")
    (dist / "in.txt").symlink_to(dist / "about.html")
    return dist


@pytest.mark.checks("SP-7")
@pytest.mark.parametrize("prefix", ["/", "/static"])
async def test_hidden_files(app_class: type[Quart], hidden: Path, prefix: str) -> None:
    """A name that starts with a dot is a 404, and neither a file nor a client route."""
    app = app_class(__name__, static_folder=None)
    SinglePageApp(app, hidden, static_url_path=prefix)
    client, root = app.test_client(), prefix.rstrip("/")
    for path in (".env", ".git/config", ".git", ".well-known/security.txt", "a/.env/b", ".nope"):
        for start in (root, ""):
            assert (await client.get(f"{start}/{path}")).status_code == 404
    assert (await client.get(f"{root}/about.html")).status_code == 200
    assert (await client.get("/...")).status_code == 404


@pytest.mark.checks("SP-7")
async def test_allowed_hidden_files(app_class: type[Quart], hidden: Path) -> None:
    """Only the given names are served; a missing file below them is not a client route."""
    app = app_class(__name__, static_folder=None)
    SinglePageApp(app, hidden, allow_hidden=(".well-known",))
    client = app.test_client()
    served = await client.get("/.well-known/security.txt")
    assert (served.status_code, await body(served)) == (200, b"secret")
    for path in ("/.well-known/nope", "/.well-known", "/.well-known/.env", "/.env"):
        assert (await client.get(path)).status_code == 404
    with pytest.raises(TypeError, match=r"write allow_hidden=\('.well-known',\)"):
        SinglePageApp(app, hidden, allow_hidden=".well-known")


@pytest.mark.checks("SP-7")
async def test_links(app_class: type[Quart], hidden: Path, tmp_path: Path) -> None:
    """A symbolic link is followed inside of the folder only; the folder can be one itself."""
    (tmp_path / "current").symlink_to(hidden)
    app = app_class(__name__, static_folder=None)
    SinglePageApp(app, tmp_path / "current", static_url_path="/static")
    client = app.test_client()
    assert await body(await client.get("/static/in.txt")) == b"about"
    for path in ("out.txt", "sibling.txt", "folder/secret.txt"):
        assert (await client.get(f"/static/{path}")).status_code == 404
    headers = {"Accept-Encoding": "gzip"}
    response = await client.get("/static/about.html", headers=headers)
    assert (response.headers.get("Content-Encoding"), await body(response)) == (None, b"about")
    # A link that is changed while the application runs is checked again.
    (hidden / "in.txt").unlink()
    (hidden / "in.txt").symlink_to(tmp_path / "secret.txt")
    assert (await client.get("/static/in.txt")).status_code == 404


@pytest.mark.checks("SP-1", "SP-3")
async def test_slashes(app_class: type[Quart], dist: Path) -> None:
    """As in Flask a file below ``static_url_path`` has a URL with a slash too."""
    app = app_class(__name__, static_folder=None)
    SinglePageApp(app, dist, static_url_path="/static")
    client = app.test_client()
    for path, expected in (
        ("/static/about.html/", b"about"),
        ("/static//about.html", INDEX.encode()),
        ("/static/index.html/", INDEX.encode()),
        ("/static//", INDEX.encode()),
    ):
        assert await body(await client.get(path)) == expected


@pytest.mark.checks("SP-5")
async def test_caching(app: Quart) -> None:
    """A file with a hash is immutable, other files are revalidated."""
    client = app.test_client()
    hashed = await client.get(f"/{HASHED}")
    assert hashed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    for path in ("/favicon.ico", "/about.html"):
        response = await client.get(path)
        assert response.headers["Cache-Control"] == "no-cache"
        revalidated = await client.get(path, headers={"If-None-Match": response.headers["ETag"]})
        assert revalidated.status_code == 304
        assert await body(revalidated) == b""
        assert "Last-Modified" not in revalidated.headers


@pytest.mark.checks("SP-6")
async def test_changed_index(app: Quart, dist: Path) -> None:
    """A client with an old index gets the new one."""
    client = app.test_client()
    first = await client.get("/any")
    headers = {"If-None-Match": first.headers["ETag"]}
    assert (await client.get("/other", headers=headers)).status_code == 304
    (dist / "index.html").write_text("new")
    changed = await client.get("/other", headers=headers)
    assert (changed.status_code, await body(changed)) == (200, b"new")


@pytest.mark.checks("SP-6")
async def test_ranges(app: Quart) -> None:
    client = app.test_client()
    part = await client.get("/favicon.ico", headers={"Range": "bytes=1-2"})
    assert (part.status_code, await body(part)) == (206, b"co")
    assert part.headers["Content-Range"] == "bytes 1-2/4"
    assert part.headers["Content-Length"] == "2"
    last = await client.get("/favicon.ico", headers={"Range": "bytes=-3"})
    assert await body(last) == b"con"
    beyond = await client.get("/favicon.ico", headers={"Range": "bytes=9-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, "bytes */4")
    tag = {"Range": "bytes=1-2", "If-Range": part.headers["ETag"]}
    assert (await client.get("/favicon.ico", headers=tag)).status_code == 206
    other = {"Range": "bytes=1-2", "If-Range": '"other"'}
    assert (await client.get("/favicon.ico", headers=other)).status_code == 200


@pytest.mark.checks("SP-6")
async def test_head(app: Quart) -> None:
    """HEAD has no body."""
    for path, root in (("/favicon.ico", ""), ("/any", ""), ("/m/any", "/m")):
        head = await app.test_client().head(path, root_path=root)
        assert (head.status_code, await body(head)) == (200, b"")


@pytest.mark.checks("SP-8")
async def test_codings(app: Quart) -> None:
    """The preferred coding is sent with the name and type of the file and its own ETag."""
    client = app.test_client()
    tags = set()
    for header, coding, data in (
        ("gzip, br", "br", b"brotli"),
        ("gzip", "gzip", gzip.compress(b"script")),
        ("identity", None, b"script"),
    ):
        response = await client.get(f"/{HASHED}", headers={"Accept-Encoding": header})
        assert await body(response) == data
        assert response.headers.get("Content-Encoding") == coding
        assert response.headers["Content-Length"] == str(len(data))
        assert response.headers["Vary"] == "Accept-Encoding"
        assert response.mimetype == "text/javascript"
        assert "main.0a1b2c3d.js" in response.headers["Content-Disposition"]
        tags.add(response.headers["ETag"])
    assert len(tags) == 3
    uncompressed = await client.get("/favicon.ico", headers={"Accept-Encoding": "gzip"})
    assert "Vary" not in uncompressed.headers


@pytest.mark.checks("SP-8")
async def test_range_of_coding(app: Quart) -> None:
    """A range refers to the compressed file."""
    headers = {"Accept-Encoding": "br", "Range": "bytes=-3"}
    response = await app.test_client().get(f"/{HASHED}", headers=headers)
    assert (response.status_code, await body(response)) == (206, b"tli")
    assert response.headers["Content-Range"] == "bytes 3-5/6"
    assert response.headers["Content-Encoding"] == "br"


@pytest.mark.checks("SP-8")
async def test_compressed_index(app: Quart) -> None:
    response = await app.test_client().get("/any", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(await body(response)) == INDEX.encode()


@pytest.mark.checks("SP-8")
async def test_repeated_header(app: Quart) -> None:
    """Two Accept-Encoding headers are one list."""
    headers = Headers([("Accept-Encoding", "deflate"), ("Accept-Encoding", "br")])
    response = await app.test_client().get(f"/{HASHED}", headers=headers)
    assert response.headers["Content-Encoding"] == "br"


@pytest.mark.checks("SP-9")
async def test_mounted(app: Quart) -> None:
    """Below a mount prefix the index has the prefix as its base, and its own ETag."""
    client = app.test_client()
    plain = await client.get("/any")
    gzipped = {"Accept-Encoding": "gzip"}
    mounted = await client.get("/m%20n/any", root_path="/m n", headers=gzipped)
    data = await body(mounted)
    assert data == INDEX.replace('href="/"', 'href="/m%20n/"').encode()
    assert "Content-Encoding" not in mounted.headers
    assert await body(await client.get("/m%20n/index.html", root_path="/m n")) == data
    assert mounted.headers["Content-Length"] == str(len(data))
    assert mounted.headers["ETag"] != plain.headers["ETag"]
    assert mounted.headers["Cache-Control"] == "no-cache"
    headers = {"If-None-Match": mounted.headers["ETag"]}
    revalidated = await client.get("/mount/any", root_path="/mount", headers=headers)
    assert revalidated.status_code == 200
    revalidated = await client.get("/m%20n/any", root_path="/m n", headers=headers)
    assert (revalidated.status_code, await body(revalidated)) == (304, b"")
    part = await client.get("/m/", root_path="/m", headers={"Range": "bytes=0-14"})
    assert (part.status_code, await body(part)) == (206, b"<!doctype html>")
    asset = await client.get(
        f"/m/{HASHED}", root_path="/m", headers={"Accept-Encoding": "identity"}
    )
    assert await body(asset) == b"script"


@pytest.mark.checks("SP-9")
async def test_hostile_prefix(app: Quart) -> None:
    """A malicious prefix is escaped."""
    root = '/"><script>'
    response = await app.test_client().get(f"{root}/any", root_path=root)
    assert b'<base href="/%22%3E%3Cscript%3E/">' in await body(response)


@pytest.mark.checks("SP-9")
async def test_mount_without_slash(app: Quart) -> None:
    """The root of a mount without a slash is not the index, because its links would be wrong."""
    response = await app.test_client().get("/m", root_path="/m")
    assert response.status_code in (308, 404)


@pytest.mark.checks("SP-9")
async def test_blueprint(app_class: type[Quart], dist: Path) -> None:
    """In a blueprint all paths are below its prefix; two blueprints are independent."""
    app = app_class(__name__, static_folder=None)
    for name in ("one", "two"):
        blueprint = Blueprint(name, __name__, url_prefix=f"/{name}")
        SinglePageApp(blueprint, dist, api=("api", "v2/api"))
        blueprint.add_url_rule("/api/x", "x", lambda: "x")
        app.register_blueprint(blueprint)
    client = app.test_client()
    page = await body(await client.get("/one/any"))
    assert b'<base href="/one/">' in page
    assert b'<base href="/two/">' in await body(await client.get("/two/"))
    assert await body(await client.get("/one/api/x")) == b"x"
    for path in ("/any", "/one/api/y", "/one/v2/api", "/one/v2/api/z", "/one/a.js"):
        assert (await client.get(path)).status_code == 404
    assert (await client.get("/one/v2/apis")).status_code == 200
    assert (await client.get("/one/favicon.ico")).status_code == 200


@pytest.mark.checks("SP-9")
async def test_hooks(app: Quart) -> None:
    """Functions before and after the request are called."""

    @app.before_request
    async def guard() -> None:
        if request.path == "/secret":
            abort(403)

    @app.after_request
    async def policy(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        return response

    client = app.test_client()
    assert (await client.get("/secret")).status_code == 403
    assert "Content-Security-Policy" in (await client.get("/any")).headers


@pytest.mark.checks("SP-4")
async def test_custom_functions(app_class: type[Quart], dist: Path) -> None:
    """The application can define what is a route and what is immutable."""
    app = app_class(__name__, static_folder=None)
    SinglePageApp(
        app,
        dist,
        is_client_route=lambda path: path in {"", "known"},
        is_immutable=lambda path: path.startswith("favicon"),
    )
    client = app.test_client()
    assert (await client.get("/known")).status_code == 200
    assert (await client.get("/unknown")).status_code == 404
    assert "immutable" in (await client.get("/favicon.ico")).headers["Cache-Control"]
    assert "immutable" not in (await client.get(f"/{HASHED}")).headers["Cache-Control"]


@pytest.mark.checks("SP-4")
async def test_no_build(
    app_class: type[Quart], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without an index the response is a 404, and an error is logged."""
    app = app_class(__name__, static_folder=None)
    SinglePageApp(app, tmp_path)
    assert (await app.test_client().get("/")).status_code == 404
    assert "build the front end" in caplog.text


@pytest.mark.checks("SP-4")
def test_invalid_api(app_class: type[Quart], dist: Path) -> None:
    with pytest.raises(TypeError, match=r"write api=\('api',\)"):
        SinglePageApp(app_class(__name__, static_folder=None), dist, api="api")
    with pytest.raises(ValueError, match="must not contain the root"):
        SinglePageApp(app_class(__name__, static_folder=None), dist, api=("/",))


@pytest.mark.checks("SP-1")
async def test_relative_folder(app_class: type[Quart], dist: Path) -> None:
    """The folder is relative to the root path of the application."""
    app = app_class(__name__, static_folder=None, root_path=str(dist.parent))
    SinglePageApp(app, "dist", static_url_path="app/")
    client = app.test_client()
    assert (await client.get("/app/favicon.ico")).status_code == 200
    assert (await client.get("/favicon.ico")).status_code == 404
    assert (await client.get("/app/nope")).status_code == 404


@pytest.mark.checks("SP-5", "SP-8")
def test_shipped_build() -> None:
    """The hash in the name of the port's file is right, and so are the compressed files."""
    folder = Path(port.__file__).parent / "app"
    (main,) = folder.glob("main-*.js")
    data = main.read_bytes()
    assert main.name == f"main-{hashlib.sha256(data).hexdigest()[:8]}.js"
    assert gzip.decompress(Path(f"{main}.gz").read_bytes()) == data
    assert re.findall(r"main-\w+\.js", (folder / "index.html").read_text()) == [main.name]
    assert os.path.getsize(f"{main}.br") < os.path.getsize(f"{main}.gz") < len(data)


@pytest.mark.parametrize(
    ("path", "coding", "file", "count"),
    [
        ("/", "identity", "index.html", 1),
        (f"/{HASHED}", "br", f"{HASHED}.br", 1),
        ("/users/3", "gzip", "index.html.gz", 1),
    ],
)
async def test_small_files(
    app: Quart,
    dist: Path,
    counting_executor: CountingExecutor,
    path: str,
    coding: str,
    file: str,
    count: int,
) -> None:
    """A small file takes one call in a thread. That there is no file of this path takes none."""
    response = await app.test_client().get(path, headers={"Accept-Encoding": coding})
    assert response.headers.get("Content-Encoding", "identity") == coding
    assert await body(response) == (dist / file).read_bytes()
    assert counting_executor.count == count


async def test_large_file(app: Quart, dist: Path) -> None:
    """A large file is sent completely."""
    (dist / "assets" / "large.bin").write_bytes(large := os.urandom(200_000))
    assert await body(await app.test_client().get("/assets/large.bin")) == large
