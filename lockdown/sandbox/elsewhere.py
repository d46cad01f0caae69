"""Reads at a path that is not that of the documents behind it."""

from lockdown.sandbox import activity_log, envelope, kubernetes
from lockdown.sandbox.arm_error import ArmError
from lockdown.sandbox.call import Answer, Call
from lockdown.sandbox.listing import page
from lockdown.sandbox.locations import regions
from lockdown.sandbox.providers import kind_of
from lockdown.sandbox.providers.key_vaults import deleted_vaults
from lockdown.sandbox.state import subscription_of

_DELETED = "Microsoft.KeyVault/deletedVaults"
_JIT = "Microsoft.Security/locations/jitNetworkAccessPolicies"
_VERSIONS = "Microsoft.ContainerService/locations/kubernetesVersions"


def answer(call: Call, segments: list[str], lower: list[str]) -> Answer | None:
    """Answer GET on such a path; None if it is not one."""
    if call.method != "GET" or lower[0] != "subscriptions":
        return None
    scope = "/" + "/".join(segments[:2])
    match lower[2:]:
        case ["providers", "microsoft.insights", "eventtypes", "management", "values"]:
            return activity_log.events(call, scope)
        case ["providers", "microsoft.keyvault", "deletedvaults"]:
            call.demand(f"{_DELETED}/read", scope)
            found = deleted_vaults(call.state, scope=scope)
            return Answer(200, page(call, found, lambda document: envelope.view(call, kind_of(_DELETED), document)))
        case ["providers", "microsoft.security", "jitnetworkaccesspolicies"]:
            return _jit(call, scope)
        case ["providers", "microsoft.containerservice", "locations", location, "kubernetesversions"]:
            return _versions(call, scope, location)
    return None


def _jit(call: Call, scope: str) -> Answer:
    """List the policies of every location and group of a subscription."""
    call.demand(f"{_JIT}/read", scope)
    found = [document for document in call.state.below(scope) if str(document.get("type", "")).lower() == _JIT.lower()]
    return Answer(200, page(call, found, lambda document: envelope.view(call, kind_of(_JIT), document)))


def _versions(call: Call, scope: str, location: str) -> Answer:
    """Tell what AKS offers in a location: the properties of the scenario's document, or a fixed list."""
    call.demand(f"{_VERSIONS}/read", scope)
    if location not in regions(call.settings.cloud):
        raise ArmError(400, "LocationNotAvailable", f"The location '{location}' is not available.")
    return Answer(200, kubernetes.offered(call.state, subscription_of(scope), location))
