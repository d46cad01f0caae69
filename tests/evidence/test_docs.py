"""docs/evidence.md names every field, and its commands are those of VERIFY.txt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lockdown.evidence.by_hand import text
from lockdown.evidence.schemas import schemas

PAGE = Path(__file__).parents[2] / "docs/evidence.md"


def fields(schema: dict[str, Any]) -> set[str]:
    objects = [schema, *schema.get("$defs", {}).values()]
    return {name for found in objects for name in found.get("properties", {})}


@pytest.mark.parametrize("name", schemas())
def test_every_field_is_described(name: str) -> None:
    prose = re.sub(r"```.*?```", "", PAGE.read_text(), flags=re.DOTALL)
    described = set(re.findall(r"[A-Za-z0-9]+", " ".join(re.findall(r"`([^`]+)`", prose))))
    assert fields(schemas()[name]) - described == set()


def test_the_commands_are_those_of_verify_txt() -> None:
    section = PAGE.read_text().split("\n## Checking by hand\n")[1]
    blocks = [block.split("```")[0] for block in section.split("```sh\n")[1:]]
    commands = [re.sub(r"\s+# .*", "", line).strip() for block in blocks for line in block.splitlines() if line]
    assert len(blocks) == 2
    assert [line for line in commands if f"  {line}" not in text("ES256", dated=True)] == []
