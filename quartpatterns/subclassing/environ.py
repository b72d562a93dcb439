"""The WSGI environment of a request, which Flask calls ``request.environ``."""

# The annotations of MutableMapping's methods have no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from quart.wrappers import Request
from werkzeug.datastructures import Headers

from quartpatterns._shared.wsgi_environ import wsgi_environ
from quartpatterns.subclassing.routing import path_inside_mount

__all__ = ["EnvironOfRequest", "RequestEnviron"]

NO_INPUT = "ASGI has no wsgi.input: use request.body, or 'await request.get_data()'"


class RequestEnviron(dict[str, Any]):
    """A WSGI environment without ``wsgi.input``.

    As in Flask, a header that is assigned here changes in ``request.headers`` as well. Other
    variables can be assigned for code that reads them from here later.

    Arguments:
        variables: The variables.
        headers: The headers of the request.
    """

    def __init__(self, variables: dict[str, Any], headers: Headers) -> None:
        super().__init__(variables)
        self._headers = headers

    def __missing__(self, key: str) -> Any:
        raise KeyError(NO_INPUT if key == "wsgi.input" else key)

    def __setitem__(self, key: str, value: Any) -> None:
        """Assign a variable.

        Raises:
            TypeError: It is ``wsgi.input``, which nothing would read.
        """
        if key == "wsgi.input":
            raise TypeError(NO_INPUT)
        super().__setitem__(key, value)
        if (name := _header_name(key)) is not None:
            self._headers[name] = value

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        if (name := _header_name(key)) is not None:
            self._headers.pop(name, None)

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a variable, and return it."""
        if key not in self and default:
            return default[0]
        value = self[key]
        del self[key]
        return value

    def __ior__(self, other: Any) -> RequestEnviron:  # type: ignore[override, misc]
        self.update(other)
        return self

    # Those of dict do not call the methods above.
    clear = MutableMapping.clear
    popitem = MutableMapping.popitem
    setdefault = MutableMapping.setdefault
    update = MutableMapping.update


class EnvironOfRequest(Request):
    """A request with the WSGI environment of Flask's."""

    _environ: RequestEnviron | None = None

    @property
    def environ(self) -> RequestEnviron:
        """The WSGI environment. It has no ``wsgi.input``: read :attr:`body` instead."""
        scope: Any = self.scope  # also the second time: a cache records who reads this attribute
        if self._environ is None:
            path = path_inside_mount(scope["path"], scope.get("root_path", "")) or ""
            variables = wsgi_environ(scope, self.root_path, path)
            # A body of ASGI always ends. Flask applications set this to allow chunked requests.
            variables["wsgi.input_terminated"] = True
            self._environ = RequestEnviron(variables, self.headers)
        return self._environ


def _header_name(key: str) -> str | None:
    """Return the header of a variable, or ``None`` if it is no header."""
    if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        return key.replace("_", "-").title()
    if key.startswith("HTTP_"):
        return key.removeprefix("HTTP_").replace("_", "-").title()
    return None
