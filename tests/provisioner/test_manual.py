"""docs/provision.md says what is built."""

from __future__ import annotations

import re

from lockdown.data import tree
from lockdown.provisioner import environment
from lockdown.provisioner.checks import resource_type
from lockdown.provisioner.graph import Resource
from tests.provisioner.manual import PAGE, blueprint, table, written


def test_the_table_is_that_of_the_blueprint() -> None:
    page = PAGE.read_text("utf-8")
    assert written(page) == page, "python -m tests.provisioner.manual writes it anew"


def test_every_type_has_a_row_and_no_secret_is_in_it() -> None:
    shown = table()
    for step in blueprint():
        if isinstance(step, Resource):
            assert f"| {resource_type(step.id)} |" in shown
    assert "aA1-" not in shown
    assert "\x02" not in shown


def test_every_key_of_an_environment_is_explained() -> None:
    page = PAGE.read_text("utf-8")
    for key in environment.schema()["properties"]:
        assert f"`{key}" in page, key


def test_every_environment_that_ships_is_named() -> None:
    page = PAGE.read_text("utf-8")
    names = {entry.name for entry in (tree("provision") / "environments").iterdir()}
    for name in names:
        assert re.search(rf"\b{re.escape(name.partition('.')[0])}\b", page), name
