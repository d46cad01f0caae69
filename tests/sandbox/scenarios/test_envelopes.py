"""Every scenario is made of documents that Azure Resource Manager could have returned."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from lockdown.errors import UsageError
from lockdown.sandbox.scenarios import NAMES, Document, Scenario, build

TENANT = "7a1f2c52-43a6-4f0e-9c53-9d6f0b0a7d41"
FOREIGN = "/subscriptions/00000000-0000-4000-8000-00000000f0e1/"
OTHER = "00000000-0000-0000-0000-000000000001"
SMALL = {"tenant": {"resources": "700", "subscriptions": "3", "faults": "10"}}
PROVIDED = r"/providers/[A-Za-z.]+(/[A-Za-z]+/[^/]+)+"
ID = re.compile(rf"/subscriptions/[0-9a-f-]{{36}}(/resource[Gg]roups/[^/]+)?({PROVIDED}){{1,2}}")
TENANT_WIDE = {"Microsoft.Authorization/roleDefinitions", "Microsoft.ContainerService/locations/kubernetesVersions"}
"""What the tenant or a location has, which stands on no resource."""
FEATURE = "Microsoft.Features/providers/features"
"""No resource: a path of its own, with the provider that the feature is of in it."""
SAVED = "coa-private"
"""What was saved has one subscription: names that are unique in all of Azure follow from it."""


@pytest.fixture(params=NAMES)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return build(request.param, tenant=TENANT, options=SMALL.get(request.param, {}))


def resources(scenario: Scenario) -> Iterator[Document]:
    return (document for document in scenario.documents if document["type"] != FEATURE)


def every_id(value: Any) -> Iterator[str]:
    """Yield every resource id that stands anywhere in a document."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from every_id(key) if key.startswith("/") else ()
            yield from every_id(item)
    elif isinstance(value, list):
        for item in value:
            yield from every_id(item)
    elif isinstance(value, str) and value.startswith("/subscriptions/"):
        yield value


def embedded_ids(value: Any) -> Iterator[str]:
    """Yield the ids of a document and of the children that are embedded in it."""
    if isinstance(value, dict):
        if "id" in value and "name" in value:
            yield value["id"]
        for item in value.values():
            yield from embedded_ids(item)
    elif isinstance(value, list):
        for item in value:
            yield from embedded_ids(item)


def test_ids_types_and_names_agree(scenario: Scenario) -> None:
    for document in resources(scenario):
        resource_id = document["id"]
        if document["type"] == "Microsoft.Resources/resourceGroups":
            assert resource_id.rpartition("/resourceGroups/")[2] == document["name"]
            continue
        built_in = document["type"] == "Microsoft.Authorization/roleDefinitions"
        assert built_in or ID.fullmatch(resource_id), resource_id
        namespace, *rest = resource_id.rpartition("/providers/")[2].split("/")
        assert document["type"] == "/".join([namespace, *rest[::2]])
        assert document["name"] == rest[-1]


def test_every_document_has_properties_and_an_api_version(scenario: Scenario) -> None:
    for document in resources(scenario):
        assert document["properties"]
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}(-preview)?", document["_apiVersion"])
        if "location" in document:
            assert isinstance(document.get("tags", {}), dict)


def test_ids_are_unique_whatever_their_casing(scenario: Scenario) -> None:
    ids = [document["id"].lower() for document in scenario.documents]

    assert len(ids) == len(set(ids))


def test_parents_come_before_their_children(scenario: Scenario) -> None:
    seen = {f"/subscriptions/{subscription}" for subscription, _ in scenario.subscriptions}
    for document in resources(scenario):
        if document["type"] in TENANT_WIDE:
            continue
        key = document["id"].lower()
        head, marker, tail = key.rpartition("/providers/")
        nested = tail.split("/")[:-2] if marker else []
        parent = f"{head}/providers/{'/'.join(nested)}" if len(nested) > 1 else head
        parent = parent or key.rpartition("/resourcegroups/")[0]
        assert parent in seen, key
        seen.add(key)


