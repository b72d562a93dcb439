"""The cases of this pattern."""

from __future__ import annotations

from quartpatterns.compare.case import Case, Difference, Step, same_settings
from quartpatterns.compare.redirect_page import redirect_page

__all__ = ["CASES", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost", "evil.example"])

PAST = "Sat, 01 Jan 2000 00:00:00 GMT"
FUTURE = "Wed, 01 Jan 2200 00:00:00 GMT"
RELATIVE = "the target does not contain the Host header, which a client can choose"


def icon(
    name: str, *, method: str = "GET", checks: tuple[str, ...] = ("FV-3",), **headers: str
) -> Case:
    """Return a case that requests the icon."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Case(name, Step("/favicon.ico", method=method, headers=named), checks=checks)


CASES: tuple[Case, ...] = (
    Case("the page names its icon", Step("/"), checks=("FV-1",)),
    Case("a host that is not trusted", Step("/favicon.ico", headers={"Host": "untrusted.example"})),
    icon("the icon"),
    icon("HEAD", method="HEAD"),
    icon("OPTIONS", method="OPTIONS"),
    icon("another method", method="POST"),
    Case("with a query", Step("/favicon.ico?v=2"), checks=("FV-3",)),
    Case("with a slash", Step("/favicon.ico/"), checks=("FV-3",)),
    icon("changed since", If_Modified_Since=PAST),
    icon("not changed since", If_Modified_Since=FUTURE),
    icon("not changed, HEAD", method="HEAD", If_Modified_Since=FUTURE),
    icon("an invalid date", If_Modified_Since="yesterday"),
    icon("another tag", If_None_Match='"other"'),
    icon("any tag", If_None_Match="*"),
    icon("must match another tag", If_Match='"other"'),
    icon("the first bytes", Range="bytes=0-3"),
    icon("the last bytes", Range="bytes=-2"),
    icon("all from a place", Range="bytes=1000-"),
    icon("beyond the end", Range="bytes=5000-"),
    icon("a range of HEAD", method="HEAD", Range="bytes=0-3"),
    icon("invalid ranges", Range="bytes=b-a"),
    icon("another unit", Range="lines=1-2"),
    icon("two ranges", Range="bytes=0-1,4-5"),
    icon("a range of another version", Range="bytes=0-3", If_Range='"other"'),
    Case(
        "the redirect",
        Step("/redirect/favicon.ico", headers={"Host": "evil.example"}),
        checks=("FV-2",),
        differs=[
            Difference(
                "header:location",
                "http://evil.example/static/favicon.ico",
                "/static/favicon.ico",
                RELATIVE,
                kind="security",
            ),
            Difference(
                "body",
                redirect_page("http://evil.example/static/favicon.ico"),
                redirect_page("/static/favicon.ico"),
                RELATIVE,
                kind="security",
            ),
        ],
    ),
    Case(
        "another method for the redirect",
        Step("/redirect/favicon.ico", method="POST"),
        checks=("FV-2",),
    ),
    Case("the redirect with a slash", Step("/redirect/favicon.ico/"), checks=("FV-2",)),
    Case("the static file", Step("/static/favicon.ico"), checks=("FV-3",)),
    Case("POST to the page", Step("/", method="POST"), checks=("FV-1",)),
)
