"""The loaders of Flask-JWT-Extended 3, which has other names and arguments in version 4.

Most loaders get the header and the data of the token now. In version 3 they got nothing, the data,
or the identity in it.
"""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.modernising.context import OldFile
from quartpatterns.porting.text_edits import indentation

__all__ = ["LOADERS", "modernise_loaders"]

LOADERS = {
    "user_claims_loader": "additional_claims_loader",
    "user_loader_callback_loader": "user_lookup_loader",
    "user_loader_error_loader": "user_lookup_error_loader",
    "token_in_blacklist_loader": "token_in_blocklist_loader",
    "claims_verification_loader": "token_verification_loader",
    "claims_verification_failed_loader": "token_verification_failed_loader",
}
# The loaders that got the identity, the claims of the user, the data of the token, or nothing.
IDENTITY = ("user_loader_callback_loader", "user_loader_error_loader")
CLAIMS = ("claims_verification_loader",)
DATA = ("token_in_blacklist_loader", "expired_token_loader")
ERRORS = (
    "claims_verification_failed_loader",
    "expired_token_loader",
    "needs_fresh_token_loader",
    "revoked_token_loader",
)
ARGUMENTS = ("jwt_header", "jwt_data")


def modernise_loaders(old: OldFile, claim: str) -> None:
    """Write the new names of loaders, and let their functions take the new arguments.

    Arguments:
        old: A file.
        claim: The claim with the identity.
    """
    functions = {
        node.name.value: node for node in old.file.spans if isinstance(node, cst.FunctionDef)
    }
    for node in old.file.spans:
        if not isinstance(node, cst.Attribute):
            continue
        name = node.attr.value
        if name not in LOADERS and name not in ERRORS:
            continue
        if name in LOADERS:
            old.edits.replace(node.attr, LOADERS[name])
        parent = old.file.parents[node]
        if isinstance(parent, cst.Decorator):
            decorated = old.file.parents[parent]
            if isinstance(decorated, cst.FunctionDef):
                _add_parameters(old, name, decorated, claim)
        elif isinstance(parent, cst.Call) and parent.func is node and len(parent.args) == 1:
            value = parent.args[0].value
            function = functions.get(value.value) if isinstance(value, cst.Name) else None
            if name in ERRORS and name not in LOADERS and function is None:
                _report(old, node, name)  # It may have the new arguments.
            elif name in LOADERS or (function and len(function.params.params) < len(ARGUMENTS)):
                _wrap(old, name, value, function, claim)


def _wrap(
    old: OldFile,
    name: str,
    value: cst.BaseExpression,
    function: cst.FunctionDef | None,
    claim: str,
) -> None:
    """Write ``loader(lambda jwt_header, jwt_data: function(jwt_data))``."""
    given = ""
    if name in IDENTITY:
        given = f'jwt_data["{claim}"]'
    elif name in CLAIMS or name in DATA:
        given = "" if function and not function.params.params else "jwt_data"
    elif name not in ERRORS:
        return  # Its arguments are the same.
    text = old.file.source(value)
    text = text if isinstance(value, cst.Name | cst.Attribute | cst.Call) else f"({text})"
    old.edits.replace(value, f"lambda {', '.join(ARGUMENTS)}: {text}({given})")


def _add_parameters(old: OldFile, name: str, function: cst.FunctionDef, claim: str) -> None:
    """Let a decorated function take the header and the data of the token."""
    parameters = function.params.params
    if len(parameters) >= len(ARGUMENTS) or function.params.star_kwarg:
        return
    file = old.file
    if name in IDENTITY and parameters:
        start, end = file.spans[parameters[0]]
        old.edits.replace_span(start, end, ", ".join(ARGUMENTS))
        body = function.body
        if isinstance(body, cst.IndentedBlock):
            statements = [*body.body]
            if function.get_docstring() is not None and len(statements) > 1:
                del statements[0]
            indent = indentation(statements[0], file)
            line = f'{parameters[0].name.value} = jwt_data["{claim}"]'
            start = file.spans[statements[0]][0]
            old.edits.insert(start, f"{line}{file.tree.default_newline}{indent}")
        else:
            _report(old, function, name)
    elif parameters and name in (*DATA, *CLAIMS):
        old.edits.insert_once(file.spans[parameters[0]][0], f"{ARGUMENTS[0]}, ")
    elif not parameters and name in (*DATA, *CLAIMS, *ERRORS):
        start = file.spans[function.name][1]
        position = file.text.index(b"(", start) + 1
        old.edits.insert_once(position, ", ".join(ARGUMENTS))


def _report(old: OldFile, node: cst.CSTNode, name: str) -> None:
    remedy = f"let the function take {' and '.join(ARGUMENTS)}"
    old.report(node, f"{name}() passes other arguments in version 4", remedy)
