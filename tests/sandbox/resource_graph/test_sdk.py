"""The real client of the Azure SDK against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.mgmt.resourcegraph import ResourceGraphClient
from azure.mgmt.resourcegraph.models import FacetRequest, QueryRequest, QueryRequestOptions, ResultFormat

from lockdown.sandbox.server import Sandbox
from tests.sandbox.resource_graph.graph_client import accounts


@pytest.fixture(scope="module")
def client() -> Iterator[ResourceGraphClient]:
    with Sandbox("empty", operation_seconds=0) as sandbox:
        sandbox.state.seed(accounts(sandbox.subscription, 2_500))
        environment = sandbox.environment("auditor")
        credential = ClientSecretCredential(
            sandbox.tenant,
            environment["AZURE_CLIENT_ID"],
            environment["AZURE_CLIENT_SECRET"],
            authority=sandbox.url,
            disable_instance_discovery=True,
            connection_verify=str(sandbox.ca_file),
        )
        with ResourceGraphClient(
            credential,
            base_url=sandbox.url,
            credential_scopes=[f"{sandbox.url}//.default"],
            connection_verify=str(sandbox.ca_file),
        ) as found:
            yield found
        credential.close()


def test_a_whole_answer_is_paged_through(client: ResourceGraphClient) -> None:
    query = "resources | project id, name, properties | order by id asc"
    token, names = None, []
    while True:
        request = QueryRequest(query=query, options=QueryRequestOptions(skip_token=token, top=1000))
        page = client.resources(request)
        rows: Any = page.data
        names += [row["name"] for row in rows]
        assert page.total_records == 2_500
        token = page.skip_token
        if token is None:
            break
    assert len(set(names)) == len(names) == 2_500


def test_tables_and_facets_are_read(client: ResourceGraphClient) -> None:
    request = QueryRequest(
        query="resources | where name == 'a00001' | project name, location",
        options=QueryRequestOptions(result_format=ResultFormat.TABLE),
        facets=[FacetRequest(expression="location"), FacetRequest(expression="nope")],
    )
    answer = client.resources(request)
    data: Any = answer.data
    assert data["rows"] == [["a00001", "westeurope"]]
    assert [type(facet).__name__ for facet in answer.facets or ()] == ["FacetResult", "FacetError"]


def test_an_error_is_read_with_its_details(client: ResourceGraphClient) -> None:
    with pytest.raises(HttpResponseError) as caught:
        client.resources(QueryRequest(query="where where"))
    assert caught.value.error is not None
    assert caught.value.error.code == "BadRequest"
    assert [detail.code for detail in caught.value.error.details or ()] == ["InvalidQuery", "ParserFailure"]


def test_the_client_waits_out_the_quota_by_itself(client: ResourceGraphClient) -> None:
    for _ in range(18):
        assert client.resources(QueryRequest(query="resources | count")).count == 1
