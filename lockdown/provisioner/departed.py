"""What Azure keeps of what was deleted, and what is there under another name: why a resource is not simply created."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lockdown.provisioner.answers import RefusedError
from lockdown.provisioner.arm import Arm
from lockdown.provisioner.change import Change, Verb
from lockdown.provisioner.graph import OWNER_TAG, Blueprint, Body, Resource, at
from lockdown.provisioner.judging import blocked, change, owner_of, wanted
from lockdown.provisioner.reading import at_once, look

_VAULTS = "/providers/microsoft.keyvault/vaults/"
_ROLES = "/providers/microsoft.authorization/roleassignments/"
RECOVER = "it was deleted and is recovered, with all that it holds"
OTHER_NAME = "the same role is assigned already, under another name"


def judge(
    blueprint: Blueprint, changes: Mapping[str, Change], known: Mapping[str, Body], arm: Arm
) -> Iterable[tuple[str, Change]]:
    """Yield what is to be done instead of creating."""
    absent = [step for step in blueprint if isinstance(step, Resource) and changes[step.key].verb is Verb.CREATE]
    vaults = {step.key: step for step in absent if is_vault(step)}
    for key, found in at_once(lambda key: _vault(vaults[key], arm), vaults).items():
        if found is not None:
            yield key, found
    roles = {step.key: step for step in absent if _ROLES in step.id.lower()}
    resolved = {key: wanted(step.body, known) for key, step in roles.items()}
    asked = [key for key, body in resolved.items() if not body.unknown]
    for key, there in at_once(lambda key: _is_assigned(roles[key], resolved[key].body, arm), asked).items():
        if there:
            yield key, change(roles[key], Verb.LEAVE, why=OTHER_NAME)


def is_vault(step: Resource) -> bool:
    """Tell whether a step is a key vault."""
    head, _, name = step.id.lower().rpartition("/")
    return f"{head}/".endswith(_VAULTS) and bool(name)


def deleted_vault_path(step: Resource) -> str:
    """Return the path at which a vault is shown that was deleted and can still be recovered."""
    subscription, name = step.id.split("/")[2], step.id.rpartition("/")[2]
    location = step.body["location"]
    return f"/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{location}/deletedVaults/{name}"


def _vault(step: Resource, arm: Arm) -> Change | None:
    found = look(arm, deleted_vault_path(step), step.api_version)
    if isinstance(found, RefusedError):
        return blocked(step, f"whether a deleted vault holds its name could not be read: {found.code}: {found.message}")
    if not found.there:
        return None
    was = str(at(found.body, "properties.vaultId") or "")
    if was.lower() != step.id.lower():
        return blocked(step, f"its name is held by a vault that was deleted: {was}")
    owner = owner_of(step.body)
    if owner != owner_of({"tags": at(found.body, "properties.tags")}):
        return blocked(step, f"a vault of this name was deleted and is not ours: it lacks the tag {OWNER_TAG}={owner}")
    return change(step, Verb.CREATE, why=RECOVER)


def _is_assigned(step: Resource, body: Body, arm: Arm) -> bool:
    collection, _, _ = step.id.rpartition("/")
    scope = step.id[: step.id.lower().rindex(_ROLES)].lower()
    principal, role = str(at(body, "properties.principalId")), str(at(body, "properties.roleDefinitionId")).lower()
    try:
        found = list(arm.items(collection, step.api_version, **{"$filter": f"principalId eq '{principal}'"}))
    except RefusedError:
        # Then it is created, and RoleAssignmentExists is success.
        return False
    return any(
        str(at(item, "properties.scope")).lower() == scope
        and str(at(item, "properties.principalId")).lower() == principal.lower()
        and str(at(item, "properties.roleDefinitionId")).lower() == role
        for item in found
    )
