"""The preflight: each thing that can be known before the first write, and that what cannot be read is never fine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lockdown.provisioner import preflight
from lockdown.provisioner.answers import Found, RefusedError
from lockdown.provisioner.change import Change, Plan, Verb
from lockdown.provisioner.checks import Case, Finding, resource_type
from lockdown.provisioner.checks.capacity import batch, cluster, cores, database, machines
from lockdown.provisioner.checks.denials import denials
from lockdown.provisioner.checks.examples import GROUP, examples
from lockdown.provisioner.checks.guards import locks, network
from lockdown.provisioner.checks.names import names
from lockdown.provisioner.checks.region import location, providers, subscription
from lockdown.provisioner.checks.rights import operation_of, rights
from lockdown.provisioner.environment import Environment
from lockdown.provisioner.graph import Action, Blueprint, Body, Expected, Resource, Step, blueprint
from lockdown.provisioner.site import Site

SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
ROOT = f"/subscriptions/{SUBSCRIPTION}"
WANTED = Environment.model_validate(
    {
        "environment": "genomes",
        "location": "eastus",
        "owner": "platform@genomics.org",
        "database": {"administratorGroup": "6b1d0c62-8f5e-4b7a-9a55-0c7f1f3c2b10"},
        "monitoring": {"contact": "security@genomics.org"},
    }
)
SITE = Site(WANTED, SUBSCRIPTION, "tenant")
Check = Callable[[Case], Iterator[Finding]]


def resource(key: str, kind: str, name: str, **more: Any) -> Resource:
    body = {"location": "eastus", "tags": SITE.tags}
    return Resource(key, "theme", SITE.in_group(kind, name), "2024-01-01", body, **more)


GROUP_STEP = Resource("group", "groups", SITE.group_id, "2024-01-01", {"location": "eastus"})
STORAGE = resource("storage", "Microsoft.Storage/storageAccounts", SITE.base)
VAULT = resource("vault", "Microsoft.KeyVault/vaults", f"{SITE.base}-kv")
CLUSTER = resource("cluster", "Microsoft.ContainerService/managedClusters", SITE.base)
BATCH = resource("batch", "Microsoft.Batch/batchAccounts", SITE.base)
DATABASE = resource("database", "Microsoft.DBforPostgreSQL/flexibleServers", f"{SITE.base}-pg")
ROLE = Resource(
    "role/x",
    "access",
    f"{STORAGE.id}/providers/Microsoft.Authorization/roleAssignments/1",
    "2022-04-01",
    {"properties": {}},
)
REGISTER = Action(
    "providers/Microsoft.Storage",
    "providers",
    f"{ROOT}/providers/Microsoft.Storage/register",
    "2021-04-01",
    {},
    Expected(f"{ROOT}/providers/Microsoft.Storage", "2021-04-01", "registrationState", "Registered"),
)


@dataclass
class Azure:
    """Answers by path, without case; whatever is not named is not there."""

    documents: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Body] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()

    def get(self, id: str, api_version: str) -> Found:  # noqa: A002
        assert api_version
        self._refuse(id)
        found = {path.lower(): body for path, body in self.documents.items()}.get(id.lower())
        return Found(404, {}) if found is None else Found(200, found)

    def items(self, path: str, api_version: str, **query: str) -> Iterator[Body]:
        assert api_version, query
        self._refuse(path)
        found = {name.lower(): body for name, body in self.documents.items()}
        yield from found.get(path.lower(), [])

    def post(self, path: str, api_version: str, body: Body) -> Body:
        assert api_version, body
        self._refuse(path)
        return {name.lower(): answer for name, answer in self.answers.items()}[path.lower()]

    def _refuse(self, path: str) -> None:
        if any(path.lower().endswith(end.lower()) for end in self.refused):
            raise RefusedError(403, "AuthorizationFailed", "The client has no authorization.", "r-1", path)


def case(azure: Azure, *steps: Step, there: frozenset[str] = frozenset(), site: Site = SITE) -> Case:
    found = blueprint(steps)
    keys = frozenset(found.steps)
    return Case(site, found, keys, keys - there, azure)


def changed(**more: Any) -> Site:
    return Site(WANTED.model_validate(WANTED.model_dump(by_alias=True) | more), SUBSCRIPTION, "tenant")


def told(check: Check, found: Case) -> str:
    return "\n".join(f"{f.stops}: {f.what} {f.fix}" for f in check(found))


# Names


def question(provider: str) -> str:
    return f"{ROOT}/providers/{provider}/checkNameAvailability"


def test_a_name_that_is_taken_is_told_with_azure_s_reason() -> None:
    azure = Azure(answers={question("Microsoft.Storage"): {"nameAvailable": False, "message": "It is taken."}})
    assert told(names, case(azure, STORAGE)) == (
        f"True: storage: Azure does not give the name {SITE.base}: It is taken. "
        "Choose another prefix, or another name for the environment."
    )


def test_a_name_of_what_is_there_is_not_asked_for() -> None:
    assert told(names, case(Azure(), STORAGE, there=frozenset({"storage"}))) == ""


def test_a_free_name_is_no_finding() -> None:
    azure = Azure(
        answers={
            question("Microsoft.Storage"): {"nameAvailable": True},
            f"{ROOT}/providers/Microsoft.Batch/locations/eastus/checkNameAvailability": {"nameAvailable": True},
        }
    )
    assert told(names, case(azure, STORAGE, BATCH)) == ""


def test_a_name_that_nobody_can_ask_about_is_said_to_be_unchecked_and_the_others_are_asked() -> None:
    azure = Azure(
        answers={question("Microsoft.KeyVault"): {"nameAvailable": False}},
        refused=frozenset({"Microsoft.Storage/checkNameAvailability"}),
    )
    found = told(names, case(azure, STORAGE, VAULT))
    assert f"False: not checked: whether {SITE.base} is free" in found
    assert "True: vault" in found


DELETED = f"{ROOT}/providers/Microsoft.KeyVault/locations/eastus/deletedVaults/{SITE.base}-kv"


def test_our_own_deleted_vault_is_recovered_and_no_finding() -> None:
    assert told(names, case(Azure({DELETED: {"properties": {"vaultId": VAULT.id.upper()}}}), VAULT)) == ""


def test_a_deleted_vault_of_another_holds_the_name() -> None:
    other = {"properties": {"vaultId": f"{ROOT}/resourceGroups/other/x", "scheduledPurgeDate": "2026-06-01"}}
    assert "until 2026-06-01" in told(names, case(Azure({DELETED: other}), VAULT))


# Subscription and region


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"state": "Enabled"}, ""),
        ({"state": "Disabled"}, "The subscription is Disabled"),
        ({}, "in no known state"),
        (None, "There is no subscription"),
    ],
)
def test_a_subscription_that_takes_no_writes(document: Any, expected: str) -> None:
    azure = Azure({} if document is None else {ROOT: document})
    found = told(subscription, case(azure, STORAGE))
    assert expected in found
    assert bool(found) is bool(expected)


def test_a_region_that_is_not_there_is_told_with_its_likes() -> None:
    azure = Azure({f"{ROOT}/locations": [{"name": "eastus"}, {"name": "eastus2"}, {"name": "westus"}]})
    assert told(location, case(azure, STORAGE)) == ""
    assert "Did you mean eastus2" in told(location, case(azure, STORAGE, site=changed(location="eastus22")))
    assert "pairedLocation" in told(location, case(azure, STORAGE, site=changed(pairedLocation="mars")))


def provider(state: str, *regions: str) -> dict[str, Any]:
    kinds = [{"resourceType": "storageAccounts", "locations": list(regions)}]
    return {"registrationState": state, "resourceTypes": kinds}


@pytest.mark.parametrize(
    ("document", "steps", "expected"),
    [
        (provider("Registered", "East US"), (STORAGE,), ""),
        (provider("Registered"), (STORAGE,), ""),
        (
            provider("Registered", "West US"),
            (STORAGE,),
            "The region eastus does not have microsoft.storage/storageaccounts.",
        ),
        (provider("NotRegistered", "East US"), (STORAGE, REGISTER), ""),
        (provider("NotRegistered", "East US"), (STORAGE,), "is not registered"),
        (provider("Unregistering", "East US"), (STORAGE, REGISTER), "is being unregistered"),
        (None, (STORAGE,), "This cloud has no resource provider"),
    ],
)
def test_a_provider_that_cannot_be_used(document: Any, steps: tuple[Step, ...], expected: str) -> None:
    azure = Azure({} if document is None else {f"{ROOT}/providers/microsoft.storage": document})
    found = told(providers, case(azure, *steps))
    assert expected in found
    assert bool(found) is bool(expected)


# Room


COMPUTE = f"{ROOT}/providers/Microsoft.Compute"


def size(name: str = "Standard_D4s_v5", **more: Any) -> dict[str, Any]:
    capabilities = [{"name": "vCPUs", "value": "4"}, {"name": "EncryptionAtHostSupported", "value": "True"}]
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "family": "standardDSv5Family",
        "capabilities": capabilities,
        **more,
    }


def usage(name: str, used: int, limit: int) -> dict[str, Any]:
    return {"name": {"value": name, "localizedValue": f"Cores of {name}"}, "currentValue": used, "limit": limit}


def compute(sizes: list[dict[str, Any]], *usages: dict[str, Any]) -> Azure:
    return Azure({f"{COMPUTE}/skus": sizes, f"{COMPUTE}/locations/eastus/usages": list(usages)})


ROOMY = (usage("cores", 0, 100), usage("standardDSv5Family", 0, 100))


@pytest.mark.parametrize(
    ("azure", "expected"),
    [
        (compute([size()], *ROOMY), ""),
        (compute([size("standard_d4S_v5")], *ROOMY), ""),
        (compute([size("Standard_D8s_v5")], *ROOMY), "True: cluster: eastus has no size Standard_D4s_v5"),
        (compute([], *ROOMY), "False: sizes of machines: not checked"),
        (compute([size(resourceType="disks")], *ROOMY), "False: sizes of machines: not checked"),
        (
            compute([size(restrictions=[{"type": "Location", "reasonCode": "NotAvailableForSubscription"}])], *ROOMY),
            "(NotAvailableForSubscription)",
        ),
        (compute([size(restrictions=[{"type": "Zone"}])], *ROOMY), ""),
        (
            compute(
                [
                    size(
                        capabilities=[
                            {"name": "vCPUs", "value": "4"},
                            {"name": "EncryptionAtHostSupported", "value": "False"},
                        ]
                    )
                ],
                *ROOMY,
            ),
            "has no encryption at host",
        ),
        (compute([size()], usage("cores", 90, 100), ROOMY[1]), "12 are needed, and 10 of 100 are free"),
        (compute([size()], ROOMY[0], usage("standardDSv5Family", 0, 0)), "12 are needed, and 0 of 0 are free"),
        (compute([size()], ROOMY[0]), "False: standarddsv5family: not checked"),
        (compute([size(capabilities=[])], *ROOMY), "False: cluster: not checked"),
    ],
)
def test_machines_that_the_region_does_not_give(azure: Azure, expected: str) -> None:
    found = told(machines, case(azure, CLUSTER))
    assert expected in found
    assert bool(found) is bool(expected)


def test_machines_that_are_there_need_no_room() -> None:
    assert told(machines, case(Azure(), CLUSTER, there=frozenset({"cluster"}))) == ""


BATCHES = f"{ROOT}/providers/Microsoft.Batch"


@pytest.mark.parametrize(
    ("quota", "accounts", "expected"),
    [
        ({"accountQuota": 3}, [{"location": "eastus"}, {"location": "westus"}], ""),
        ({"accountQuota": 1}, [{"location": "EastUS"}], "1 of 1 are in use"),
        ({"accountQuota": 0}, [], "0 of 0 are in use"),
        ({}, [], "False: Batch accounts: not checked"),
    ],
)
def test_a_further_batch_account(quota: Body, accounts: list[Body], expected: str) -> None:
    azure = Azure({f"{BATCHES}/locations/eastus/quotas": quota, f"{BATCHES}/batchAccounts": accounts})
    found = told(batch, case(azure, BATCH))
    assert expected in found
    assert bool(found) is bool(expected)


@pytest.mark.parametrize(
    ("properties", "warned"),
    [
        ({"poolQuota": 0, "dedicatedCoreQuota": 8, "lowPriorityCoreQuota": 0}, True),
        ({"poolQuota": 9, "dedicatedCoreQuota": 0, "lowPriorityCoreQuota": 0}, True),
        ({"poolQuota": 9, "dedicatedCoreQuota": 0, "lowPriorityCoreQuota": 8}, False),
    ],
)
def test_a_batch_account_without_cores_is_a_warning(properties: Body, warned: bool) -> None:
    azure = Azure({BATCH.id: {"properties": properties}})
    found = list(cores(case(azure, BATCH, STORAGE, there=frozenset({"batch"}))))
    assert [f.stops for f in found] == ([False] if warned else [])


def offer(**more: Any) -> dict[str, Any]:
    return {
        "supportedServerEditions": [{"supportedServerSkus": [{"name": "Standard_D2ds_v5"}]}],
        "supportedServerVersions": [{"name": "16"}],
        "geoBackupSupported": "Enabled",
        **more,
    }


@pytest.mark.parametrize(
    ("offers", "expected"),
    [
        ([offer()], ""),
        ([], "gives this subscription no PostgreSQL server"),
        ([offer(restricted="Enabled", reason="Provisioning is restricted here.")], "Provisioning is restricted here."),
        (
            [offer(supportedServerEditions=[{"supportedServerSkus": [{"name": "other"}]}])],
            "has no size Standard_D2ds_v5",
        ),
        ([offer(supportedServerVersions=[{"name": "17"}])], "has no PostgreSQL 16"),
        ([offer(geoBackupSupported="Disabled")], "has no geo-redundant backups"),
    ],
)
def test_a_database_that_the_region_does_not_offer(offers: list[Body], expected: str) -> None:
    azure = Azure({f"{ROOT}/providers/Microsoft.DBforPostgreSQL/locations/eastus/capabilities": offers})
    found = told(database, case(azure, DATABASE))
    assert expected in found
    assert bool(found) is bool(expected)


@pytest.mark.parametrize(("version", "fine"), [(None, True), ("1.31", True), ("1.31.2", True), ("1.20", False)])
def test_a_version_of_kubernetes(version: str | None, fine: bool) -> None:
    versions = {"values": [{"version": "1.31", "patchVersions": {"1.31.2": {}}}]}
    azure = Azure({f"{ROOT}/providers/Microsoft.ContainerService/locations/eastus/kubernetesVersions": versions})
    found = told(cluster, case(azure, CLUSTER, site=changed(cluster={"version": version})))
    assert ("does not offer Kubernetes 1.20" in found) is not fine


# Roles


def permissions(scope: str, *given: Body) -> Azure:
    return Azure({f"{scope}/providers/Microsoft.Authorization/permissions": list(given)})


OWNER = {"actions": ["*"], "notActions": []}
CONTRIBUTOR = {
    "actions": ["*"],
    "notActions": ["Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action"],
}
ASSIGNER = {"actions": ["Microsoft.Authorization/roleAssignments/write", "*/read"], "notActions": []}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((OWNER,), ""),
        ((CONTRIBUTOR, ASSIGNER), ""),
        ((CONTRIBUTOR,), "True: The caller may not do this on"),
        ((ASSIGNER,), "Give it Contributor there"),
        ((CONTRIBUTOR,), "Give it Role Based Access Control Administrator (or User Access Administrator) there"),
        (({"actions": ["*/read"]},), "Contributor and Role Based Access Control Administrator"),
        ((CONTRIBUTOR, ASSIGNER | {"condition": "@Resource[...]"}), "False: not checked: the caller assigns roles"),
        ((), "False: not checked: Azure lists no permissions"),
    ],
)
def test_roles_that_the_caller_lacks(given: tuple[Body, ...], expected: str) -> None:
    found = told(rights, case(permissions(SITE.group_id, *given), STORAGE, ROLE))
    assert expected in found
    assert bool(found) is bool(expected)


def test_locks_need_more_than_assigning_roles() -> None:
    lock = Resource("lock", "locks", f"{STORAGE.id}/providers/Microsoft.Authorization/locks/keep", "2020-05-01", {})
    found = told(rights, case(permissions(SITE.group_id, CONTRIBUTOR, ASSIGNER), STORAGE, lock))
    assert "microsoft.authorization/locks/write" in found
    assert "Give it User Access Administrator there" in found


def test_while_there_is_no_group_the_roles_on_the_subscription_count() -> None:
    assert told(rights, case(permissions(ROOT, OWNER), GROUP_STEP, STORAGE, ROLE, REGISTER)) == ""


def test_what_azure_makes_itself_is_asked_for_at_the_subscription() -> None:
    class WithoutGroup(Azure):
        def items(self, path: str, api_version: str, **query: str) -> Iterator[Body]:
            if "/resourcegroups/" in path.lower():
                raise RefusedError(404, "ResourceGroupNotFound", "There is none.", "r-1", path)
            return super().items(path, api_version, **query)

    azure = WithoutGroup(permissions(ROOT, CONTRIBUTOR).documents)
    assert told(rights, case(azure, STORAGE)) == ""


def test_permissions_that_cannot_be_read_are_said_to_be_unchecked() -> None:
    azure = Azure(refused=frozenset({"/permissions"}))
    assert told(rights, case(azure, STORAGE)).startswith("False: not checked: what the caller may do")


@pytest.mark.parametrize(
    ("step", "operation"),
    [
        (STORAGE, "microsoft.storage/storageaccounts/write"),
        (ROLE, "microsoft.authorization/roleassignments/write"),
        (GROUP_STEP, "microsoft.resources/subscriptions/resourcegroups/write"),
        (REGISTER, "microsoft.storage/register/action"),
    ],
)
def test_the_operation_that_a_step_is(step: Step, operation: str) -> None:
    assert operation_of(step) == operation


def test_a_feature_and_an_import_are_operations_too() -> None:
    feature = f"{ROOT}/providers/Microsoft.Features/providers/Microsoft.Compute/features/EncryptionAtHost/register"
    images = f"{SITE.in_group('Microsoft.ContainerRegistry/registries', 'r')}/importImage"
    done = REGISTER.done
    assert (
        operation_of(Action("f", "t", feature, "1", {}, done))
        == "microsoft.features/providers/features/register/action"
    )
    assert operation_of(Action("i", "t", images, "1", {}, done)) == (
        "microsoft.containerregistry/registries/importimage/action"
    )


def test_what_was_brought_along_must_be_usable() -> None:
    other = f"{ROOT}/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/hub"
    brought = Resource("network", "network", other, "2024-05-01", {}, brought=True)
    azure = Azure(
        {
            f"{SITE.group_id}/providers/Microsoft.Authorization/permissions": [OWNER],
            f"{ROOT}/resourceGroups/hub/providers/Microsoft.Authorization/permissions": [{"actions": ["*/read"]}],
        }
    )
    found = case(azure, STORAGE, brought)
    found = Case(found.site, found.blueprint, frozenset({"storage"}), frozenset({"storage"}), azure)
    assert "virtualnetworks/subnets/join/action" in told(rights, found)


# Locks and an existing network


@pytest.mark.parametrize(
    ("scope", "level", "expected"),
    [
        (ROOT, "ReadOnly", "The lock keep makes"),
        (SITE.group_id.upper(), "ReadOnly", "storage would be written there"),
        (STORAGE.id, "ReadOnly", "storage would be written there"),
        (SITE.group_id, "CanNotDelete", ""),
        (f"{SITE.group_id}2", "ReadOnly", ""),
    ],
)
def test_a_lock_that_makes_things_read_only(scope: str, level: str, expected: str) -> None:
    lock = {
        "id": f"{scope}/providers/Microsoft.Authorization/locks/keep",
        "name": "keep",
        "properties": {"level": level},
    }
    azure = Azure({f"{ROOT}/providers/Microsoft.Authorization/locks": [lock]})
    found = told(locks, case(azure, STORAGE))
    assert expected in found
    assert bool(found) is bool(expected)


EXISTING = f"{ROOT}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/theirs"
POSTGRES = [{"properties": {"serviceName": "microsoft.dbforpostgresql/flexibleservers"}}]


def subnets(**changed: Mapping[str, Any] | None) -> Azure:
    ranges = {
        "vmsubnet": "10.1.0.0/24",
        "batchsubnet": "10.1.128.0/17",
        "pesubnet": "10.1.3.0/24",
        "AzureFirewallSubnet": "10.1.8.0/26",
    }
    properties: dict[str, Any] = {name: {"addressPrefix": prefix} for name, prefix in ranges.items()}
    properties["sqlsubnet"] = {"addressPrefixes": ["10.1.1.0/24"], "delegations": POSTGRES}
    properties |= changed
    found = [{"name": name, "properties": body} for name, body in properties.items() if body is not None]
    return Azure({EXISTING: {"location": "eastus", "properties": {"subnets": found}}})


@pytest.mark.parametrize(
    ("azure", "expected"),
    [
        (subnets(), ""),
        (Azure(), "there is no network"),
        (subnets(pesubnet=None), "it has no subnet pesubnet"),
        (subnets(pesubnet={"addressPrefix": "10.9.3.0/28"}), "has 16 addresses; it needs at least 64"),
        (subnets(vmsubnet={"addressPrefix": "10.1.4.0/22"}), "is 10.1.4.0/22, and the file says 10.1.0.0/24"),
        (subnets(pesubnet={}), "(no range) has 0 addresses"),
        (subnets(sqlsubnet={"addressPrefix": "10.1.1.0/24"}), "is delegated to nothing; it must be to Microsoft.DBfor"),
        (
            subnets(vmsubnet={"addressPrefix": "10.1.0.0/24", "delegations": POSTGRES}),
            "is delegated to microsoft.dbforpostgresql/flexibleservers; it must be to nothing",
        ),
    ],
)
def test_an_existing_network_of_another_shape(azure: Azure, expected: str) -> None:
    site = changed(network={"existing": EXISTING})
    found = told(network, case(azure, STORAGE, site=site))
    assert expected in found
    assert bool(found) is bool(expected)


def test_a_network_in_another_region() -> None:
    azure = Azure({EXISTING: {**subnets().documents[EXISTING], "location": "westus"}})
    assert "the network is in westus" in told(
        network, case(azure, STORAGE, site=changed(network={"existing": EXISTING}))
    )


# Azure Policy


ASSIGNMENTS = f"{ROOT}/providers/Microsoft.Authorization/policyAssignments"
DEFINITION = "/providers/Microsoft.Authorization/policyDefinitions/d"
SET = "/providers/Microsoft.Authorization/policySetDefinitions/s"
OF_STORAGE = {"field": "type", "equals": "Microsoft.Storage/storageAccounts"}


def assigned(rule: Body, effect: str = "deny", **properties: Any) -> Azure:
    scope = {"scope": ROOT, "policyDefinitionId": DEFINITION, "displayName": "No such thing"} | properties
    return Azure(
        {
            ASSIGNMENTS: [{"id": f"{ASSIGNMENTS}/a", "name": "a", "properties": scope}],
            DEFINITION: {"properties": {"policyRule": {"if": rule, "then": {"effect": effect}}}},
        }
    )


@pytest.mark.parametrize(
    ("azure", "expected"),
    [
        (assigned(OF_STORAGE), "True: The policy assignment 'No such thing' will refuse storage."),
        (assigned(OF_STORAGE, "Audit"), ""),
        (assigned(OF_STORAGE, enforcementMode="DoNotEnforce"), ""),
        (assigned(OF_STORAGE, scope=f"{ROOT}/resourceGroups/other"), ""),
        (assigned(OF_STORAGE, scope="/providers/Microsoft.Management/managementGroups/all"), "True:"),
        (assigned(OF_STORAGE, notScopes=[SITE.group_id.upper()]), ""),
        (assigned({"field": "type", "in": ["microsoft.storage/STORAGEACCOUNTS"]}), "True:"),
        (assigned({"field": "type", "like": "Microsoft.Compute/*"}), ""),
        (assigned({"not": {"field": "type", "like": "Microsoft.Compute/*"}}), "True:"),
        (assigned({"field": "location", "notIn": ["westus"]}), "True:"),
        (assigned({"field": "tags['cost']", "exists": "false"}), "True:"),
        (assigned({"field": "tags['lockdown-environment']", "exists": False}), ""),
        (
            assigned({"allOf": [OF_STORAGE, {"field": "Microsoft.Storage/storageAccounts/x", "equals": "y"}]}),
            "False: not checked: the policy assignment 'No such thing' may refuse storage",
        ),
        (
            assigned(
                {
                    "allOf": [
                        {"field": "type", "equals": "x"},
                        {"field": "Microsoft.Storage/storageAccounts/x", "equals": "y"},
                    ]
                }
            ),
            "",
        ),
        (assigned({"anyOf": [OF_STORAGE, {"field": "odd", "equals": "y"}]}), "True:"),
        (assigned({"field": "location", "equals": "[resourceGroup().location]"}), "False:"),
        (assigned({"count": {"field": "x"}, "greater": 0}), "False:"),
        (Azure({ASSIGNMENTS: []}), ""),
    ],
)
def test_an_assignment_that_will_refuse_a_write(azure: Azure, expected: str) -> None:
    found = told(denials, case(azure, STORAGE))
    assert expected in found
    assert bool(found) is bool(expected)


@pytest.mark.parametrize(("given", "expected"), [({}, "True:"), ({"effect": {"value": "Audit"}}, "")])
def test_parameters_of_a_set_reach_its_members(given: Body, expected: str) -> None:
    members = [{"policyDefinitionId": DEFINITION, "parameters": {"effect": {"value": "[parameters('effect')]"}}}]
    azure = Azure(
        {
            **assigned(OF_STORAGE, "[parameters('effect')]", policyDefinitionId=SET, parameters=given).documents,
            SET: {
                "properties": {"parameters": {"effect": {"defaultValue": "Deny"}}, "policyDefinitions": members},
            },
        }
    )
    found = told(denials, case(azure, STORAGE))
    assert expected in found
    assert bool(found) is bool(expected)


# All of it


def test_what_is_left_of_the_example_is_a_warning() -> None:
    site = changed(owner="me@genomics.example", database={"administratorGroup": GROUP})
    found = list(examples(case(Azure(), STORAGE, site=site)))
    assert [f.stops for f in found] == [False, False]
    assert list(examples(case(Azure(), STORAGE))) == []


def plan(found: Blueprint, verb: Verb) -> Plan:
    return Plan(tuple(Change(step.key, step.theme, "", verb) for step in found), {})


def test_everything_that_cannot_be_read_is_a_warning_and_nothing_is_silently_fine() -> None:
    class Closed(Azure):
        def _refuse(self, path: str) -> None:
            raise RefusedError(403, "AuthorizationFailed", "No.", "r-1", path)

    found = blueprint((STORAGE, CLUSTER, BATCH, DATABASE, VAULT))
    site = changed(cluster={"version": "1.31"}, network={"existing": EXISTING})
    checked = preflight.check(site, found, plan(found, Verb.CREATE), Closed())
    assert checked.problems == ()
    unread = " ".join(finding.what for finding in checked.warnings)
    quiet = {"what the file still has of its example"}
    for what, check in preflight.CHECKS:
        assert (
            what in quiet
            or any(f.check == check.__name__ or what in f.what for f in checked.warnings)
            or (check in (rights, names) and "not checked" in unread)
        ), what


def test_an_answer_of_another_shape_is_told_and_does_not_end_the_run() -> None:
    found = blueprint((STORAGE,))
    azure = Azure({ROOT: [], f"{ROOT}/locations": [{"name": "eastus"}]})
    checked = preflight.check(SITE, found, plan(found, Verb.CREATE), azure)
    assert any("Azure's answer could not be read" in finding.what for finding in checked.warnings)


def test_what_is_there_is_looked_at_although_nothing_is_to_do() -> None:
    found = blueprint((BATCH,))
    azure = Azure({BATCH.id: {"properties": {"poolQuota": 0}}})
    for checked in (
        preflight.check(SITE, found, plan(found, Verb.LEAVE), azure),
        preflight.afterwards(SITE, found, azure),
    ):
        assert [finding.check for finding in checked.warnings] == ["quotas"]


def test_nothing_to_do_asks_nothing() -> None:
    found = blueprint((STORAGE,))
    assert (
        preflight.check(SITE, found, plan(found, Verb.LEAVE), Azure(refused=frozenset({""}))) == preflight.Preflight()
    )


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (STORAGE.id, "microsoft.storage/storageaccounts"),
        (
            f"{STORAGE.id}/blobServices/default/containers/x",
            "microsoft.storage/storageaccounts/blobservices/containers",
        ),
        (ROLE.id, "microsoft.authorization/roleassignments"),
        (SITE.group_id, "microsoft.resources/subscriptions/resourcegroups"),
        (f"{ROOT}/providers/Microsoft.Storage", "microsoft.storage"),
        (ROOT, ""),
    ],
)
def test_the_type_of_an_id(path: str, kind: str) -> None:
    assert resource_type(path) == kind
