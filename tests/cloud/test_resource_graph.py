"""Paging stays inside the quota, so that 429 is the exception."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lockdown.cloud import endpoints
from lockdown.cloud.collect import query, source
from lockdown.cloud.resource_graph import Pace
from lockdown.errors import UsageError
from lockdown.model import Cloud, Source


def answer(remaining: str | None, resets: str = "00:00:04") -> Any:
    headers = {"x-ms-user-quota-resets-after": resets}
    if remaining is not None:
        headers["x-ms-user-quota-remaining"] = remaining
    return SimpleNamespace(headers=headers)


@pytest.mark.parametrize(
    ("remaining", "resets", "slept"),
    [
        ("14", "00:00:05", 0),
        ("1", "00:00:05", 0),
        ("0", "00:00:04", 4),
        ("0", "00:01:00", 60),
        ("0", "odd", 5),
        (None, "", 0),
    ],
)
def test_the_next_query_waits_only_when_the_quota_is_used_up(remaining: str | None, resets: str, slept: int) -> None:
    naps: list[float] = []
    pace = Pace(sleep=naps.append)
    pace.learn(answer(remaining, resets))
    pace.wait()
    assert round(sum(naps)) == slept


def test_queries_name_their_types_and_a_stable_order() -> None:
    text = query("resources", ("microsoft.batch/batchaccounts", "microsoft.storage/storageaccounts"))
    assert "| where type in~ ('microsoft.batch/batchaccounts', 'microsoft.storage/storageaccounts')" in text
    assert text.endswith("| order by id asc")
    assert "where" not in query("resources", ())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://127.0.0.1:4443", Source.SANDBOX),
        ("https://localhost:1", Source.SANDBOX),
        ("https://[::1]:1", Source.SANDBOX),
        ("https://management.azure.com", Source.LIVE),
        ("https://127.0.0.1.example", Source.LIVE),
    ],
)
def test_a_cloud_on_this_machine_is_a_sandbox(url: str, expected: Source) -> None:
    assert source(Cloud("x", url, "a", "b")) is expected


@pytest.mark.parametrize("name", ["AzureCloud", "azureusgovernment", "AzureChinaCloud"])
def test_built_in_clouds_need_no_network(name: str) -> None:
    cloud = endpoints.resolve(name, None)
    assert cloud.resource_manager.startswith("https://management.")
    assert endpoints.resolve(cloud.name, cloud.authority) == cloud
    assert endpoints.resolve(cloud.resource_manager, cloud.authority) == cloud


def test_a_built_in_cloud_takes_tokens_from_nobody_else() -> None:
    with pytest.raises(UsageError, match=r"login\.microsoftonline\.com, not from login\.example"):
        endpoints.resolve("AzureCloud", "https://login.example/")
