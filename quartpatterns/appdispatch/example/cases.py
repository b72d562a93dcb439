"""The requests that port and original must answer alike, and the defects of Flask's page."""

from __future__ import annotations

from quartpatterns.compare.case import Case, Difference, Kind, Step, same_settings
from quartpatterns.compare.error_page import error_page

__all__ = ["CASES", "EXTRAS", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])


def get(path: str, check: str, *, host: str = "localhost") -> Case:
    """Return a case that requests *path*; the answer says which application it is from."""
    name = f"GET {path}" if host == "localhost" else f"GET {path} of {host}"
    return Case(name, Step(path, headers={"Host": host}), checks=(check,))


COMBINED = (
    Case("the index", Step("/"), checks=("AD-2",)),
    Case("the index of a port", Step("/", headers={"Host": "localhost:8000"}), checks=("AD-2",)),
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
            "//",
            "/./backend/",
            "/%2Fbackend/",
            "/nope",
        )
    ),
    Case("a host that is not trusted", Step("/", headers={"Host": "untrusted.example"})),
    Case("HEAD of a mount", Step("/backend", method="HEAD"), checks=("AD-2",)),
    *(
        Case(f"{method} of the root of a mount, {path}", Step(path, method=method))
        for method, path in (
            ("POST", "/backend"),
            ("OPTIONS", "/backend"),
            ("POST", "/path"),
            ("POST", "/path/alice"),
            ("POST", "/users/"),
        )
    ),
    Case("OPTIONS of a mount", Step("/backend/x/", method="OPTIONS"), checks=("AD-2",)),
    Case("the method of a mount's view", Step("/backend/x/", method="POST"), checks=("AD-2",)),
    get("/backend", "AD-2", host="example.com:80"),
    get("/backend", "AD-2", host="example.com:8080"),
    get("/backend", "AD-2", host="Example.COM"),
    get("/backend", "AD-2", host="a..example"),
    get("/backend", "AD-2", host="localhost:99999"),
    get("/backend", "AD-2", host="b" * 64),
)

ADD_USERS = (
    Case(
        "a new user",
        Step("/users", method="POST", form={"name": "dave-9"}),
        Step("/"),
        Step("/path/dave-9/x"),
        checks=("AD-6",),
    ),
    *(
        Case(f"a user called {text}", Step("/users", method="POST", form=form))
        for text, form in (
            ("nothing", {}),
            ("an empty text", {"name": ""}),
            ("Capital", {"name": "Capital"}),
            ("a.b", {"name": "a.b"}),
            ("30 characters", {"name": "x" * 30}),
            ("31 characters", {"name": "x" * 31}),
        )
    ),
    Case("GET of the form's URL", Step("/users")),
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
        "/alice/./x",
        "/alice/x//y",
        "/alice/x/.",
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
        ("/subdomain", "nobody.localhost"),
    )
)

SUFFIX = (
    "the page only compares the last characters of the host; the port accepts only the domain and"
    " its subdomains"
)
CASE = "host names are not case-sensitive (RFC 9110, 4.2.3), but the comparison of the page is"
ASSERT = "the page's assert makes an unknown Host header a server error; the port answers 404"
DOT = "a host name may end with a dot (RFC 1034, 3.1); the page's assert fails for it"
OTHER_BODIES = "the responses come from different applications, or one is the page for 500"
# Their headers differ with the bodies.
DIFFERENT = ("content-type",)


def host_differs(name: str, host: str, original: int, port: int, reason: str, kind: Kind) -> Case:
    """Return a case in which Flask's page and the port select different applications."""
    step = Step(
        "/subdomain/x",
        headers={"Host": host},
        compare="ignore",
        reason=OTHER_BODIES,
        ignore_headers=("content-length", *DIFFERENT),
    )
    difference = Difference("status", original, port, reason, kind=kind)
    return Case(name, step, checks=("AD-4",), differs=[difference])


DEFECTS_OF_THE_PAGE = (
    host_differs(
        "a host that ends with the domain's characters",
        "alicelocalhost",
        200,
        404,
        SUFFIX,
        "security",
    ),
    host_differs("a subdomain in capitals", "ALICE.localhost", 404, 200, CASE, "http"),
    host_differs("a host with a final dot", "alice.localhost.", 500, 200, DOT, "input"),
    host_differs("another host", "example.com", 500, 404, ASSERT, "input"),
    Case(
        "a user who comes after the first request",
        Step("/subdomain/x", headers={"Host": "carol.localhost"}),
        Step("/users", method="POST", form={"name": "carol"}),
        Step(
            "/subdomain/x",
            headers={"Host": "carol.localhost"},
            compare="ignore",
            reason=OTHER_BODIES,
            ignore_headers=("content-length", *DIFFERENT),
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
                kind="input",
            )
        ],
    ),
)

FULL = Case(
    "the largest number of users",
    *(Step("/users", method="POST", form={"name": f"user-{number}"}) for number in range(98)),
    Step("/"),
)

CASES: tuple[Case, ...] = (
    Case("Hello World!", Step("/hello/"), checks=("AD-1",)),
    *COMBINED,
    *BY_PATH,
    *BY_SUBDOMAIN,
    *DEFECTS_OF_THE_PAGE,
    *ADD_USERS,
    FULL,
)


def answers(host: str, user: str | None) -> Case:
    """Return an extra with the application that the port selects for *host*, or its 404."""
    link = '"link":"/subdomain/x","path":"/x","script_root":"/subdomain"}\n'
    expected = {
        "status": 404,
        "header:content-type": "text/html; charset=utf-8",
        "body": error_page(404),
    }
    if user:
        body = f'{{"application":"{user}",{link}'
        expected = {"status": 200, "header:content-type": "application/json", "body": body}
    step = Step("/subdomain/x", headers={"Host": host}, expected=expected)
    return Case(f"the host {host}", step, checks=("AD-4",))


# How the port answers where the original fails, or where it selects another application.
EXTRAS: tuple[Case, ...] = (
    answers("alicelocalhost", None),
    answers("ALICE.localhost", "alice"),
    answers("alice.LocalHost", "alice"),
    answers("alice.localhost.", "alice"),
    answers("example.com", None),
    answers("127.0.0.1:5000", None),
    answers("[::1]:5000", None),
)
