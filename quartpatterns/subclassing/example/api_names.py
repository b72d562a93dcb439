"""The public names of Flask 3.1 next to ours: ``quartpatterns parity subclassing --names``.

:func:`compare` finds each name of Flask's that is missing here or differs in its parameters,
their defaults, its value, or whether it has to be awaited. :data:`DECLARED` has the reason for
each. :func:`check` finds what is not declared, and what is declared and no longer true.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["DECLARED", "Declaration", "NameDifference", "check", "compare", "markdown", "reason"]

Kind = Literal["missing", "refused", "awaited", "parameters", "value", "kind"]

OURS = "quartpatterns.subclassing"
CLASSES = (
    ("Flask", "flask:Flask", f"{OURS}:FaithfulQuart"),
    ("Request", "flask:Request", f"{OURS}:FaithfulRequest"),
    ("Response", "flask:Response", f"{OURS}:FaithfulResponse"),
    ("Blueprint", "flask:Blueprint", f"{OURS}:FaithfulBlueprint"),
    ("FlaskClient", "flask.testing:FlaskClient", f"{OURS}.names.testing:FlaskClient"),
    ("FlaskCliRunner", "flask.testing:FlaskCliRunner", f"{OURS}.names.testing:FlaskCliRunner"),
    (
        "SessionInterface",
        "flask.sessions:SessionInterface",
        f"{OURS}.names.sessions:SessionInterface",
    ),
    (
        "SecureCookieSessionInterface",
        "flask.sessions:SecureCookieSessionInterface",
        f"{OURS}.names.sessions:SecureCookieSessionInterface",
    ),
    ("SessionMixin", "flask.sessions:SessionMixin", f"{OURS}.names.sessions:SessionMixin"),
    ("Config", "flask:Config", f"{OURS}.names:Config"),
    ("View", "flask.views:View", f"{OURS}.names.views:View"),
    ("MethodView", "flask.views:MethodView", f"{OURS}.names.views:MethodView"),
    ("AppContext", "flask.ctx:AppContext", f"{OURS}.names.ctx:AppContext"),
    ("RequestContext", "flask.ctx:RequestContext", f"{OURS}.names.ctx:RequestContext"),
)
MODULES = (
    "flask",
    "flask.cli",
    "flask.ctx",
    "flask.globals",
    "flask.helpers",
    "flask.json",
    "flask.sessions",
    "flask.signals",
    "flask.templating",
    "flask.testing",
    "flask.views",
)


@dataclass(frozen=True)
class NameDifference:
    """A public name of Flask's that is missing here, or differs.

    Attributes:
        owner: The class or module.
        name: The name.
        kind: In what it differs.
        flask: What Flask has.
        ours: What this package has.
    """

    owner: str
    name: str
    kind: Kind
    flask: str
    ours: str


@dataclass(frozen=True)
class Declaration:
    """Differences with one reason.

    Attributes:
        kind: In what the names differ.
        reason: Why.
        names: The names, separated by spaces, by class or module.
    """

    kind: Kind
    reason: str
    names: dict[str, str]


DECLARED = (
    Declaration(
        "awaited",
        "It reads, sends or calls what can be asynchronous.",
        {
            "Flask": "dispatch_request do_teardown_appcontext do_teardown_request finalize_request"
            " full_dispatch_request handle_exception handle_http_exception handle_user_exception"
            " make_default_options_response make_response open_instance_resource open_resource"
            " preprocess_request process_response send_static_file update_template_context",
            "Request": "close data files form get_data get_json json values",
            "Response": "add_etag close data freeze get_data get_json json make_conditional"
            " make_sequence",
            "Blueprint": "open_resource send_static_file",
            "FlaskClient": "delete get head open options patch post put trace",
            "SessionInterface": "make_null_session open_session save_session",
            "SecureCookieSessionInterface": "make_null_session open_session save_session",
            "View": "dispatch_request",
            "MethodView": "dispatch_request",
            "AppContext": "pop push",
            "RequestContext": "pop push",
            "flask": "flash make_response render_template render_template_string send_file"
            " send_from_directory stream_template stream_template_string",
            "flask.helpers": "flash make_response send_file send_from_directory",
            "flask.templating": "render_template render_template_string stream_template"
            " stream_template_string",
        },
    ),
    Declaration(
        "refused",
        "WSGI has it, ASGI does not. The error names the replacement.",
        {"Flask": "async_to_sync ensure_sync wsgi_app", "Request": "input_stream stream"},
    ),
    Declaration(
        "value",
        "The class or module with the same task, for ASGI.",
        {
            "Flask": "app_ctx_globals_class config_class jinja_environment request_class"
            " response_class session_interface url_map_class url_rule_class",
            "Request": "form_data_parser_class json_module",
            "Response": "json_module",
        },
    ),
    Declaration(
        "value",
        "It writes what Flask's writes, with one encoder for all responses.",
        {"Flask": "json_provider_class"},
    ),
    Declaration(
        "value",
        "It writes what Flask's writes, with the JSON provider of the current application.",
        {"SecureCookieSessionInterface": "serializer"},
    ),
    Declaration(
        "value",
        "Flask imports its class when it is needed.",
        {"Flask": "test_cli_runner_class test_client_class"},
    ),
    Declaration(
        "value",
        "Quart has more keys, and a limit for request bodies.",
        {"Flask": "default_config"},
    ),
    Declaration(
        "parameters",
        "Quart passes the context of the request, so that it is not looked up.",
        {
            "Flask": "dispatch_request do_teardown_request finalize_request full_dispatch_request"
            " preprocess_request process_response",
        },
    ),
    Declaration(
        "parameters",
        "Quart's name of a parameter that is passed by position.",
        {
            "Flask": "handle_exception handle_http_exception handle_user_exception log_exception"
            " make_response",
            "Request": "on_json_loading_failed",
            "Response": "set_data",
            "SessionInterface": "is_null_session",
            "SecureCookieSessionInterface": "is_null_session",
            "flask": "after_this_request copy_current_request_context",
            "flask.cli": "with_appcontext",
            "flask.ctx": "after_this_request copy_current_request_context",
        },
    ),
    Declaration(
        "parameters",
        "A request is made of an ASGI scope, not of a WSGI environment.",
        {
            "Flask": "request_context",
            "Request": "__init__",
            "Response": "force_type make_conditional",
            "FlaskClient": "__init__",
            "RequestContext": "__init__",
        },
    ),
    Declaration(
        "parameters",
        "More arguments are accepted than in Flask.",
        {
            "flask": "send_file send_from_directory stream_template stream_template_string"
            " stream_with_context",
            "flask.helpers": "send_file send_from_directory stream_with_context",
            "flask.templating": "stream_template stream_template_string",
            "View": "dispatch_request",
        },
    ),
    Declaration(
        "parameters",
        "The teardown functions receive the error from the caller.",
        {"Flask": "do_teardown_appcontext"},
    ),
    Declaration(
        "parameters",
        "Files are opened with aiofiles, as in Quart.",
        {"Flask": "open_instance_resource open_resource", "Blueprint": "open_resource"},
    ),
    Declaration(
        "parameters", "Hypercorn is the server; ``QUART_SKIP_DOTENV`` is read.", {"Flask": "run"}
    ),
    Declaration(
        "parameters",
        "Quart's client has its own cookie jar.",
        {"FlaskClient": "delete_cookie set_cookie"},
    ),
    Declaration("parameters", "The prefix of Quart.", {"Config": "from_prefixed_env"}),
    Declaration(
        "kind",
        "Quart assigns the function of hashlib itself.",
        {"SecureCookieSessionInterface": "digest_method"},
    ),
    Declaration(
        "missing",
        "It belongs to WSGI.",
        {
            "Request": "application from_values is_multiprocess is_multithread is_run_once"
            " remote_user want_form_data_parsed",
            "Response": "autocorrect_location_header calculate_content_length from_app"
            " get_app_iter get_wsgi_headers get_wsgi_response stream",
            "FlaskClient": "run_wsgi_app",
            "flask.testing": "EnvironBuilder",
        },
    ),
    Declaration(
        "missing",
        "A body is an asynchronous iterable.",
        {"Response": "is_sequence is_streamed iter_encoded"},
    ),
    Declaration(
        "missing",
        "The client follows redirects itself.",
        {"FlaskClient": "resolve_redirect"},
    ),
    Declaration(
        "missing",
        "Hypercorn has other options.",
        {"flask.cli": "CertParamType SeparatedPathType show_server_banner"},
    ),
)


def compare() -> Iterator[NameDifference]:
    """Yield each difference."""
    for owner, flask_path, our_path in CLASSES:
        theirs, ours = _load(flask_path), _load(our_path)
        for name in sorted(each for each in dir(theirs) if not each.startswith("_")):
            yield from _compare_attribute(owner, name, theirs, ours)
        yield from _compare_call(owner, "__init__", theirs, ours)
    for module in MODULES:
        theirs = importlib.import_module(module)
        ours = importlib.import_module(f"{OURS}.names{module.removeprefix('flask')}")
        for name in sorted(_public(theirs)):
            if not hasattr(ours, name):
                yield NameDifference(module, name, "missing", "", "")
            elif inspect.isfunction(value := getattr(theirs, name)):
                yield from _compare_call(module, name, value, getattr(ours, name))


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _public(module: Any) -> Iterator[str]:
    """Yield the names that a module defines, or re-exports to its users."""
    for name, value in vars(module).items():
        if (
            name.startswith("_")
            or inspect.ismodule(value)
            or name in {"F", "t", "annotations", "Namespace", "ContextVar", "LocalProxy"}
        ):
            continue
        whole = module.__name__ in {"flask", "flask.globals", "flask.signals"}
        if whole or getattr(value, "__module__", None) == module.__name__:
            yield name


def _compare_attribute(owner: str, name: str, theirs: Any, ours: Any) -> Iterator[NameDifference]:
    here = _attribute(ours, name)
    there = _attribute(theirs, name)
    if here is _MISSING:
        yield NameDifference(owner, name, "missing", _kind(there), "")
    elif type(here).__name__ == "UnsupportedAttribute":
        yield NameDifference(owner, name, "refused", _kind(there), here.instead)
    elif inspect.isfunction(there):
        if inspect.isfunction(here):
            yield from _compare_call(owner, name, there, here)
        else:
            yield NameDifference(owner, name, "kind", "method", _kind(here))
    elif hasattr(type(there), "__get__") and not inspect.isclass(there):
        getter = getattr(here, "fget", None) or getattr(here, "func", None) or here
        if not hasattr(type(here), "__get__"):
            yield NameDifference(owner, name, "kind", "property", _kind(here))
        elif _is_awaited(getter):
            yield NameDifference(owner, name, "awaited", "property", "async property")
    elif there is not here and there != here:
        yield NameDifference(owner, name, "value", _show(there), _show(here))


def _compare_call(owner: str, name: str, theirs: Any, ours: Any) -> Iterator[NameDifference]:
    there, here = _parameters(theirs), _parameters(ours)
    if there != here:
        yield NameDifference(
            owner, name, "parameters", f"({', '.join(there)})", f"({', '.join(here)})"
        )
    if _is_awaited(ours) and not _is_awaited(theirs):
        yield NameDifference(owner, name, "awaited", "def", "async def")


_MISSING = object()


def _attribute(cls: type, name: str) -> Any:
    value = inspect.getattr_static(cls, name, _MISSING)
    return value.__func__ if isinstance(value, classmethod | staticmethod) else value


def _parameters(function: Any) -> list[str]:
    """Return the parameters with their defaults. Objects without a value count as equal."""
    if inspect.isclass(function):
        # A method that passes everything on tells nothing about what it takes.
        inits = [vars(cls)["__init__"] for cls in function.__mro__ if "__init__" in vars(cls)]
        told = (each for each in inits if _written(each) != ["*args", "**kwargs"])
        function = next(told, inits[0])
    return _written(function)


def _written(function: Any) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    shown: list[str] = []
    keyword_only = False
    for parameter in parameters:
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            shown.append("*args")  # The names of these two can't be used in a call.
            keyword_only = True
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            shown.append("**kwargs")
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            shown.append("*")
            keyword_only = True
        default = parameter.default
        shown.append(
            parameter.name if default is parameter.empty else f"{parameter.name}={_show(default)}"
        )
    # Keyword arguments have no order.
    start = shown.index("*") + 1 if "*" in shown else len(shown)
    return shown[:start] + sorted(shown[start:])


def _show(value: Any) -> str:
    if inspect.isroutine(value) or inspect.isclass(value):
        return f"{value.__name__}"
    if type(value) is object:
        return "..."
    if vars(type(value)).get("__repr__") is None or inspect.ismodule(value):
        return getattr(value, "__name__", type(value).__name__)
    text = repr(value)
    return text if len(text) < 60 else f"{text[:56]}..."


def _is_awaited(function: Any) -> bool:
    """Return whether *function* is asynchronous, or its annotation says that it is awaited."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return True
    returned = str(getattr(function, "__annotations__", {}).get("return", ""))
    return returned.startswith(("Awaitable[", "Coroutine[", "PendingResponse[", "FlashedMessage"))


