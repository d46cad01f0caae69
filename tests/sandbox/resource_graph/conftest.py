"""A sandbox without quota whose state the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lockdown.sandbox.server import Sandbox
from tests.sandbox.resource_graph.graph_client import GraphClient


@pytest.fixture(scope="module")
def azure() -> Iterator[Sandbox]:
    with Sandbox("empty", operation_seconds=0, quota=False) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def graph(azure: Sandbox) -> Iterator[GraphClient]:
    client = GraphClient(azure)
    yield client
    client.arm.close()


@pytest.fixture(scope="module")
def auditor(azure: Sandbox) -> Iterator[GraphClient]:
    client = GraphClient(azure, "auditor")
    yield client
    client.arm.close()
