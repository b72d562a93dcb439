"""The 26 patterns as data: what the gallery lists, what the commands know, what the tests count.

A pattern has one name everywhere: folder, import, URL prefix in the gallery, test folder and
command-line argument. To add one, add its folder and its row here; a test says what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["GROUPS", "PATTERNS", "Group", "Page", "Pattern", "get"]

Group = Literal["structure", "request and response", "pages", "data", "operations"]
GROUPS: tuple[Group, ...] = ("structure", "request and response", "pages", "data", "operations")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of Flask's documentation that a pattern re-implements.

    Arguments:
        name: The page's file name, without its ending.
        sections: Its section titles, over all versions; the page's title if it has no sections.
        versions: The versions of Flask whose documentation has it; ``HEAD`` is today's.
    """

    name: str
    sections: tuple[str, ...]
    versions: tuple[str, ...] = ("0.10", "2.0", "HEAD")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern.

    Arguments:
        name: The name of its folder, URL prefix, tests and command-line argument.
        title: The name for people.
        group: The group in which the gallery lists it.
        summary: One sentence.
        pages: The pages of Flask's documentation it covers.
        extras: The extras that install what its port needs.
        services: Servers that its port needs, such as ``redis``.
        uses: Other patterns whose helpers its own helpers import.
    """

    name: str
    title: str
    group: Group
    summary: str
    pages: tuple[Page, ...]
    extras: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()


PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "packages",
        "Large applications as packages",
        "structure",
        "From one module to a package of blueprints that are found and registered.",
        (Page("packages", ("Simple Packages", "Working with Blueprints")),),
    ),
    Pattern(
        "appfactories",
        "Application factories",
        "structure",
        "An application made by a function, with its configuration in layers.",
        (
            Page(
                "appfactories",
                (
                    "Basic Factories",
                    "Factories & Extensions",
                    "Using Applications",
                    "Factory Improvements",
                ),
            ),
        ),
    ),
    Pattern(
        "appdispatch",
        "Application dispatching",
        "structure",
        "Several applications in one server, by path, by subdomain, or made on demand.",
        (
            Page(
                "appdispatch",
                (
                    "Working with this Document",
                    "Combining Applications",
                    "Dispatch by Subdomain",
                    "Dispatch by Path",
                ),
            ),
        ),
    ),
    Pattern(
        "urlprocessors",
        "URL processors",
        "structure",
        "A language in every URL, taken out of the views and put into every link.",
        (
            Page(
                "urlprocessors",
                ("Internationalized Application URLs", "Internationalized Blueprint URLs"),
            ),
        ),
    ),
    Pattern(
        "lazyloading",
        "Lazily loaded views",
        "structure",
        "Views in one central map, imported when they are first asked for.",
        (Page("lazyloading", ("Converting to Centralized URL Map", "Loading Late")),),
    ),
    Pattern(
        "subclassing",
        "Subclassing the application",
        "structure",
        "A Quart that answers as Flask does where Quart answers otherwise.",
        (Page("subclassing", ("Subclassing Flask",), ("2.0", "HEAD")),),
        uses=("streaming",),
    ),
    Pattern(
        "singlepageapplications",
        "Single-page applications",
        "structure",
        "One index for every client route, assets beside it, an API under it.",
        (Page("singlepageapplications", ("Single-Page Applications",), ("2.0", "HEAD")),),
    ),
    Pattern(
        "viewdecorators",
        "View decorators",
        "request and response",
        "Login, caching, templates and endpoints, written above a view.",
        (
            Page(
                "viewdecorators",
                (
                    "Login Required Decorator",
                    "Caching Decorator",
                    "Templating Decorator",
                    "Endpoint Decorator",
                ),
            ),
        ),
        uses=("caching",),
    ),
    Pattern(
        "deferredcallbacks",
        "Deferred request callbacks",
        "request and response",
        "Work that waits for the response, or until after it is sent.",
        (
            Page(
                "deferredcallbacks",
                ("The Decorator", "Calling the Deferred", "A Practical Example"),
            ),
        ),
    ),
    Pattern(
        "streaming",
        "Streaming contents",
        "request and response",
        "Responses sent while they are made, with request, session and g inside the generator.",
        (
            Page(
                "streaming",
                (
                    "HTTP Response Behavior",
                    "Basic Usage",
                    "Streaming from Templates",
                    "Streaming with Context",
                ),
            ),
        ),
    ),
    Pattern(
        "errorpages",
        "Error pages and API errors",
        "request and response",
        "Errors as pages for people and as problem documents for programs.",
        (
            Page("errorpages", ("Common Error Codes", "Error Handlers"), ("0.10",)),
            Page(
                "apierrors",
                ("Simple Exception Class", "Registering an Error Handler", "Usage in Views"),
                ("0.10",),
            ),
        ),
    ),
    Pattern(
        "methodoverrides",
        "HTTP method overrides",
        "request and response",
        "Methods that a proxy or a form can't send, carried in a header.",
        (Page("methodoverrides", ("Adding HTTP Method Overrides",)),),
    ),
    Pattern(
        "requestchecksum",
        "Request content checksums",
        "request and response",
        "A digest of the body, computed while the body is read.",
        (Page("requestchecksum", ("Request Content Checksums",)),),
        extras=("requestchecksum",),
    ),
    Pattern(
        "favicon",
        "A favicon",
        "request and response",
        "The icon that browsers ask for at the root.",
        (Page("favicon", ("Adding a favicon", "See also")),),
    ),
    Pattern(
        "templateinheritance",
        "Template inheritance",
        "pages",
        "A base layout, and pages that fill its blocks.",
        (Page("templateinheritance", ("Base Template", "Child Template")),),
    ),
    Pattern(
        "flashing",
        "Message flashing",
        "pages",
        "A message at the end of one request, shown once in the next.",
        (
            Page(
                "flashing",
                ("Simple Flashing", "Flashing With Categories", "Filtering Flash Messages"),
            ),
        ),
    ),
    Pattern(
        "wtforms",
        "Form validation with WTForms",
        "pages",
        "Forms declared as classes, validated with asynchronous validators.",
        (Page("wtforms", ("The Forms", "In the View", "Forms in Templates")),),
        extras=("wtforms",),
    ),
    Pattern(
        "ajax",
        "JavaScript, fetch and JSON",
        "pages",
        "Pages that ask for JSON and send it, with jQuery as it was and fetch as it is.",
        (
            Page(
                "jquery",
                ("Loading jQuery", "Where is My Site?", "JSON View Functions", "The HTML"),
                ("0.10", "2.0"),
            ),
            Page(
                "javascript",
                (
                    "Rendering Templates",
                    "Generating URLs",
                    "Making a Request with fetch",
                    "Following Redirects",
                    "Replacing Content",
                    "Return JSON from Views",
                    "Receiving JSON in Views",
                ),
                ("HEAD",),
            ),
        ),
        extras=("ajax",),
    ),
    Pattern(
        "fileuploads",
        "Uploading files",
        "pages",
        "Files of any size, read as they arrive, limited, named safely, and sent back.",
        (
            Page(
                "fileuploads",
                (
                    "A Gentle Introduction",
                    "Improving Uploads",
                    "Upload Progress Bars",
                    "An Easier Solution",
                ),
            ),
        ),
        extras=("fileuploads",),
    ),
    Pattern(
        "sqlite3",
        "SQLite 3",
        "data",
        "One connection per context, opened on demand, without blocking the loop.",
        (
            Page(
                "sqlite3",
                ("Connect on Demand", "Easy Querying", "Initial Schemas"),
            ),
        ),
        extras=("ajax", "sqlite3"),
    ),
    Pattern(
        "sqlalchemy",
        "SQLAlchemy",
        "data",
        "An asynchronous session per context, models, pages, and migrations.",
        (
            Page(
                "sqlalchemy",
                (
                    "Flask-SQLAlchemy Extension",
                    "Declarative",
                    "Manual Object Relational Mapping",
                    "SQL Abstraction Layer",
                ),
            ),
        ),
        extras=("ajax", "migrations"),
        uses=("streaming",),
    ),
    Pattern(
        "mongodb",
        "MongoDB",
        "data",
        "Documents, embedded documents and queries on an asynchronous driver.",
        (
            Page("mongokit", ("Declarative", "PyMongo Compatibility Layer"), ("0.10",)),
            Page(
                "mongoengine",
                (
                    "Configuration",
                    "Mapping Documents",
                    "Creating Data",
                    "Queries",
                    "Documentation",
                ),
                ("2.0", "HEAD"),
            ),
        ),
        extras=("mongodb",),
        services=("mongodb",),
    ),
    Pattern(
        "caching",
        "Caching",
        "data",
        "Values and responses kept for a while, computed once however many ask.",
        (Page("caching", ("Setting up a Cache", "Using a Cache")),),
    ),
    Pattern(
        "tasks",
        "Background tasks",
        "operations",
        "Work handed to a worker process, and its result fetched later: arq in place of Celery.",
        (
            Page(
                "celery",
                (
                    "Installing Celery",
                    "Configuring Celery",
                    "Minimal Example",
                    "Running the Celery Worker",
                    "Install",
                    "Configure",
                    "An example task",
                    "Run a worker",
                    "Integrate Celery with Flask",
                    "Application Factory",
                    "Defining Tasks",
                    "Calling Tasks",
                    "Getting Results",
                    "Passing Data to Tasks",
                ),
            ),
        ),
        extras=("tasks",),
        services=("redis",),
        uses=("streaming",),
    ),
    Pattern(
        "packaging",
        "Packaging",
        "operations",
        "From a folder to a wheel with its templates inside.",
        (
            Page(
                "distribute",
                (
                    "Basic Setup Script",
                    "Tagging Builds",
                    "Distributing Resources",
                    "Declaring Dependencies",
                    "Installing / Developing",
                ),
                ("0.10", "2.0"),
            ),
        ),
    ),
    Pattern(
        "deployment",
        "Deployment",
        "operations",
        "From a wheel to running servers, many at once, without an interruption.",
        (
            Page(
                "fabric",
                (
                    "Creating the first Fabfile",
                    "Running Fabfiles",
                    "The WSGI File",
                    "The Configuration File",
                    "First Deployment",
                    "Next Steps",
                ),
                ("0.10", "2.0"),
            ),
        ),
        extras=("deployment",),
    ),
)

_BY_NAME = {pattern.name: pattern for pattern in PATTERNS}


def get(name: str) -> Pattern:
    """The pattern called *name*.

    Raises:
        LookupError: There is none; the message names those that come closest.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        import difflib

        close = difflib.get_close_matches(name.lower(), _BY_NAME, n=3)
        hint = (
            f"did you mean {' or '.join(close)}?"
            if close
            else f"the patterns are {', '.join(_BY_NAME)}"
        )
        raise LookupError(f"unknown pattern {name!r}; {hint}") from None
