"""Print the GET rules of an application that have no arguments, as JSON in the last line.

It runs in a process of its own, because two versions of an application have the same module names:
``python -m quartpatterns.compare.list_routes module:app``.
"""

from __future__ import annotations

import json
import sys

from quartpatterns.compare.applications import ApplicationLoadError, load_application
from quartpatterns.compare.rules import HOST, URLRules, plain_rules


def main() -> None:
    """Print pairs of path and host, or the error."""
    try:
        rules = URLRules(load_application(sys.argv[1])).all
    except (ApplicationLoadError, LookupError) as error:
        print(json.dumps({"error": str(error.args[0])}))  # noqa: T201
        return
    pairs = [(rule.path, rule.host or HOST) for rule in plain_rules(rules)]
    print(json.dumps({"routes": pairs}))  # noqa: T201


if __name__ == "__main__":
    main()
