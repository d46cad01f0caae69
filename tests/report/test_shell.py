import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lockdown.report.shell import CommandRefusedError, command
from lockdown.report.visible import hidden

GROUP = "/subscriptions/6c0d2a2e-3c1f-4a55-9a31-5f4a9d1f2b10/resourceGroups/rg-coa"
STORE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/coastore"
HOSTILE_NAMES = [
    "a b",
    "a'b",
    "''",
    'a"b',
    "$(touch owned)",
    "`touch owned`",
    "${HOME}",
    "a;touch owned",
    "a&&b|c>d<e",
    "a\\",
    "a\\'b",
    "!history!!",
    "*",
    "~root",
    "=ls",
    "#comment",
    "{name}",
    "{a,b}",
    "<img src=x onerror=alert(1)>",
    "检查 данные",
]
SHELLS = [found for found in map(shutil.which, ("sh", "dash", "bash", "zsh")) if found]


def named(name: str) -> str:
    return f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{name}"


def test_an_ordinary_id_needs_no_quotes() -> None:
    assert command("az storage account update --ids {resource} --public-network-access Disabled", STORE) == (
        f"az storage account update --ids {STORE} --public-network-access Disabled"
    )


def test_every_placeholder() -> None:
    template = "az x --name {name} -g {resourceGroup} --subscription {subscription} --set tags.a=pe-{name}"
    assert command(template, STORE) == (
        "az x --name coastore -g rg-coa --subscription 6c0d2a2e-3c1f-4a55-9a31-5f4a9d1f2b10 --set tags.a=pe-coastore"
    )


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_name_stays_one_argument(name: str) -> None:
    line = command("az x --ids {resource} --name {name} --to pe-{name}", named(name))
    assert shlex.split(line) == ["az", "x", "--ids", named(name), "--name", name, "--to", f"pe-{name}"]


@pytest.mark.parametrize("shell", SHELLS)
def test_real_shells_agree(shell: str, tmp_path: Path) -> None:
    script = "\n".join(command("printf '%s\\0' {name} pe-{name}", named(name)) for name in HOSTILE_NAMES)
    ran = subprocess.run([shell, "-c", script], cwd=tmp_path, capture_output=True, check=True)
    assert ran.stdout.decode().split("\0")[:-1] == [said for name in HOSTILE_NAMES for said in (name, f"pe-{name}")]
    assert list(tmp_path.iterdir()) == []


@given(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1))
def test_any_name_is_one_argument_or_refused(name: str) -> None:
    assume(name != "providers")
    try:
        line = command("az x --name {name}", named(name))
    except CommandRefusedError:
        assert hidden(name) or name[0] in "-@"
    else:
        assert shlex.split(line) == ["az", "x", "--name", name]


@pytest.mark.parametrize(
    ("template", "resource_id", "reason"),
    [
        ("az x --name {name}", named("a\nb"), "control characters"),
        ("az x --name {name}", named("a\u202eb"), "cannot be seen"),
        ("az x --name {name}", named("--yes"), "an option or a file"),
        ("az x --name {name}", named("@passwd"), "an option or a file"),
        ("az x -g {resourceGroup}", "/subscriptions/s", "has no resourceGroup"),
        ("az x --query \"[?name=='{name}']\"", STORE, "inside quotes"),
        ("az x --query '{name}'", STORE, "inside quotes"),
        ("az x \\{name}", STORE, "inside quotes"),
        ("az x {tenant}", STORE, "unknown placeholder"),
        ("az x\x1b[8m {name}", STORE, "cannot be seen"),
    ],
)
def test_what_cannot_be_made_inert_is_refused(template: str, resource_id: str, reason: str) -> None:
    with pytest.raises(CommandRefusedError, match=reason):
        command(template, resource_id)
