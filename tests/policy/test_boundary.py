"""The boundary is written into a query, and nothing that it holds can become query."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockdown.errors import UsageError
from lockdown.model import Boundary
from lockdown.policy.boundary import bind, names
from lockdown.snapshot.kql import significant, tokens

SUBSCRIPTION = "AAAAAAAA-0000-0000-0000-000000000001"
NETWORK = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/Rg (1)/providers/Microsoft.Network/virtualNetworks/V_n.et"
BOUNDARY = Boundary((SUBSCRIPTION,), (NETWORK,), ("192.0.2.7", "2001:DB8::/32"))


def test_each_name_becomes_a_list_in_lower_case() -> None:
    assert bind("boundary.subscriptions", BOUNDARY) == f'dynamic(["{SUBSCRIPTION.lower()}"])'
    assert bind("boundary.virtualNetworks", BOUNDARY) == f'dynamic(["{NETWORK.lower()}"])'
    assert bind("boundary.egressAddresses", BOUNDARY) == 'dynamic(["192.0.2.7/32", "2001:db8::/32"])'
    assert bind("where x in (boundary.subscriptions)", Boundary()) == "where x in (dynamic([]))"


@pytest.mark.parametrize(
    "text",
    [
        "// boundary.subscriptions\n",
        "'boundary.subscriptions'",
        '"boundary.subscriptions"',
        "@'boundary.subscriptions'",
        "```boundary.subscriptions```",
        "properties.boundary.subscriptions",
        "boundary",
        "myboundary.subscriptions",
    ],
)
def test_strings_comments_and_properties_stay(text: str) -> None:
    assert bind(text, BOUNDARY) == text
    assert not names(text)


def test_lines_keep_their_numbers() -> None:
    query = "resources\n| where a in (boundary.subscriptions)\n| where b"
    assert bind(query, BOUNDARY).count("\n") == query.count("\n")
    assert names(query) == {"subscriptions"}


def test_an_unknown_name_is_refused_with_its_line() -> None:
    with pytest.raises(UsageError, match=r"line 2: boundary\.planets does not exist; known: subscriptions, "):
        bind("resources\n| where a in (boundary.planets)", BOUNDARY)
    with pytest.raises(UsageError, match=r"line 1: boundary\. must be followed by a name"):
        bind("boundary.[0]", BOUNDARY)


@pytest.mark.parametrize(
    "boundary",
    [
        Boundary(subscriptions=('x"]) | project id //',)),
        Boundary(virtual_networks=(f'{NETWORK}"',)),
        Boundary(virtual_networks=(f"{NETWORK}\n",)),
        Boundary(virtual_networks=("/subscriptions/all",)),
        Boundary(egress_addresses=("192.0.2.0/40",)),
        Boundary(egress_addresses=('fe80::1%"/128',)),
    ],
)
def test_a_value_that_is_not_what_its_name_says_is_refused(boundary: Boundary) -> None:
    with pytest.raises(UsageError, match="The boundary's "):
        bind("boundary.subscriptions boundary.virtualNetworks boundary.egressAddresses", boundary)


hostile = st.one_of(
    st.text(max_size=80),
    st.text(alphabet="\"'\\])|/\n\r\u2028\u202e-:. a1%", max_size=60),
    st.builds(
        "{}{}{}".format, st.sampled_from([SUBSCRIPTION, NETWORK, "10.0.0.0/8", "fe80::1%"]), st.text(), st.text()
    ),
)


@given(st.lists(hostile, max_size=4), st.sampled_from(["subscriptions", "virtualNetworks", "egressAddresses"]))
def test_no_value_escapes_its_literal(values: list[str], name: str) -> None:
    field = {"virtualNetworks": "virtual_networks", "egressAddresses": "egress_addresses"}.get(name, name)
    try:
        bound = bind(f"a in (boundary.{name}) | b", Boundary(**{field: tuple(values)}))
    except UsageError:
        return
    assert "".join(token.text for token in tokens(bound)) == bound
    inner = [token.text for token in significant(bound)]
    assert inner[:6] == ["a", "in", "(", "dynamic", "(", "["]
    assert inner[-5:] == ["]", ")", ")", "|", "b"]
    literals = [token for token in significant(bound)[6:-5] if token.text != ","]
    assert len(literals) == len(values)
    assert all(token.kind == "string" for token in literals)
    assert all(json.loads(token.text).isascii() for token in literals)
