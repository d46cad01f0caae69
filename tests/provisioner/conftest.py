"""An empty local Azure of its own for each test; its operations take simulated time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lockdown.provisioner.arm import Arm
from lockdown.sandbox.server import Sandbox
from tests.provisioner.azure import connect


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("empty", operation_seconds=20) as found:
        yield found


@pytest.fixture
def arm(sandbox: Sandbox) -> Iterator[Arm]:
    with connect(sandbox) as found:
        yield found
