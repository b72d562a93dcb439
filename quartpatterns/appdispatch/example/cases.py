"""The requests that port and original must answer alike, and the defects of Flask's page."""

from __future__ import annotations

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]


def get(path: str, check: str, *, host: str = "localhost") -> Case:
    """Return a case that requests *path*; the answer says which application it is from."""
    name = f"GET {path}" if host == "localhost" else f"GET {path} of {host}"
    return Case(name, Step(path, headers={"Host": host}), checks=(check,))


COMBINED = (
    Case("the index", Step("/", compare="html"), checks=("AD-2",)),
    *(
        get(path, "AD-2")
        for path in (
            "/x/",
            "/x",
            "/backend",
            "/backend?next=%2F&b=%C3%A9",
            "/backend/",
            "/backend/x",
            "/backend/x/",
            "/backend//",
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
    get("/backend", "AD-2", host="example.com:80"),
    get("/backend", "AD-2", host="example.com:8080"),
)

BY_PATH = tuple(
    get(f"/path{path}", "AD-6")
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
    get(path, "AD-3", host=host)
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

# The bodies are of different applications, or of an application and the server's 500 page.
DIFFERENT = ("content-length", "content-type")


def host_differs(name: str, host: str, original: int, port: int, reason: str) -> Case:
    """Return a case in which Flask's page and the port select different applications."""
    step = Step("/subdomain/x", headers={"Host": host}, compare="ignore", ignore_headers=DIFFERENT)
    difference = Difference("status", original, port, reason)
    return Case(name, step, checks=("AD-4",), differs=[difference])


SUFFIX = (
    "the page accepts every host that ends with the characters of the domain; the port, its labels"
)
CASE = "the page compares case; host names have none (RFC 9110, 4.2.3)"
ASSERT = "the page's assert makes an unknown Host header a server error; the port answers 404"
SLASHES = "the page's helper removes empty segments; the port leaves them to the application"
METHOD = "the port redirects to a mount's root without asking the application"
DOT = "a host name may end with a dot (RFC 1034, 3.1); the page asserts"

DEFECTS_OF_THE_PAGE = (
    host_differs(
        "a host that ends with the domain's characters", "alicelocalhost", 200, 404, SUFFIX
    ),
    host_differs("a subdomain in capitals", "ALICE.localhost", 404, 200, CASE),
    host_differs("a domain in capitals", "alice.LocalHost", 500, 200, CASE),
    host_differs("a host with a final dot", "alice.localhost.", 500, 200, DOT),
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
            ignore_headers=DIFFERENT,
        ),
        Step("/path/carol/x"),
        checks=("AD-5", "AD-6"),
        differs=[
            Difference(
                "status",
                404,
                200,
                "the page stores that there is no such user; the port calls the factory again",
                step=2,
            )
        ],
    ),
    Case(
        "two slashes deep in a path",
        # The bodies are of a view and of a redirect.
        Step("/path/alice/x//y", compare="ignore", ignore_headers=DIFFERENT),
        checks=("AD-6",),
        differs=[
            Difference("status", 200, 308, SLASHES),
            Difference("header:location", None, "http://localhost/path/alice/x/y", SLASHES),
        ],
    ),
    Case(
        "a mount whose root has no such method",
        # The bodies are of a 404 page and of a redirect.
        Step("/backend", method="POST", compare="ignore", ignore_headers=DIFFERENT),
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
    *DEFECTS_OF_THE_PAGE,
)
