"""Errors and messages of debug mode that Quart does not have."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NoReturn

from flask.debughelpers import DebugFilesKeyError, FormDataRoutingRedirect
from flask.sansio.app import App
from flask.sansio.blueprints import Blueprint
from flask.sansio.scaffold import Scaffold
from hypercorn.typing import HTTPScope, WebsocketScope
from jinja2 import BaseLoader, Environment, TemplateNotFound
from quart import Quart, Request, current_app, has_app_context, has_request_context, request
from quart.debug import traceback_response
from quart.templating import DispatchingJinjaLoader
from quart.typing import ResponseTypes
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.datastructures import MultiDict
from werkzeug.routing import RequestRedirect

from quartpatterns.subclassing.context import PRESERVE_CONTEXT

__all__ = ["DebugFiles", "ExplainingLoader", "FilesOfOtherForm", "RoutingRedirects"]
__all__ += ["debug_response"]

TemplateSource = tuple[str, str | None, Callable[[], bool] | None]


class RoutingRedirects(Quart):
    """In debug mode, a redirect that would lose the data of a form is an error."""

    def raise_routing_exception(self, request: BaseRequestWebsocket) -> NoReturn:
        """Raise the error of the routing.

        Raises:
            FormDataRoutingRedirect: It is a redirect with a status other than 307 and 308, so
                that a browser would send ``GET`` without a body.
        """
        if self.debug and _loses_form(request):
            raise FormDataRoutingRedirect(request)  # type: ignore[arg-type]
        super().raise_routing_exception(request)


def _loses_form(request: BaseRequestWebsocket) -> bool:
    error = request.routing_exception
    return (
        isinstance(error, RequestRedirect)
        and error.code not in {307, 308}
        and request.method not in {"GET", "HEAD", "OPTIONS"}
    )


class FilesOfOtherForm(MultiDict[str, Any]):
    """The missing files of a form that was not sent as ``multipart/form-data``.

    Arguments:
        form: The fields that were sent.
        mimetype: The type of the form.
    """

    def __init__(self, form: MultiDict[str, str], mimetype: str) -> None:
        super().__init__()
        self._request: Any = SimpleNamespace(form=form, mimetype=mimetype)

    def __getitem__(self, key: str) -> Any:
        """Return the file *key*.

        Raises:
            DebugFilesKeyError: A field has this name: the form has the wrong ``enctype``.
        """
        try:
            return super().__getitem__(key)
        except KeyError:
            if key not in self._request.form:
                raise
            raise DebugFilesKeyError(self._request, key) from None


class DebugFiles(Request):
    """In debug mode, a file that was sent as a field is a :exc:`DebugFilesKeyError`."""

    @property
    async def files(self) -> MultiDict[str, Any]:
        """The files of the form."""
        files = await super().files
        if files or not has_app_context() or not current_app.debug:
            return files
        if self.mimetype == "multipart/form-data":
            return files
        # Not self.form: a subclass can read both together.
        return FilesOfOtherForm(await super().form, self.mimetype)


class ExplainingLoader(DispatchingJinjaLoader):
    """Loads templates, and logs where it looked for them if ``EXPLAIN_TEMPLATE_LOADING`` is set.

    Flask's loader does not recognize the blueprints and the request of Quart.
    """

    app: App

    def get_source(self, environment: Environment, template: str) -> TemplateSource:
        """Return source, file name and a function that tells whether they are up to date.

        Raises:
            TemplateNotFound: No loader has it.
        """
        if not self.app.config["EXPLAIN_TEMPLATE_LOADING"]:
            return super().get_source(environment, template)
        found: list[TemplateSource] = []
        lines = [f"Locating template {template!r}:"]
        for number, (owner, loader) in enumerate(self._owners(), 1):
            lines.append(f"{number:5}: trying loader of {_describe_owner(owner)}")
            lines.extend(f"       {line}" for line in _describe_loader(loader))
            try:
                source = loader.get_source(environment, template)
            except TemplateNotFound:
                lines.append("       -> no match")
            else:
                found.append(source)
                lines.append(f"       -> found ({source[1] or '<string>'!r})")
        if not found:
            lines.append("Error: the template could not be found.")
        elif len(found) > 1:
            lines.append("Warning: multiple loaders returned a match for the template.")
        if len(found) != 1 and has_request_context() and request.blueprint is not None:
            lines += [
                "  The template was looked up from an endpoint that belongs to the blueprint"
                f" {request.blueprint!r}.",
                "  Maybe you did not place a template in the right folder?",
                "  See https://flask.palletsprojects.com/blueprints/#templates",
            ]
        self.app.logger.info("\n".join(lines))
        if not found:
            raise TemplateNotFound(template)
        return found[0]

    def _owners(self) -> Iterator[tuple[Scaffold, BaseLoader]]:
        for owner in (self.app, *self.app.iter_blueprints()):
            if owner.jinja_loader is not None:
                yield owner, owner.jinja_loader


def _describe_owner(owner: Scaffold) -> str:
    if isinstance(owner, Blueprint):
        return f"blueprint {owner.name!r} ({owner.import_name})"
    return f"application {owner.import_name!r}"


def _describe_loader(loader: BaseLoader) -> Iterator[str]:
    """Yield the class of *loader* and its public attributes that can be read by a person."""
    yield f"class: {type(loader).__module__}.{type(loader).__name__}"
    for key, value in sorted(vars(loader).items()):
        if key.startswith("_"):
            continue
        if isinstance(value, (str, int, float, bool)):
            yield f"{key}: {value!r}"
        elif isinstance(value, (tuple, list)) and all(isinstance(item, str) for item in value):
            yield f"{key}:"
            yield from (f"  - {item}" for item in value)


async def debug_response(
    app: Quart, scope: HTTPScope | WebsocketScope, error: Exception
) -> ResponseTypes:
    """Return Quart's page with the traceback of an unhandled error in debug mode, else raise it.

    Under ``TESTING`` and in a test client the error is raised as well, as in Flask, so that the
    test sees it.
    """
    if app.debug and not app.testing and PRESERVE_CONTEXT not in scope:
        return await traceback_response(error)
    raise error
