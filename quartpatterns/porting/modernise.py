"""Write what Flask 3.1 and its libraries have in place of what they have removed."""

from __future__ import annotations

import libcst as cst

from quartpatterns.porting.findings import finding
from quartpatterns.porting.modernising.applications import modernise_applications
from quartpatterns.porting.modernising.cascades import add_to_sessions
from quartpatterns.porting.modernising.context import OldProject
from quartpatterns.porting.modernising.databases import modernise_databases
from quartpatterns.porting.modernising.forms import modernise_forms
from quartpatterns.porting.modernising.jwt_identities import keep_identities
from quartpatterns.porting.modernising.jwt_loaders import modernise_loaders
from quartpatterns.porting.modernising.locale_selectors import pass_selectors
from quartpatterns.porting.modernising.logins import modernise_logins
from quartpatterns.porting.modernising.names import modernise_names
from quartpatterns.porting.modernising.schemas import modernise_schemas
from quartpatterns.porting.modernising.scripts import modernise_scripts
from quartpatterns.porting.modernising.settings import modernise_settings
from quartpatterns.porting.modernising.tokens import modernise_tokens
from quartpatterns.porting.project import SourceProject
from quartpatterns.porting.report import PortFinding
from quartpatterns.porting.rules import Rules

__all__ = ["modernise"]


def modernise(project: SourceProject, rules: Rules) -> tuple[dict[str, bytes], list[PortFinding]]:
    """Return the new text of each file that changes, and the places for a person."""
    modern = OldProject.of(project, rules)
    edits = {old.file: old.edits for old in modern.files}
    findings: list[PortFinding] = []
    for old in modern.files:
        modernise_names(old, modern)
        modernise_applications(old, rules)
        modernise_databases(old, modern)
        modernise_settings(old, modern)
        modernise_schemas(old, modern)
        modernise_forms(old, modern)
    if "flask_jwt_extended" in modern.packages:
        claim = keep_identities(modern)
        for old in modern.files:
            modernise_loaders(old, claim)
    modernise_scripts(modern)
    modernise_tokens(modern)
    if "flask_babel" in modern.packages:
        for file, node, keyword in pass_selectors(project, edits):
            why = (
                "Flask-Babel has no such decorator any more, and the call of init_app() is unknown"
            )
            findings.append(
                finding("breaks", file, node, why, f"write {keyword}=... in init_app()")
            )
    if "flask_sqlalchemy" in modern.packages:
        add_to_sessions(project, edits)
    texts = modernise_logins(modern)
    for old in modern.files:
        findings += old.findings
        if old.edits.changes:
            text = old.edits.result().decode()
            cst.parse_module(text)  # An error here is a fault of this package.
            texts[old.file.name] = text.encode(old.file.encoding)
    return texts, findings
