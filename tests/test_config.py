"""lockdown.yaml is read strictly; every error names file, line and key."""

from datetime import date
from pathlib import Path

import pytest

from lockdown.config import load
from lockdown.errors import UsageError
from lockdown.model import Boundary, Scope, Waiver

TODAY = date(2026, 8, 4)
"""180 days before the waiver in GOOD expires."""

SUB = "00000000-0000-0000-0000-00000000000A"
GOOD = f"""\
scope:
  subscriptions: [{SUB}]
boundary:
  subscriptions: [{SUB}]
  virtualNetworks:
    - /subscriptions/{SUB}/resourceGroups/Rg/providers/Microsoft.Network/virtualNetworks/Vnet
  egressAddresses: [203.0.113.7]
waivers:
  - policy: storage-shared-key
    resources: ["/subscriptions/{SUB}/resourceGroups/rg*"]
    reason: Cromwell signs its own URLs with the account key
    owner: genomics platform
    expires: 2027-01-31
signing:
  key: file:keys/private.pem
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "lockdown.yaml"
    path.write_text(text, "utf-8")
    return path


def test_everything_is_read_and_ids_become_lower_case(tmp_path: Path) -> None:
    found = load(write(tmp_path, GOOD), TODAY)
    sub = SUB.lower()
    network = f"/subscriptions/{sub}/resourcegroups/rg/providers/microsoft.network/virtualnetworks/vnet"
    assert found.scope == Scope((sub,))
    assert found.boundary == Boundary((sub,), (network,), ("203.0.113.7/32",))
    assert found.waivers == (
        Waiver(
            "storage-shared-key",
            (f"/subscriptions/{sub}/resourcegroups/rg*",),
            "Cromwell signs its own URLs with the account key",
            "genomics platform",
            date(2027, 1, 31),
        ),
    )
    assert found.key == "file:keys/private.pem"


def test_an_empty_section_and_an_absent_one_are_the_same(tmp_path: Path) -> None:
    assert load(write(tmp_path, "waivers: []\n")) == load(write(tmp_path, "scope: {}\n"))


@pytest.mark.parametrize(
    ("change", "line", "told"),
    [
        (("scope:\n", "scoop:\n"), 1, "scoop: extra inputs are not permitted"),
        ((f"subscriptions: [{SUB}]\nboundary", "subscriptions: [mine]\nboundary"), 2, "not a subscription id"),
        (
            (f"subscriptions: [{SUB}]\nboundary", f"subscriptions: [{SUB}]\n  managementGroups: [g]\nboundary"),
            1,
            "one of the two",
        ),
        (("203.0.113.7", "203.0.113.700"), 7, "boundary.egressAddresses.0"),
        (("2027-01-31", "2027-13-31"), 13, "month must be in 1..12"),
        (("2027-01-31", "2027-02-01"), 13, "waivers.0.expires: 2027-02-01 is later than 2027-01-31"),
        (("2027-01-31", "soon"), 13, "waivers.0.expires"),
        (("owner: genomics platform", "owner: ' '"), 12, "waivers.0.owner: value error, must not be empty"),
        (("    owner: genomics platform\n", ""), 9, "waivers.0.owner: field required"),
        (("signing:\n", "scope: {}\nsigning:\n"), 14, "scope: given twice"),
        (("reason: Cromwell", "reason: &x Cromwell"), 11, "anchors and aliases"),
        (("scope:", "scope: ["), 3, "not YAML"),
        (
            ("Microsoft.Network/virtualNetworks/Vnet", "Microsoft.Network/virtual'Networks"),
            6,
            "not an Azure resource id",
        ),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path: Path, change: tuple[str, str], line: int, told: str) -> None:
    assert change[0] in GOOD
    path = write(tmp_path, GOOD.replace(change[0], change[1], 1))
    with pytest.raises(UsageError) as caught:
        load(path, TODAY)
    assert f"{path}, line {line}: " in caught.value.message
    assert told in caught.value.message


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")
