"""Move a Flask project and its tests to Quart.

:func:`make_plan` reads a project and returns what a stage changes, and what it leaves to a person.
:func:`write` writes the changes. The command ``quartpatterns port`` does both.
"""

from quartpatterns._shared.extras import requires_extra

with requires_extra("port"):
    from quartpatterns.porting.plan import MOVES, STAGES, make_plan

from quartpatterns.porting.project import PortError
from quartpatterns.porting.report import FileChange, FoundApplication, MadeAsync, Plan, PortFinding
from quartpatterns.porting.rules import RuleError
from quartpatterns.porting.writing import WriteError, refuse_uncommitted, write

__all__ = [
    "MOVES",
    "STAGES",
    "FileChange",
    "FoundApplication",
    "PortFinding",
    "MadeAsync",
    "Plan",
    "PortError",
    "RuleError",
    "WriteError",
    "make_plan",
    "refuse_uncommitted",
    "write",
]