def _kind(value: Any) -> str:
    if inspect.isfunction(value):
        return "method"
    return "property" if hasattr(type(value), "__get__") else "attribute"


def reason(difference: NameDifference) -> str | None:
    """Return the declared reason for *difference*, or ``None``."""
    for declaration in DECLARED:
        names = declaration.names.get(difference.owner, "").split()
        if declaration.kind == difference.kind and difference.name in names:
            return declaration.reason
    return None


def check() -> tuple[list[NameDifference], list[tuple[str, str, Kind]]]:
    """Return the differences that are not declared, and the declarations that are not true."""
    differences = list(compare())
    found = {(each.owner, each.name, each.kind) for each in differences}
    declared = [
        (owner, name, declaration.kind)
        for declaration in DECLARED
        for owner, names in declaration.names.items()
        for name in names.split()
    ]
    undeclared = [each for each in differences if reason(each) is None]
    return undeclared, [each for each in declared if each not in found]


def markdown(differences: Sequence[NameDifference]) -> str:
    """Return *differences* as a table."""
    lines = [
        "| owner | name | difference | Flask | FaithfulQuart | reason |",
        "|---|---|---|---|---|---|",
    ]
    for each in differences:
        cells = [f"`{cell}`" if cell else "" for cell in (each.flask, each.ours)]
        why = reason(each) or "**not declared**"
        row = [each.owner, f"`{each.name}`", each.kind, *cells, why]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines)
