"""What people and programs are shown: lines that fit, and nothing of Azure's that could move a terminal."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from rich.cells import cell_len

from lockdown import config
from lockdown.errors import ToolError
from lockdown.model import Waiver
from lockdown.provisioner import output, settled, show
from lockdown.provisioner.blueprint import build
from lockdown.provisioner.change import Change, Opening, Plan, Verb
from lockdown.provisioner.checks import Finding
from lockdown.provisioner.destroy import Removal, Removals, Staying
from lockdown.provisioner.differ import Difference
from lockdown.provisioner.environment import load
from lockdown.provisioner.graph import Resource
from lockdown.provisioner.outcome import Failure, LeftOpen, Outcome
from lockdown.provisioner.preflight import Preflight
from lockdown.provisioner.site import Site
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import connect
from tests.provisioner.manual import SUBSCRIPTION, TENANT
from tests.provisioner.test_blueprint_network import site_of
from tests.provisioner.test_environment import ENVIRONMENTS

PATH = next(path for path in ENVIRONMENTS if path.stem == "coa-private")
HOSTILE = "\x1b[2J\u202eevil\u200b\r\n" + "漢" * 90 + "x" * 200
SITE = Site(load(PATH), SUBSCRIPTION, TENANT)


def change(verb: Verb, key: str = "storage", **more: object) -> Change:
    return Change(key, "storage", "/subscriptions/x", verb, **more)  # type: ignore[arg-type]


PLAN = Plan(
    (
        change(Verb.CREATE, f"zone/{HOSTILE}", seconds=3900, cost=f"by the GB {HOSTILE}"),
        change(
            Verb.UPDATE, "network", differences=(Difference(f"tags.{HOSTILE}", HOSTILE, {"a": HOSTILE}),), seconds=9
        ),
        change(Verb.BLOCKED, "vault", why=HOSTILE),
        change(Verb.LEAVE, "group"),
        change(Verb.LEAVE, f"other/{HOSTILE}"),
    ),
    {},
    (Opening("registry", "properties.x", HOSTILE),),
    3909,
)
FOUND = Preflight((Finding("names", HOSTILE, HOSTILE),), (Finding("roles", HOSTILE, stops=False),))
REMOVALS = Removals(
    (Removal(HOSTILE, "t", "/x", HOSTILE, 5),), (Staying("a", "/a", HOSTILE), Staying("b", "/b", HOSTILE))
)
OUTCOME = Outcome(
    ("a", HOSTILE),
    (Failure("b", "/b", Verb.CREATE, HOSTILE, HOSTILE, "r-1"),),
    ("c",),
    (LeftOpen("d", f"/d/{HOSTILE}", "it is open", HOSTILE),),
)


@pytest.mark.parametrize(
    "lines",
    [
        show.plan_lines(SITE, PLAN, FOUND),
        show.blocked_lines(PLAN, FOUND),
        show.removal_lines(SITE, REMOVALS),
        show.outcome_lines(OUTCOME),
    ],
)
def test_hostile_text_moves_no_terminal_and_every_line_fits(lines: object) -> None:
    shown = list(lines)  # type: ignore[call-overload]
    assert shown
    assert max(map(cell_len, shown)) <= 80
    assert all(line.isprintable() for line in shown)
    assert "evil" in "".join(shown)


def test_programs_get_the_whole() -> None:
    told = json.loads(json.dumps(show.plan_json(SITE, PLAN, FOUND)))
    assert told["pending"] is True
    assert told["counts"] == {"blocked": 1, "create": 1, "leave": 2, "update": 1}
    assert told["changes"][1]["differences"] == [
        {"path": f"tags.{HOSTILE}", "before": HOSTILE, "after": {"a": HOSTILE}},
    ]
    assert told["problems"] == [{"check": "names", "what": HOSTILE, "fix": HOSTILE}]
    assert json.loads(json.dumps(show.removals_json(SITE, REMOVALS)))["going"][0]["key"] == HOSTILE
    gone = json.loads(json.dumps(show.outcome_json(OUTCOME)))
    assert gone["failed"][0]["requestId"] == "r-1"
    assert gone["complete"] is False


def test_a_plan_with_nothing_to_do_says_so() -> None:
    assert "nothing to do, 1 steps unchanged." in show.summary(Plan((change(Verb.LEAVE),), {}))
    assert (
        show.summary(Plan((change(Verb.CREATE, seconds=60),), {}, (), 60)) == "1 to create. That typically takes 1 min."
    )


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (90, "2 min"), (3600, "1 h"), (3900, "1 h 5 min"), (7199, "2 h")],
)
def test_times_are_told_as_people_say_them(seconds: float, told: str) -> None:
    assert show.duration(seconds) == told


def test_the_configuration_that_is_left_is_one_that_audits_take(tmp_path: Path) -> None:
    egress = {"properties": {"ipAddress": "203.0.113.7"}}
    found = output.boundary(SITE, egress)
    assert found.egress_addresses == ("203.0.113.7/32",)
    assert output.boundary(SITE, {}).egress_addresses == ()
    waiver = Waiver(
        "vnet-ddos", (SITE.network_id.lower(),), "Nothing listens: there.", "me@genomics.org", date(2026, 3, 9)
    )
    output.prepare(tmp_path)
    output.write_config(tmp_path, SITE, found, [waiver])
    read = config.load(tmp_path / "lockdown.yaml", date(2026, 3, 2))
    assert read.scope == output.scope(SITE)
    assert read.boundary == found
    assert read.waivers == (waiver,)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_a_baseline_takes_the_place_of_the_one_before_which_is_kept(tmp_path: Path) -> None:
    output.prepare(tmp_path)
    for number in (1, 2):
        audit = tmp_path / "audits" / f"run-{number}"
        audit.mkdir()
        (audit / "number").write_text(str(number))
        assert output.approve(tmp_path, audit) == tmp_path / "baseline"
    assert (tmp_path / "baseline/number").read_text() == "2"
    assert (tmp_path / "audits/before-run-2/number").read_text() == "1"


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolError, match="cannot be made"):
        output.prepare(tmp_path / "file/out")


def test_what_resource_graph_must_show_are_resources_that_carry_our_tag() -> None:
    found = build(SITE)
    wanted = settled.expected(found, found.steps)
    assert SITE.network_id.lower() in wanted
    assert SITE.group_id.lower() not in wanted
    assert not any("/roleassignments/" in one or "/subnets/" in one for one in wanted)
    assert settled.expected(found, ()) == frozenset()


def test_what_was_there_for_a_while_is_waited_for_to_go_and_not_to_come() -> None:
    with Sandbox("empty", operation_seconds=0, lag=20) as azure, connect(azure) as arm:
        site = site_of("jumpbox", subscription=azure.subscription)
        found = build(site)
        address = found.steps["jumpbox/address"]
        assert isinstance(address, Resource)
        assert not {step.id.lower() for step in found if isinstance(step, Resource) and step.temporary} & (
            settled.expected(found, found.steps)
        )
        gone = settled.passing(found)
        assert address.id.lower() in gone
        arm.put(site.network_group_id, "2024-11-01", {"location": site.location, "tags": site.tags})
        arm.put(address.id, address.api_version, address.body)
        assert settled.settle(site, arm, frozenset({address.id.lower()})) == frozenset()
        arm.delete(address.id, address.api_version)
        began = arm.now()
        assert settled.settle(site, arm, frozenset(), gone) == frozenset()
        assert 10 < arm.now() - began < 60


def test_steps_that_are_alike_stand_together_and_json_has_each() -> None:
    keys = ["zone/a", "zone/b", "zone/c/d", "zone", "other/a", "deep/a", "deep/a/b", "deep/a/c", "routes", "routes/x"]
    plan = Plan(tuple(change(Verb.CREATE, key, seconds=30) for key in keys), {})
    lines = list(show.plan_lines(SITE, plan, Preflight()))
    assert "  + create  zone/ (3)                                                  30 s each" in lines
    assert "            a, b, c/d" in lines
    assert any(line.startswith("  + create  zone  ") for line in lines)
    assert any(line.startswith("  + create  other/a  ") for line in lines)
    assert any(line.startswith("  + create  deep/ (3)") for line in lines)
    assert "            a, a/b, a/c" in lines
    assert any(line.startswith("  + create  routes/x  ") for line in lines)
    assert len(show.plan_json(SITE, plan, Preflight())["changes"]) == len(keys)


def test_what_differs_is_never_put_together() -> None:
    differing = (Difference("properties.x", 1, 2),)
    changes = [change(Verb.UPDATE, f"zone/{name}", differences=differing) for name in "abc"]
    lines = list(show.plan_lines(SITE, Plan(tuple(changes), {}), Preflight()))
    assert lines.count("            properties.x: 1 -> 2") == 3


def test_what_nothing_is_to_do_about_is_not_listed() -> None:
    lines = list(show.plan_lines(SITE, Plan((change(Verb.LEAVE),), {}), Preflight()))
    assert lines[1:] == ["", "Nothing to do, 1 steps unchanged."]


def test_the_same_reason_is_given_once() -> None:
    plan = Plan(tuple(change(Verb.BLOCKED, f"zone/{name}", why="it could not be read") for name in "abcd"), {})
    assert list(show.blocked_lines(plan, Preflight())) == ["  zone/ (4): it could not be read"]


def test_what_destroying_kept_is_told() -> None:
    kept = Outcome(kept=(LeftOpen("group", "/g", "it is still there", HOSTILE),))
    lines = list(show.outcome_lines(kept))
    assert "Kept" in lines
    assert any(line.startswith("  group: ") for line in lines)
    assert all(line.isprintable() for line in lines)
    assert [each["key"] for each in show.outcome_json(kept)["kept"]] == ["group"]


def test_parts_that_go_with_their_whole_are_counted() -> None:
    going = [Removal(key, "t", f"/{key}", "", 5) for key in ("lock/a", "lock/b", "lock/c", "storage")]
    parts = [Removal(f"storage/containers/{name}", "t", "/x", "goes with storage") for name in "abc"]
    lines = list(show.removal_lines(SITE, Removals((*going, *parts), ())))
    assert "            a, b, c" in lines
    assert "  storage/ (3)" in lines
    assert not any("goes with storage" in line for line in lines)
