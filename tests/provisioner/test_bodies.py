"""What is written over something that exists: ours, and behind it what is not ours."""

from __future__ import annotations

from typing import Any

from lockdown.provisioner.bodies import next_
from lockdown.provisioner.graph import Resource


def test_a_category_of_a_diagnostic_setting_is_written_once() -> None:
    wanted: dict[str, Any] = {"properties": {"logs": [{"category": "AuditEvent", "enabled": True}]}}
    found = {"properties": {"logs": [{"category": "auditevent", "enabled": False}, {"category": "Other"}]}}
    kept = frozenset({"properties.logs"})
    step = Resource("diagnostic/vault", "recorded", "/x", "2021-05-01-preview", wanted, kept=kept)
    logs = next_(step, wanted, found)["properties"]["logs"]
    assert [item["category"] for item in logs] == ["AuditEvent", "Other"]
