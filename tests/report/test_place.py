import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockdown.report.place import Place, place


@pytest.mark.parametrize(
    ("resource_id", "expected"),
    [
        ("/subscriptions/s", Place("s", "", "subscription", "s", "s")),
        ("/subscriptions/s/resourceGroups/g", Place("s", "g", "resource group", "g", "g")),
        (
            "/SUBSCRIPTIONS/s/resourcegroups/g/PROVIDERS/Microsoft.Batch/batchAccounts/a/pools/p",
            Place("s", "g", "Microsoft.Batch/batchAccounts/pools", "p", "a/p"),
        ),
        (
            "/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/r",
            Place("s", "", "Microsoft.Authorization/roleAssignments", "r", "r"),
        ),
        (
            "/subscriptions/s/resourceGroups/g/providers/A.B/c/d/providers/Microsoft.Authorization/locks/l",
            Place("s", "g", "Microsoft.Authorization/locks", "l", "l"),
        ),
        ("just-a-name", Place("", "", "", "just-a-name", "just-a-name")),
    ],
)
def test_the_parts_of_an_id(resource_id: str, expected: Place) -> None:
    assert place(resource_id) == expected


@given(st.text(st.sampled_from("/asubscriptions providers resourceGroups")))
def test_every_text_has_a_place(resource_id: str) -> None:
    assert place(resource_id).path or not resource_id.strip("/")
