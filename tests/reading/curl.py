"""The options of curl that the documentation uses, for requests without a socket."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

import httpx

__all__ = ["CurlOptions"]

_PARSER = argparse.ArgumentParser("curl", exit_on_error=False, add_help=False)
for _flags in (("-i", "--include"), ("-I", "--head"), ("-s",), ("-N", "--no-buffer"), ("-O",)):
    _PARSER.add_argument(*_flags, action="store_true")
for _flags in (("-X", "--request"), ("-T", "--upload-file"), ("-o", "--output"), ("--json",)):
    _PARSER.add_argument(*_flags)
for _flags in (("-b", "--cookie"), ("-c", "--cookie-jar"), ("--data-binary",), ("-u", "--user")):
    _PARSER.add_argument(*_flags)
for _flags in (("-H", "--header"), ("-d", "--data"), ("-F", "--form")):
    _PARSER.add_argument(*_flags, action="append", default=[])
_PARSER.add_argument("-m", "--max-time", type=float)
_PARSER.add_argument("url")


@dataclass(frozen=True, slots=True)
class CurlOptions:
    """A request that curl would send.

    Attributes:
        method: The method.
        url: The URL, with a scheme.
        headers: The headers, without those that every request has.
        body: The body.
        cookies: The file with the cookies to send, or an empty text.
        cookie_jar: The file for the cookies, or an empty text.
        include: Whether the head of the response is printed.
        output: The file for the body of the response; ``None`` if it is printed.
        max_time: The seconds after which the client leaves.
    """

    method: str
    url: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    cookies: str = ""
    cookie_jar: str = ""
    include: bool = False
    output: str | None = None
    max_time: float | None = None

    @classmethod
    def parse(cls, arguments: list[str], folder: Path) -> CurlOptions:
        """Return the options in *arguments*; files are in *folder*."""
        found = _PARSER.parse_args(arguments)
        url = found.url if "://" in found.url else f"http://{found.url}"
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in found.header]
        request = httpx.Request("POST", url)
        method = "GET"
        if found.upload_file:
            method = "PUT"
            request = httpx.Request("PUT", url, content=(folder / found.upload_file).read_bytes())
        elif found.json is not None:
            json.loads(found.json)
            request = httpx.Request(
                "POST",
                url,
                content=found.json,
                headers={"Content-Type": "application/json", "Accept": "application/json"},
            )
        elif found.data or found.data_binary:
            content = "&".join(found.data) if found.data else found.data_binary
            if content.startswith("@"):
                content = (folder / content[1:]).read_bytes()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            request = httpx.Request("POST", url, content=content, headers=kind)
        elif found.form:
            request = httpx.Request("POST", url, files=_parts(found.form, folder))
        body = request.read()
        if body:
            method = request.method
            names = {name.lower() for name, _ in headers}
            for name in ("Content-Type", "Accept"):
                if name in request.headers and name.lower() not in names:
                    headers.append((name, request.headers[name]))
        if found.head:
            method = "HEAD"
        if found.user:
            auth = httpx.BasicAuth(*found.user.split(":", 1))
            signed = next(auth.auth_flow(httpx.Request("GET", url)))
            headers.append(("Authorization", signed.headers["Authorization"]))
        output = url.rpartition("/")[2] if found.O else found.output
        return cls(
            method=found.request or method,
            url=url,
            headers=headers,
            body=body,
            cookies=found.cookie or "",
            cookie_jar=found.cookie_jar or "",
            include=found.include or found.head,
            output=output,
            max_time=found.max_time,
        )


def _parts(form: list[str], folder: Path) -> list[tuple[str, tuple[str | None, bytes, str | None]]]:
    parts: list[tuple[str, tuple[str | None, bytes, str | None]]] = []
    for item in form:
        name, value = item.split("=", 1)
        if value.startswith("@"):
            path = folder / value[1:]
            parts.append((name, (path.name, path.read_bytes(), None)))
        else:
            parts.append((name, (None, value.encode(), None)))
    return parts
