from rich.cells import cell_len

from lockdown.record import Record
from lockdown.report.text import DOUBTS, POLICIES, summary
from lockdown.report.visible import hidden
from tests.report.conftest import MakeRecord
from tests.report.handmade import GROUP, policy, result, stock_policies, stock_results


def test_the_summary_of_a_stock_deployment(stock: Record) -> None:
    assert "\n".join(summary(stock)) == (
        "NOT COMPLIANT: 6 results fail in 5 policies: 3 critical, 2 high, 1 medium. 1\n"
        "  failure is waived.\n"
        "\n"
        "                     critical        high      medium         low       total\n"
        "  fail                      3           2           1           0           6\n"
        "  unknown                   0           0           0           0           0\n"
        "  waived                    0           1           0           0           1\n"
        "  pass                      1           1           0           0           2\n"
        "  1 policy saw no resource.\n"
        "\n"
        "Controls, by their worst policy  fail  unknown  waived  pass  other not assessed\n"
        "  FedRAMP Moderate (Rev. 5)         1        0       0     0      0            1\n"
        "  HIPAA Security Rule               1        0       0     0      0            1\n"
        "  NIST SP 800-53 Rev. 5             2        0       0     0      0            1\n"
        "\n"
        "Worst failures\n"
        "  critical  Storage accounts refuse public network access\n"
        "            coalogs7f3a and 1 more\n"
        "            fix: az storage account update --ids ID --public-network-access \\\n"
        "                 Disabled\n"
        "  critical  Virtual machines have no public IP address\n"
        "            jumpbox\n"
        "            fix: az network nic ip-config update --resource-group GROUP \\\n"
        "                 --nic-name NAME-nic --name ipconfig1 --remove publicIPAddress\n"
        "  high      Batch accounts are reached through an approved private endpoint\n"
        "            coabatch7f3a\n"
        "            fix: az network private-endpoint create --name pe-NAME \\\n"
        "                 --resource-group GROUP --group-id batchAccount \\\n"
        "                 --private-connection-resource-id ID --vnet-name VNET --subnet \\\n"
        "                 SUBNET --connection-name NAME\n"
        "  and 2 more failing policies.\n"
        "  The report has the command for each resource, with its id filled in.\n"
        "\n"
        "Next: fix the worst, and audit again. All findings: report/report.html"
    )


def test_a_clean_run_ends_with_what_to_hand_over(make_record: MakeRecord) -> None:
    lines = list(summary(make_record(stock_policies()[1:2], stock_results()[3:4])))
    assert lines[0] == "COMPLIANT: No result fails."
    assert lines[-1] == "Next: hand report/report.html over together with its run directory."


def test_what_could_not_be_read_is_told_with_its_reason(make_record: MakeRecord) -> None:
    text = "\n".join(
        summary(
            make_record(
                [policy("one", "One"), policy("two", "Two", error="its query took longer than 30 seconds")],
                [
                    result("one", f"{GROUP}/providers/A.B/c/d", "unknown", reason="The table was not read."),
                    result("two", GROUP, "unknown", reason="Not judged."),
                ],
                unreadable=[{"what": "managementGroup", "name": "mg", "reason": "Access was refused."}],
                source="sandbox",
                partial=True,
            )
        )
    )
    assert text.startswith(
        "INDETERMINATE: No result fails. 1 result could not be judged, 1 policy could not\n"
        "  be run and 1 management group could not be read.\n"
        "Sandbox: "
    )
    assert "\nPartial: " in text
    assert (
        "Could not be read or judged\n"
        "  management group mg: Access was refused.\n"
        "  policy two: its query took longer than 30 seconds\n"
        "  d by one: The table was not read.\n"
    ) in text


def test_what_is_left_out_is_counted(make_record: MakeRecord) -> None:
    policies = [policy(f"p{i}", f"Policy {i}") for i in range(POLICIES + 2)]
    failures = [result(p["id"], f"{GROUP}/providers/A.B/c/d", "fail") for p in policies]
    unknown = [result("p0", f"{GROUP}/providers/A.B/c/u{i:04}", "unknown") for i in range(700)]
    lines = list(summary(make_record(policies, [*failures, *unknown])))
    assert "  and 2 more failing policies." in lines
    assert f"  and {700 - DOUBTS} more; the report lists them." in lines


def test_a_policy_of_which_no_row_is_held_is_still_named(make_record: MakeRecord) -> None:
    failures = [result("one", f"{GROUP}/providers/A.B/c/{i:04}", "fail", severity="critical") for i in range(600)]
    made = make_record([policy("one", "One"), policy("two", "Two")], [*failures, result("two", GROUP, "fail")])
    lines = list(summary(made))
    assert "            0000 and 599 more" in lines
    assert "  high      Two" in lines


def test_hostile_names_neither_reach_the_terminal_nor_leave_the_80_columns(hostile: Record) -> None:
    lines = list(summary(hostile))
    assert all(not hidden(line) for line in lines)
    assert max(map(cell_len, lines)) <= 80
    assert "\\x1b[2J" in "".join(lines)
