"""What original and port must answer alike: everything, also where an answer breaks off."""

from __future__ import annotations

from quartpatterns.compare import Case, Difference, Step

__all__ = ["CASES"]

# A WSGI server answers with a page of its own, of another length.
SERVER_PAGE = ("content-length", "content-type")

CASES = (
    Case("index", Step("/", compare="html")),
    Case("large.csv", Step("/large.csv"), checks=("ST-1",)),
    Case("large.csv with many rows", Step("/large.csv", query={"rows": "50000"}), checks=("ST-1",)),
    Case("large.csv without rows", Step("/large.csv", query={"rows": "0"}), checks=("ST-1",)),
    Case("large.csv knows no ranges", Step("/large.csv", headers={"Range": "bytes=0-9"})),
    Case("large.csv, HEAD", Step("/large.csv", method="HEAD"), checks=("ST-1",)),
    Case("large.csv, POST", Step("/large.csv", method="POST")),
    Case("rows is no number", Step("/large.csv", query={"rows": "many"})),
    Case("rows is empty", Step("/large.csv", query={"rows": ""})),
    Case("rows is negative", Step("/large.csv", query={"rows": "-1"})),
    Case("rows is a fraction", Step("/large.csv", query={"rows": "1.5"})),
    Case("rows has other digits", Step("/large.csv", query={"rows": "٣"})),
    Case("rows is one too many", Step("/large.csv", query={"rows": "10000001"})),
    Case("rows has a thousand digits", Step("/large.csv", query={"rows": "9" * 1000})),
    Case("large page", Step("/my-large-page.html"), checks=("ST-2",)),
    Case("large page without rows", Step("/my-large-page.html?rows=0"), checks=("ST-2",)),
    Case("large page, HEAD", Step("/my-large-page.html", method="HEAD"), checks=("ST-2",)),
    Case("large page, bad rows", Step("/my-large-page.html?rows=x")),
    Case("timeline", Step("/timeline"), checks=("ST-2",)),
    Case("timeline, HEAD", Step("/timeline", method="HEAD"), checks=("ST-2",)),
    Case("stream", Step("/stream", query={"name": "World"}), checks=("ST-3",)),
    Case("stream escapes", Step("/stream", query={"name": "<b>'Ünï' & \"co\""}), checks=("ST-3",)),
    Case("stream, first of two names", Step("/stream?name=a&name=b"), checks=("ST-3",)),
    Case("stream, empty name", Step("/stream?name="), checks=("ST-3",)),
    Case(
        "stream without a name",
        Step("/stream", compare="ignore", ignore_headers=SERVER_PAGE),
        checks=("ST-3", "ST-6"),
        differs=(
            Difference(
                "status",
                500,
                400,
                "Before the first chunk, the port answers an error as an error of the view."
                " Flask's error handlers do not run then.",
            ),
        ),
    ),
    # In both, the server answers before the first chunk.
    Case(
        "no chunk before the error",
        Step("/broken?chunks=0", compare="ignore", ignore_headers=SERVER_PAGE),
        checks=("ST-6",),
    ),
    # Status 200 and the first chunks are sent; then both break off, for all to see.
    Case("one chunk before the error", Step("/broken?chunks=1"), checks=("ST-3", "ST-6")),
    Case("many chunks before the error", Step("/broken?chunks=1000"), checks=("ST-3",)),
    Case("error, HEAD", Step("/broken?chunks=0", method="HEAD"), checks=("ST-3", "ST-6")),
    Case("stream without a name, HEAD", Step("/stream", method="HEAD"), checks=("ST-3",)),
    Case(
        "visits",
        Step("/visits", query={"user": "Ada"}),
        Step("/visits", query={"user": "Ada"}),
        Step("/visits", query={"user": "<Grace>"}),
        checks=("ST-3", "ST-4"),
    ),
    Case("feed", Step("/feed", compare="html"), checks=("ST-7",)),
    Case(
        "feed, publish",
        Step("/feed", method="POST", form={"text": "hello"}),
        Step("/feed", method="POST", form={"text": " <b>two</b>\r\nlines "}),
        checks=("ST-7",),
    ),
    Case("feed, publish nothing", Step("/feed", method="POST", form={"text": " "})),
    Case("feed, publish too much", Step("/feed", method="POST", form={"text": "x" * 201})),
    Case("feed, no form", Step("/feed", method="POST")),
    Case("feed, events, HEAD", Step("/feed/events", method="HEAD"), checks=("ST-7",)),
    Case("visits, HEAD", Step("/visits", method="HEAD"), checks=("ST-4",)),
)