def test_whatever_is_pointed_at_exists(scenario: Scenario) -> None:
    documents = list(scenario.documents)
    known = {found.lower() for document in documents for found in embedded_ids(document)}
    known |= {f"/subscriptions/{subscription}" for subscription, _ in scenario.subscriptions}
    for document in documents:
        if document["type"].endswith("/virtualMachines/networkInterfaces"):
            listed = document["properties"]["ipConfigurations"]
            known |= {f"{document['id']}/ipConfigurations/{item['name']}".lower() for item in listed}

    for document in documents:
        for pointed in every_id({key: value for key, value in document.items() if key != "id"}):
            built_in = "/providers/Microsoft.Authorization/roleDefinitions/" in pointed
            assert built_in or pointed.lower() in known or pointed.startswith(FOREIGN), (document["id"], pointed)


def test_two_sandboxes_agree_on_everything(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["scenario"]
    again = build(name, tenant=TENANT, options=SMALL.get(name, {}))

    assert [json.dumps(document) for document in scenario.documents] == [json.dumps(item) for item in again.documents]
    assert (scenario.config, scenario.subscriptions) == (again.config, again.subscriptions)


def test_documents_can_be_read_twice(scenario: Scenario) -> None:
    assert list(scenario.documents) == list(scenario.documents)


def test_another_tenant_has_other_subscriptions(request: pytest.FixtureRequest, scenario: Scenario) -> None:
    name = request.node.callspec.params["scenario"]
    other = build(name, tenant=OTHER, options=SMALL.get(name, {}))

    shared = {key for key, _ in scenario.subscriptions} & {key for key, _ in other.subscriptions}
    assert bool(shared) == (name == SAVED)


def test_another_tenant_has_other_identities(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["scenario"]
    other = build(name, tenant=OTHER, options=SMALL.get(name, {}))

    assert OTHER not in json.dumps(list(scenario.documents))
    assert TENANT not in json.dumps(list(other.documents))


def test_the_configuration_names_the_scope_and_the_boundary(scenario: Scenario) -> None:
    config = yaml.safe_load(scenario.config)
    ids = {document["id"] for document in scenario.documents}

    assert config["scope"]["subscriptions"] == [key for key, _ in scenario.subscriptions]
    assert config["boundary"]["subscriptions"] == [key for key, _ in scenario.subscriptions]
    assert set(config["boundary"]["virtualNetworks"]) <= ids


def test_empty_holds_one_subscription_and_what_defender_says_of_each() -> None:
    scenario = build("empty", tenant=TENANT, options={})

    assert len(scenario.subscriptions) == 1
    assert {document["type"] for document in scenario.documents} == {
        "Microsoft.Security/pricings",
        "Microsoft.Security/assessments",
    }


def test_the_id_of_the_empty_subscription_can_be_chosen() -> None:
    chosen = "0D9C2A6E-51d4-4c7e-8d0c-6b1f0f6f2a11"
    scenario = build("empty", tenant=TENANT, options={"subscription": chosen})

    assert [subscription for subscription, _ in scenario.subscriptions] == [chosen.lower()]
    assert all(document["id"].startswith(f"/subscriptions/{chosen.lower()}/") for document in scenario.documents)


@pytest.mark.parametrize(
    "text", ["", "mine", "{0d9c2a6e-51d4-4c7e-8d0c-6b1f0f6f2a11}", "0d9c2a6e51d44c7e8d0c6b1f0f6f2a11"]
)
def test_a_subscription_that_is_no_guid_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="GUID"):
        build("empty", tenant=TENANT, options={"subscription": text})


def test_an_unknown_scenario_names_those_that_exist() -> None:
    with pytest.raises(UsageError, match="'nowhere'") as raised:
        build("nowhere", tenant=TENANT, options={})

    assert all(name in raised.value.next_step for name in NAMES)


def test_an_unknown_option_names_those_that_exist() -> None:
    with pytest.raises(UsageError, match="no option 'size'") as raised:
        build("tenant", tenant=TENANT, options={"size": "3"})

    assert "resources" in raised.value.next_step


STANDS_ON = ("Microsoft.Authorization/", "Microsoft.Insights/diagnosticSettings/", "Microsoft.Security/")
"""What stands on a resource, or belongs to the subscription as a whole."""


def test_only_what_is_subordinate_lacks_a_location(scenario: Scenario) -> None:
    for document in resources(scenario):
        provided = document["id"].rpartition("/providers/")[2]
        subordinate = provided.count("/") > 2 or provided.startswith(STANDS_ON)
        assert "location" in document or subordinate, document["id"]
