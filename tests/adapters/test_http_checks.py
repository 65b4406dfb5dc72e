"""Which heads are served (H33): everything a browser may say is refused, and everything a till needs is not."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from nexo_bridge.adapters.http_checks import HeadRefusal, check, form_by_type

TILL = {"Host": "10.0.0.5:7080", "Content-Type": "application/xml"}
NAMES = frozenset({"bridge.shop.example"})


def checked(
    headers: dict[str, str] | list[tuple[str, str]],
    method: str = "POST",
    path: str = "/EPASSaleToPOI/3.1",
    *,
    json: bool = False,
) -> str | int:
    """The form, or the status of the refusal."""
    made = check(method, path, CIMultiDict(headers), names=NAMES, json=json)
    return made.status if isinstance(made, HeadRefusal) else made


def test_a_till_is_served() -> None:
    assert checked(TILL) == "xml"
    assert checked({**TILL, "Content-Type": 'text/xml; charset="UTF-8"'}) == "xml"
    assert checked({**TILL, "Content-Type": "application/json"}, path="/nexo", json=True) == "json"
    assert checked({**TILL, "Expect": "100-Continue", "Content-Encoding": "identity"}) == "xml"


@pytest.mark.parametrize(
    "header",
    ["Origin", "origin", "Sec-Fetch-Site", "sec-fetch-mode", "Sec-Fetch-Dest", "Sec-Fetch-Anything"],
)
@pytest.mark.parametrize("value", ["null", "https://evil.example", "", "same-origin", "none"])
def test_h33_whatever_only_a_browser_says_is_refused(header: str, value: str) -> None:
    assert checked({**TILL, header: value}) == 403


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:7080",
        "[::1]:7080",
        "[fe80::1]",
        "localhost",
        "LOCALHOST:80",
        "localhost.",
        "bridge.shop.example:7080",
        "Bridge.Shop.Example",
    ],
)
def test_h33_addresses_and_names_of_ours_are_served(host: str) -> None:
    assert checked({**TILL, "Host": host}) == "xml"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:7080",
        "localhost.evil.example",
        "bridge.shop.example.evil.example",
        "127.0.0.1.nip.io",
        "127.1",
        "2130706433",
        "localhost@evil.example",
        "localhost:80:80",
        "[::1",
        "",
        "local host",
    ],
)
def test_h33_a_name_that_was_bound_to_our_address_is_refused(host: str) -> None:
    assert checked({**TILL, "Host": host}) == 421


def test_h33_no_host_or_two_are_refused() -> None:
    assert checked({"Content-Type": "application/xml"}) == 421
    assert checked([*TILL.items(), ("Host", "localhost")]) == 421


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/plain; application/xml",
        "text/html",
        "application/xml-dtd",
        "application/xml; charset=utf-16",
        "application/xml; charset=iso-8859-1",
        "",
    ],
)
def test_h33_types_that_a_page_may_send_unasked_are_refused(content_type: str) -> None:
    assert checked({**TILL, "Content-Type": content_type}) == 415
    assert form_by_type(content_type) is None


def test_no_content_type_or_two_are_refused() -> None:
    assert checked({"Host": "localhost"}) == 415
    assert checked([*TILL.items(), ("Content-Type", "application/xml")]) == 415


def test_json_is_refused_where_it_is_not_switched_on() -> None:
    assert checked({**TILL, "Content-Type": "application/json"}) == 415


@pytest.mark.parametrize(
    "path",
    ["/", "/EPASSaleToPOI", "/EPASSaleToPOI/", "/EPASSaleToPOI/3.1/x", "/epassaletopoi/3.1", "/nexo/x", "*"],
)
def test_other_paths_are_not_there(path: str) -> None:
    assert checked(TILL, path=path) == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "post"])
def test_other_methods_are_refused(method: str) -> None:
    assert checked(TILL, method) == 405


def test_what_is_packed_or_expects_more_is_refused() -> None:
    assert checked({**TILL, "Content-Encoding": "gzip"}) == 415
    assert checked({**TILL, "Expect": "the-unexpected"}) == 417


def test_refusals_are_sentences_that_quote_nobody() -> None:
    made = check("POST", "/<script>", CIMultiDict(TILL), names=NAMES, json=False)
    assert isinstance(made, HeadRefusal)
    assert "<" not in made.text
    assert not made.text.endswith(".")
