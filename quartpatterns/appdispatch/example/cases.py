"""What port and original are asked: the tables of Flask's page, and where the page is wrong."""

from __future__ import annotations

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]


def asked(path: str, check: str, *, host: str = "localhost") -> Case:
    """A case that asks for *path*: what answers says which application it is, and where."""
    name = f"GET {path}" if host == "localhost" else f"GET {path} of {host}"
    return Case(name, Step(path, headers={"Host": host}), checks=(check,))


COMBINED = (
    Case("the index", Step("/", compare="html"), checks=("AD-2",)),
    *(
        asked(path, "AD-2")
        for path in (
            "/x/",
            "/x",
            "/backend",
            "/backend?next=%2F&b=%C3%A9",
            "/backend/",
            "/backend/x",
            "/backend/x/",
            "/backendfoo",
            "/backend/nope",
            "/Backend/",
            "//backend/",
            "/nope",
        )
    ),
    Case("HEAD of a mount", Step("/backend", method="HEAD"), checks=("AD-2",)),
    Case("OPTIONS of a mount", Step("/backend/x/", method="OPTIONS"), checks=("AD-2",)),
    Case("the method of a mount's view", Step("/backend/x/", method="POST"), checks=("AD-2",)),
    asked("/backend", "AD-2", host="example.com:80"),
    asked("/backend", "AD-2", host="example.com:8080"),
)

BY_PATH = tuple(
    asked(f"/path{path}", "AD-6")
    for path in (
        "",
        "/",
        "/alice",
        "/alice?q=1",
        "/alice/",
        "/alice/x",
        "/alice/x/y",
        "/alice//x",
        "//alice/x",
        "/alice/nope",
        "/bob/x",
        "/nouser",
        "/nouser/q",
        "/Alice/x",
        "/alicex/x",
        "/al%69ce/x",
        "/%C3%A9/x",
        "/./alice/x",
        "/../x",
    )
)

BY_SUBDOMAIN = tuple(
    asked(path, "AD-3", host=host)
    for path, host in (
        ("/subdomain/", "alice.localhost"),
        ("/subdomain/x/y", "bob.localhost"),
        ("/subdomain/x", "alice.localhost:8000"),
        ("/subdomain/nope", "alice.localhost"),
        ("/subdomain/x", "nobody.localhost"),
        ("/subdomain/x", "a.b.localhost"),
        ("/subdomain/x", "localhost"),
        ("/subdomain", "alice.localhost"),
    )
)

# The bodies are of different applications, or an application's and the server's own 500 page.
UNLIKE = ("content-length", "content-type")


def host_differs(name: str, host: str, original: int, port: int, reason: str) -> Case:
    """A case in which the hosts of Flask's page go to another application than the port's."""
    step = Step("/subdomain/x", headers={"Host": host}, compare="ignore", ignore_headers=UNLIKE)
    difference = Difference("status", original, port, reason)
    return Case(name, step, checks=("AD-4",), differs=[difference])


SUFFIX = "the page takes every host that ends in the letters of the domain; the port, its labels"
CASE = "the page compares letter by letter; host names have no case (RFC 9110, 4.2.3)"
ASSERT = "the page asserts, so that a stranger's Host header is a server error; the port knows 404"
SLASHES = "the page's helper drops empty segments anywhere; the port leaves them to the application"
METHOD = "the port redirects to a mount's root without asking the application whether it has one"
DOT = "a name may end in the dot of the root (RFC 1034, 3.1); the page asserts"

WHERE_THE_PAGE_IS_WRONG = (
    host_differs("a host that only ends like the domain", "alicelocalhost", 200, 404, SUFFIX),
    host_differs("a subdomain in capitals", "ALICE.localhost", 404, 200, CASE),
    host_differs("a domain in capitals", "alice.LocalHost", 500, 200, CASE),
    host_differs("a host with the dot of the root", "alice.localhost.", 500, 200, DOT),
    host_differs("another host", "example.com", 500, 404, ASSERT),
    host_differs("an IPv4 address", "127.0.0.1:5000", 500, 404, ASSERT),
    host_differs("an IPv6 address", "[::1]:5000", 500, 404, ASSERT),
    Case(
        "a user who comes after the first request",
        Step("/subdomain/x", headers={"Host": "carol.localhost"}),
        Step("/users", method="POST", form={"name": "carol"}),
        # The bodies are of different applications.
        Step(
            "/subdomain/x",
            headers={"Host": "carol.localhost"},
            compare="ignore",
            ignore_headers=UNLIKE,
        ),
        Step("/path/carol/x"),
        checks=("AD-5", "AD-6"),
        differs=[
            Difference(
                "status",
                404,
                200,
                "the page remembers for ever that there is no such user; the port asks again",
                step=2,
            )
        ],
    ),
    Case(
        "two slashes deep in a path",
        # The bodies are a view's and a redirect's.
        Step("/path/alice/x//y", compare="ignore", ignore_headers=UNLIKE),
        checks=("AD-6",),
        differs=[
            Difference("status", 200, 308, SLASHES),
            Difference("header:location", None, "http://localhost/path/alice/x/y", SLASHES),
        ],
    ),
    Case(
        "a mount whose root has no such method",
        # The bodies are a 404 page and a redirect's.
        Step("/backend", method="POST", compare="ignore", ignore_headers=UNLIKE),
        checks=("AD-2",),
        differs=[
            Difference("status", 404, 308, METHOD),
            Difference("header:location", None, "http://localhost/backend/", METHOD),
        ],
    ),
)

CASES: tuple[Case, ...] = (
    Case("Hello World!", Step("/hello/"), checks=("AD-1",)),
    *COMBINED,
    *BY_PATH,
    *BY_SUBDOMAIN,
    *WHERE_THE_PAGE_IS_WRONG,
)
