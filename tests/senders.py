"""What browsers say about the sender of a request, for each check that refuses other sites."""

from __future__ import annotations

import pytest

SENDERS = [
    pytest.param({}, True, id="no browser of today"),
    pytest.param({"Sec-Fetch-Site": "same-origin"}, True, id="own page"),
    pytest.param({"Sec-Fetch-Site": "none"}, True, id="address bar"),
    pytest.param({"Sec-Fetch-Site": "same-site"}, False, id="sibling"),
    pytest.param({"Sec-Fetch-Site": "cross-site"}, False, id="other site"),
    pytest.param(
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://localhost:8443"},
        True,
        id="own page, behind a proxy",
    ),
    pytest.param({"Origin": "http://localhost"}, True, id="own origin"),
    pytest.param({"Origin": "https://localhost"}, True, id="own origin, TLS ends before"),
    pytest.param({"Origin": "http://localhost:80"}, True, id="own port"),
    pytest.param({"Origin": "http://localhost:81"}, False, id="other port"),
    pytest.param({"Origin": "https://evil.example"}, False, id="other origin"),
    pytest.param({"Origin": "http://localhost.evil.example"}, False, id="looks like it"),
    pytest.param({"Origin": "http://["}, False, id="invalid URL"),
    pytest.param({"Origin": "http://[::1"}, False, id="invalid address"),
    pytest.param({"Origin": "x" * 10_000}, False, id="long invalid URL"),
    pytest.param(
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"}, True, id="own page, no-referrer"
    ),
    pytest.param(
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"}, False, id="contradiction"
    ),
]
"""Headers of a request to ``localhost``, and whether it is allowed."""
