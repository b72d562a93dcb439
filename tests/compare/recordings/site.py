"""The site that was recorded: a page that sends every kind of request by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from quart import Quart, redirect, request, websocket
from quart.typing import ResponseReturnValue

PAGE = """<!doctype html>
<title>sending</title>
<link rel=icon href="data:,">
<img src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=">
<img src="{other}/pixel">
<script>
async function post(path, body, headers) {{
  await fetch(path, {{ method: "POST", body, headers }});
}}
async function run() {{
  await fetch("/query?a=1&a=2&b=%2F+c%20&d#part");
  await fetch("/set-cookie");
  document.cookie = "script=yes";
  await fetch("/cookies");
  await fetch("/redirect");
  const json = {{ "Content-Type": "application/json" }};
  await post("/json", JSON.stringify({{ name: "Jürgen" }}), json);
  await post("/form", new URLSearchParams([["a", "1 & 2"], ["a", "ü"], ["empty", ""]]));
  await post("/empty");
  const form = new FormData();
  form.append("title", "a picture, ü");
  form.append("files", new File(["first\\nfile"], "a.txt", {{ type: "text/plain" }}));
  form.append("files", new File(["second ü"], "b.txt", {{ type: "text/plain" }}));
  await post("/upload", form);
  await fetch("/items/7", {{ method: "PUT", body: "text" }});
  await fetch("/items/7", {{ method: "DELETE" }});
  await fetch(URL.createObjectURL(new Blob(["blob"])));
  await fetch("{other}/api", {{ mode: "no-cors" }});
  await fetch("/last");
  const socket = new WebSocket(`ws://${{location.host}}/feed`);
  await new Promise((resolve) => {{ socket.onmessage = socket.onerror = resolve; }});
  socket.close();
  document.title = "sent";
}}
run();
</script>
"""


@dataclass
class Received:
    """What the site has received, in order."""

    requests: list[Any] = field(default_factory=list[Any])


def create_app(other: str = "") -> Quart:
    """Return the site.

    Arguments:
        other: The URL of another site, from which the page loads.
    """
    app = Quart(__name__, static_folder=None)
    received = app.extensions["received"] = Received()

    @app.before_request
    async def note() -> None:
        form, files = await request.form, await request.files
        fields = [(name, value) for name, values in form.lists() for value in values]
        received.requests.append(
            {
                "method": request.method,
                "path": request.path,
                "query": list(request.args.items(multi=True)),
                "cookies": dict(sorted(request.cookies.items())),
                "form": fields,
                "files": [
                    (name, file.filename, file.read().decode())
                    for name, file in files.items(multi=True)
                ],
                "body": "" if fields or files else await request.get_data(as_text=True),
            }
        )

    @app.get("/")
    async def index() -> ResponseReturnValue:
        return PAGE.format(other=other), {"Content-Type": "text/html; charset=utf-8"}

    @app.get("/set-cookie")
    async def set_cookie() -> ResponseReturnValue:
        return "", {"Set-Cookie": "server=yes; Path=/"}

    @app.get("/redirect")
    async def redirected() -> ResponseReturnValue:
        return redirect("/target?from=redirect")

    @app.websocket("/feed")
    async def feed() -> None:
        await websocket.accept()
        await websocket.send("hello")

    @app.route("/<path:path>", methods=["GET", "POST", "PUT", "DELETE"])
    async def other_paths(path: str) -> ResponseReturnValue:
        return {"path": path}

    return app
