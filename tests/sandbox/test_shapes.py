"""The property names that the sandbox knows are those of Azure's own libraries."""

from __future__ import annotations

import pytest

from lockdown.sandbox.shapes import FOLDER, computed, shape
from tests.sandbox.sdk_shapes import ROOTS, shapes, text


@pytest.mark.parametrize("name", sorted(ROOTS))
def test_the_names_are_those_of_the_library(name: str) -> None:
    kept = (FOLDER / f"{name}.json").read_text("utf-8")
    assert kept == text(shapes(*ROOTS[name])), "run python -m tests.sandbox.sdk_shapes"


def test_a_model_in_a_model_is_as_deep_as_what_is_looked_at() -> None:
    (subnet,) = shape("network", "VirtualNetworkPropertiesFormat")["subnets"]
    assert subnet["properties"]["addressPrefix"] is str
    assert subnet["properties"]["networkSecurityGroup"] is dict
    assert "privateEndpoints" in computed("network", "SubnetPropertiesFormat")
