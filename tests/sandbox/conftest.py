"""A sandbox whose operations end at once, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from lockdown.sandbox.server import Sandbox
from tests.sandbox.arm_client import ArmClient


@pytest.fixture(scope="module")
def local_azure() -> Iterator[Sandbox]:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def arm(local_azure: Sandbox) -> Iterator[ArmClient]:
    client = ArmClient(local_azure)
    yield client
    client.close()


@pytest.fixture(scope="module")
def reader(local_azure: Sandbox) -> Iterator[ArmClient]:
    client = ArmClient(local_azure, "auditor")
    yield client
    client.close()


@pytest.fixture(scope="module")
def contributor(local_azure: Sandbox) -> Iterator[ArmClient]:
    client = ArmClient(local_azure, "operator")
    yield client
    client.close()


@pytest.fixture
def group(arm: ArmClient) -> str:
    return arm.group(f"rg-{uuid4().hex[:8]}")
